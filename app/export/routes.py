"""The export over HTTP: a stream of which one chunk at a time is in memory."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated

import pydantic_core
from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.articles.rendering import limit_for_partner, parse_formats, splice_object
from app.articles.services import ArticleServices
from app.changes.schemas import encode_cursor
from app.core.clock import now
from app.core.logs import get_logger
from app.core.problems import Unavailable
from app.db import Database
from app.db.rows import JsonObject
from app.events.log import find_settled_position
from app.export.public import KINDS, ExportOptions
from app.export.schemas import FORMAT, MEDIA_TYPE, ExportQuery, ManifestOut, TrailerOut
from app.identity.access import Public
from app.identity.services import IdentityServices
from app.web.responses import PRIVATE_CACHE_CONTROL, database, settings
from app.web.routing import Router

router = Router(prefix="/v1", tags=["syndication"])
MAX_RUNNING = {"anonymous": 1, "key": 3}  # exports at a time in one process
SEND_TIMEOUT_SECONDS = 60.0  # for a client to take a chunk
RETRY_AFTER_SECONDS = 30
_RESPONSES: dict[int | str, JsonObject] = {
    200: {
        "description": "One JSON object on each line: `LineOut`.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
}
Limit = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Limits articles, as JSON, to what the caller may read."""
log = get_logger("broadsheet.syndication")


class _RunningExports:
    """The number of running exports, limited so that anonymous clients cannot lock out keys."""

    def __init__(self) -> None:
        self.number = dict.fromkeys(MAX_RUNNING, 0)

    def enter(self, who: str) -> None:
        """Count an export that starts; 503 if too many are running."""
        if self.number[who] >= MAX_RUNNING[who]:
            raise Unavailable("Too many exports are running. Try again later.", retry_after=RETRY_AFTER_SECONDS)
        self.number[who] += 1

    def leave(self, who: str) -> None:
        """Count an export that has ended."""
        self.number[who] -= 1


_RUNNING = _RunningExports()


class _ExportStream(StreamingResponse):
    """A stream that ends if its client stops reading."""

    def __init__(self, content: AsyncIterator[bytes], who: str) -> None:
        headers = {
            "Cache-Control": PRIVATE_CACHE_CONTROL,
            "Content-Disposition": 'attachment; filename="export.ndjson"',
        }
        super().__init__(content, 200, headers, MEDIA_TYPE)
        self.who = who

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            log.warning("an export was aborted because its client stopped reading")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _RUNNING.enter(self.who)
        try:
            await super().__call__(scope, receive, send)
        finally:
            _RUNNING.leave(self.who)


def make_line(kind: str, item: bytes) -> bytes:
    """Make one line of an export."""
    return splice_object({"type": kind}, {"data": item}) + b"\n"


async def read_lines(
    db: Database, options: ExportOptions, manifest: bytes, *, rest: float, limit: Limit = lambda items: items
) -> AsyncIterator[bytes]:
    """Yield an export in chunks of lines, pausing after each for `rest` times as long as it took to read.

    `limit` reduces articles to what the caller may read.
    """
    digest, count = hashlib.sha256(manifest), 0
    yield manifest
    for kind, read in KINDS.items():
        after: str | None = None
        while True:
            started = time.monotonic()
            items, after = await db.scan(read, after, options)
            items = limit(items) if kind == "article" else items
            chunk = b"".join(make_line(kind, item) for item in items)
            digest.update(chunk)
            count += len(items)
            if chunk:
                yield chunk
            if after is None:
                break
            await asyncio.sleep(rest * (time.monotonic() - started))
    yield make_line("trailer", TrailerOut(count=count, sha256=digest.hexdigest()).model_dump_json().encode())


@router.get("/export.ndjson", summary="Export all public content", responses=_RESPONSES, response_class=Response)
async def export_content(request: Request, query: Annotated[ExportQuery, Query()], actor: Public) -> Response:
    """Export all public content as newline-delimited JSON: sections, tags, authors, series, pictures, notices, articles
    with their texts, and comments.

    Each line is `{"type", "data"}`, with `data` as other endpoints return it. The first line is the `manifest`; follow
    `/v1/changes` from its `cursor` to learn of everything that happened since the export began. The last line is the
    `trailer` with the number of lines between and the SHA-256 of all bytes before it; without it the export is
    incomplete. One anonymous export, at half speed, and three exports with keys run at a time; beyond that the answer
    is 503. Partners get each article at its syndication level.
    """
    site, formats = ArticleServices.of(request).site, parse_formats(query.formats, ("html",))
    db, name = database(request), IdentityServices.of(request).vault.log_name()
    config = settings(request)
    manifest = ManifestOut(
        format=FORMAT,
        version=1,
        site_name=config.site_name,
        site_url=config.site_url,
        created_at=now(),
        cursor=encode_cursor(name, await db.read(find_settled_position)),
    )
    who = "key" if actor.is_staff else "anonymous"
    first = make_line("manifest", pydantic_core.to_json(manifest))
    limit = partial(limit_for_partner, actor, ArticleServices.of(request).access_log)
    return _ExportStream(
        read_lines(db, ExportOptions(site, formats), first, rest=0.0 if who == "key" else 1.0, limit=limit), who
    )
