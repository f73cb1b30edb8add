"""The export over HTTP: a stream that is never longer in memory than a chunk."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated, Any

import pydantic_core
import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from app.articles.reading import parse_formats
from app.articles.rendering import limit_for_partner, splice_object
from app.articles.services import ArticleServices
from app.changes.schemas import encode
from app.core.clock import now
from app.core.problems import Unavailable, document_problems
from app.db import Database
from app.events.log import settled_position
from app.export.public import KINDS, Asked
from app.export.schemas import FORMAT, MEDIA_TYPE, ExportQuery, ManifestOut, TrailerOut
from app.identity.access import Public
from app.identity.services import IdentityServices
from app.web.responses import PRIVATE_CACHE_CONTROL, database, settings

router = APIRouter(prefix="/v1", tags=["syndication"])
AT_ONCE = {"anonymous": 1, "key": 3}  # exports that a process makes at the same time, for strangers and for keys
PATIENCE = 60.0  # seconds in which a client must take what it was sent
RETRY = 30  # seconds
_STREAM: Any = {
    200: {
        "description": "One JSON object in a line: `LineOut`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **document_problems(Unavailable),
}
Give = Callable[[Sequence[bytes]], Sequence[bytes]]
log = structlog.get_logger("broadsheet.syndication")


class _Running:
    """How many exports run in this process: strangers must not be able to shut others out."""

    def __init__(self) -> None:
        self.number = dict.fromkeys(AT_ONCE, 0)

    def enter(self, who: str) -> None:
        """503 while enough run."""
        if self.number[who] >= AT_ONCE[who]:
            raise Unavailable("Enough exports run already; come back later.", retry_after=RETRY)
        self.number[who] += 1

    def leave(self, who: str) -> None:
        """One has ended, in whatever way."""
        self.number[who] -= 1


_RUNNING = _Running()


class _Stream(StreamingResponse):
    """A stream that ends when its client no longer takes it."""

    def __init__(self, content: AsyncIterator[bytes], who: str) -> None:
        headers = {
            "Cache-Control": PRIVATE_CACHE_CONTROL,
            "Content-Disposition": 'attachment; filename="export.ndjson"',
        }
        super().__init__(content, 200, headers, MEDIA_TYPE)
        self.who = who

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Any) -> None:
            async with asyncio.timeout(PATIENCE):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            log.warning("an export was not taken, and is broken off")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _RUNNING.enter(self.who)
        try:
            await super().__call__(scope, receive, send)
        finally:
            _RUNNING.leave(self.who)


def line(kind: str, item: bytes) -> bytes:
    """One line of an export."""
    return splice_object({"type": kind}, {"data": item}) + b"\n"


async def lines(
    db: Database, asked: Asked, manifest: bytes, *, rest: float, give: Give = lambda items: items
) -> AsyncIterator[bytes]:
    """An export in pieces of some lines; after each it rests for `rest` times as long as the piece took to read.

    `give` says what of some articles the caller may have.
    """
    digest, count = hashlib.sha256(manifest), 0
    yield manifest
    for kind, read in KINDS.items():
        after: str | None = None
        while True:
            begun = time.monotonic()
            items, after = await db.scan(read, after, asked)
            items = give(items) if kind == "article" else items
            piece = b"".join(line(kind, item) for item in items)
            digest.update(piece)
            count += len(items)
            if piece:
                yield piece
            if after is None:
                break
            await asyncio.sleep(rest * (time.monotonic() - begun))
    yield line("trailer", TrailerOut(count=count, sha256=digest.hexdigest()).model_dump_json().encode())


@router.get(
    "/export.ndjson",
    operation_id="exportContent",
    summary="Export all public content",
    responses=_STREAM,
    response_class=Response,
)
async def export_content(request: Request, query: Annotated[ExportQuery, Query()], actor: Public) -> Response:
    """Everything that is public, as newline-delimited JSON: sections, tags, authors, series, media and notices that
    readers see, articles with their texts, and comments.

    Each line is `{"type", "data"}` with `data` in the shape that the API gives it elsewhere. The first line is the
    `manifest` with the `cursor` from which `/v1/changes` tells all that happened since the export began; the last is
    the `trailer` with the number of lines between and the SHA-256 of all bytes before it: without it the export is not
    whole. One export at a time for strangers, at half speed, and three for keys: 503 beyond that. Partners get
    of each article what its level of syndication allows.
    """
    site, formats = ArticleServices.of(request).site, parse_formats(query.formats, ("html",))
    db, name = database(request), IdentityServices.of(request).vault.log_name()
    about = settings(request)
    manifest = ManifestOut(
        format=FORMAT,
        version=1,
        site_name=about.site_name,
        site_url=about.site_url,
        created_at=now(),
        cursor=encode(name, await db.read(settled_position)),
    )
    who = "key" if actor.kind == "key" else "anonymous"
    first = line("manifest", pydantic_core.to_json(manifest))
    give = partial(limit_for_partner, actor, ArticleServices.of(request).access_log)
    return _Stream(lines(db, Asked(site, formats), first, rest=0.0 if who == "key" else 1.0, give=give), who)
