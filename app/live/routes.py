"""Live streams over HTTP: Server-Sent Events as WHATWG HTML §9.2 has them."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.articles.routes import Retracted, WithheldForLegalReasons, get_visible, redirect_former_slug
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import Forbidden, InvalidParameter, NotFound, Unauthorized, document_problems
from app.db.columns import Row
from app.events.schemas import Position
from app.identity.access import Public, require_scope
from app.identity.schemas import ANONYMOUS, Actor
from app.live.broadcasting import Live, PositionGone, TooManyStreams
from app.live.schemas import LiveQuery, SiteLiveQuery, chosen_types
from app.live.services import LiveServices
from app.live.streams import Stream
from app.publication.section_tree import find_ancestors
from app.web.boundary import CONTINUATION
from app.web.rate_limits import network_of
from app.web.responses import POSITION_PATTERN, database, settings
from app.web.server import IS_SHUTTING_DOWN, ON_SHUTDOWN

HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
router = APIRouter(prefix="/v1", tags=["live"])
Follower = Annotated[Actor, require_scope("syndicate", "comments:moderate")]


class EventStream(Response):
    """An answer without a length, which goes on until either side ends it."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, stream: Stream, seconds: float) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self.live, self.stream, self.seconds = live, stream, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, live, stream = scope["state"], self.live, self.stream
        if state.get(IS_SHUTTING_DOWN):
            live.leave()
        live.admit(stream)
        try:
            opening = live.opening(stream)
            first = await anext(opening)
            while (await receive()).get("more_body"):  # a body that nobody needs
                pass
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except BaseException:
            live.part(stream)
            raise
        state[ON_SHUTDOWN] = live.leave
        state[CONTINUATION] = partial(_go_on, live, stream, None if scope["is_head"] else opening, first, self.seconds)


async def _go_on(
    live: Live,
    stream: Stream,
    opening: AsyncIterator[bytes] | None,
    first: bytes,
    seconds: float,
    receive: Receive,
    send: Send,
) -> None:
    """Send what there is, then what comes, until either side ends it."""

    async def emit(piece: bytes | None) -> None:
        await send({"type": "http.response.body", "body": piece or b"", "more_body": piece is not None})

    try:
        if opening is not None:
            await emit(first)
            async for first in opening:
                await emit(first)
        stream.begin(emit, seconds)
        if opening is None or not seconds:
            stream.end()
        del opening, first  # there are thousands of streams
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        live.part(stream)


def _live(request: Request) -> Live:
    return LiveServices.of(request).live


async def _since(request: Request, query: LiveQuery) -> Position:
    """Where to begin: `Last-Event-ID` goes before the parameter, which stays in the address when a client resumes."""
    header = request.headers.get("last-event-id")
    name, text = ("Last-Event-ID", header) if header else ("last_event_id", query.last_event_id)
    try:
        asked = Position.parse(text) if text else None
    except ValueError:
        raise InvalidParameter(name, f"{name} is not the id of an event.") from None
    return await _live(request).since(asked)


def _caller(request: Request, actor: Actor) -> str:
    return actor.caller or (network_of(request.client.host) if request.client else "")


def _answer(request: Request, stream: Stream) -> EventStream:
    return EventStream(_live(request), stream, settings(request).live_seconds)


_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The `id` that came last: the stream goes on after it. Browsers send it by themselves.",
            "schema": {"type": "string", "maxLength": 40, "pattern": POSITION_PATTERN},
        }
    ]
}


def _streams(example: str) -> dict[int | str, dict[str, Any]]:
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "Events, until either side ends.", "content": content}}


_ARTICLE = _streams(
    'retry: 2417\n: \nid: 0.57\n\nevent: counts\ndata: {"comments":3,"inline":1,"reactions":{"agree":2},"votes":{}}\n\n'
    'id: 0.58\nevent: comment.removed\ndata: {"id":"0199…","article_id":"0199…","parent_id":null,"root_id":"0199…"}\n\n'
)
_SITE = _streams(
    "retry: 1830\n: \nid: 0.57\n\nid: 0.58\nevent: article.updated\n"
    'data: {"type":"article.updated","timestamp":"2026-01-31T12:00:00Z","data":{"id":"0199…","position":"0.58",'
    '"cache_groups":["articles","article:0199…"],"slug":"fog","revision":2,"fields":["title"]}}\n\n'
)


@router.get(
    "/articles/{article}/live",
    operation_id="followArticle",
    summary="Follow an article live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_HEADER,
    responses={
        **_ARTICLE,
        **document_problems(NotFound, Retracted, WithheldForLegalReasons, PositionGone, TooManyStreams),
        301: {"description": "A former slug; `Location` has the present URL."},
    },
)
async def follow_article(
    request: Request, article: RefPath, query: Annotated[LiveQuery, Query()], actor: Public
) -> Response:
    """Follow an article and its discussion, as everyone sees them, by Server-Sent Events.

    `comment.published` and `comment.edited` carry the comment as `/v1/comments/{id}` has it, `comment.removed` its ids.
    `counts` comes first, and again at most once a second: `comments`, `inline`, `reactions`, and `votes` by comment.
    `article.updated` names in `fields` what to read again; when its `state` is not `published`, the stream ends.

    Open the stream, then read the discussion: nothing is lost in between. `id` is the position in the log; with
    `Last-Event-ID` the stream goes on after it, without loss or repeat, over 10,000 facts at most (410 beyond). Comment
    lines come every 15 seconds, with the id reached. The server ends each stream after a while, and that of a reader
    who does not keep up: clients resume.
    """
    since, site = await _since(request, query), ArticleServices.of(request).site

    def find(connection: sa.Connection) -> tuple[Row, list[str]]:
        row = get_visible(connection, article, ANONYMOUS, site)
        return row, find_ancestors(connection, row["section_id"]) if row["section_id"] else []

    try:
        row, sections = await database(request).read(find)
    except NotFound:
        return await redirect_former_slug(request, article, ANONYMOUS, "/live")
    stream = Stream(_caller(request, actor), since, article_id=row["id"], sections=sections)
    return _answer(request, stream)


@router.get(
    "/live",
    operation_id="followSite",
    summary="Follow the publication live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_HEADER,
    responses={**_SITE, **document_problems(Unauthorized, Forbidden, PositionGone, TooManyStreams)},
)
async def follow_site(
    request: Request,
    query: Annotated[SiteLiveQuery, Query()],
    actor: Annotated[Actor, require_scope("syndicate", "comments:moderate")],
) -> Response:
    """Follow the whole publication by Server-Sent Events: every fact of what is public, once and in order.

    Each event is named by its type and carries `{type, timestamp, data}` as a webhook does: ids, `position`,
    `cache_groups`, and what the fact itself tells; read the rest where it is. Resuming, heartbeats and ends are as
    in an article's stream. A stream ends within seconds of its key, or of a change to it.

    Keys with `comments:moderate` also receive the events of moderation, of their sections if they are limited to some.
    """
    since, token = await _since(request, query), request.headers["authorization"].partition(" ")[2].strip()
    callers = LiveServices.of(request).callers

    async def may_stay() -> bool:
        try:
            now = await callers.identify(token)
        except Unauthorized:
            return False
        return (now.scopes, now.sections) == (actor.scopes, actor.sections)

    types = chosen_types(query.types, moderation=actor.may("comments:moderate"))
    stream = Stream(_caller(request, actor), since, types=types, key_sections=actor.sections, may_stay=may_stay)
    return _answer(request, stream)
