"""Live streams over HTTP: Server-Sent Events (WHATWG HTML §9.2)."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.articles.routes import Retracted, WithheldForLegalReasons, get_visible, redirect_former_slug
from app.articles.services import ArticleServices
from app.core.ids import RefPath
from app.core.problems import InvalidParameter, NotFound, Unauthorized, document_problems
from app.db.columns import Row
from app.db.rows import JsonObject
from app.events.schemas import Position
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES
from app.identity.access import DraftReader, Moderator, Public, require_scope
from app.identity.schemas import ANONYMOUS, Actor
from app.live.broadcasting import Live, PositionGone, TooManyStreams
from app.live.schemas import LiveQuery, SiteLiveQuery, parse_types
from app.live.services import LiveServices
from app.live.streams import Stream
from app.publication.responses import REDIRECT_RESPONSE
from app.publication.section_tree import find_ancestors
from app.web.boundary import CONTINUATION
from app.web.paging import POSITION_PATTERN
from app.web.protocol import IS_SHUTTING_DOWN, ON_SHUTDOWN
from app.web.rate_limits import network_of
from app.web.responses import database, settings
from app.web.routing import Router

HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
router = Router(prefix="/v1", tags=["live"])
Follower = Annotated[Actor, require_scope("syndicate", "comments:moderate")]


class EventStream(Response):
    """A response without a length, which lasts until either side ends it."""

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
            opening = live.open(stream)
            first = await anext(opening)
            while (await receive()).get("more_body"):  # discards a body
                pass
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except BaseException:
            live.remove(stream)
            raise
        state[ON_SHUTDOWN] = live.leave
        state[CONTINUATION] = partial(
            _send_stream, live, stream, None if scope["is_head"] else opening, first, self.seconds
        )


async def _send_stream(
    live: Live,
    stream: Stream,
    opening: AsyncIterator[bytes] | None,
    first: bytes,
    seconds: float,
    receive: Receive,
    send: Send,
) -> None:
    """Send missed events, then new ones, until either side ends the stream."""

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
        live.remove(stream)


def _live_of(request: Request) -> Live:
    return LiveServices.of(request).live


async def _find_start(request: Request, query: LiveQuery) -> Position:
    """Return where to start. `Last-Event-ID` takes precedence: clients that resume keep the parameter in their URL."""
    header = request.headers.get("last-event-id")
    name, text = ("Last-Event-ID", header) if header else ("last_event_id", query.last_event_id)
    try:
        last = Position.parse(text) if text else None
    except ValueError:
        raise InvalidParameter(name, f"{name} is not the id of an event.") from None
    return await _live_of(request).find_start(last)


def _name_caller(request: Request, actor: Actor) -> str:
    return actor.caller or (network_of(request.client.host) if request.client else "")


def _open_stream(request: Request, stream: Stream) -> EventStream:
    return EventStream(_live_of(request), stream, settings(request).live_seconds)


_LAST_EVENT_ID: JsonObject = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The last `id` received: the stream continues after it. Browsers send it on their own.",
            "schema": {"type": "string", "maxLength": 40, "pattern": POSITION_PATTERN},
        }
    ]
}


def _document_stream(example: str) -> dict[int | str, JsonObject]:
    content: JsonObject = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "Events, until either side ends the stream.", "content": content}}


_ARTICLE = _document_stream(
    'retry: 2417\n: \nid: 0.57\n\nevent: counts\ndata: {"comments":3,"inline":1,"reactions":{"agree":2},"votes":{}}\n\n'
    'id: 0.58\nevent: comment.removed\ndata: {"id":"0199…","article_id":"0199…","parent_id":null,"root_id":"0199…"}\n\n'
)
_SITE = _document_stream(
    "retry: 1830\n: \nid: 0.57\n\nid: 0.58\nevent: article.updated\n"
    'data: {"type":"article.updated","timestamp":"2026-01-31T12:00:00Z","data":{"id":"0199…","position":"0.58",'
    '"cache_groups":["articles","article:0199…"],"slug":"fog","revision":2,"fields":["title"]}}\n\n'
)


@router.get(
    "/articles/{article}/live",
    summary="Follow an article live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_LAST_EVENT_ID,
    responses={
        **_ARTICLE,
        **document_problems(Retracted, WithheldForLegalReasons, PositionGone, TooManyStreams),
        **REDIRECT_RESPONSE,
    },
)
async def follow_article(
    request: Request, article: RefPath, query: Annotated[LiveQuery, Query()], actor: Public
) -> Response:
    """Follow an article and its discussion, as anonymous readers see them, by Server-Sent Events.

    `comment.published` and `comment.edited` contain the comment as `/v1/comments/{id}` returns it, `comment.removed`
    its ids. `counts` is sent first, and again at most once a second. `article.updated` names in `fields` what to read
    again; when its `state` is not `published`, the stream ends.

    Open the stream, then read the discussion, to miss nothing in between. `id` is the position in the log; with
    `Last-Event-ID` the stream continues after it, without loss or repetition, over at most 10,000 events (410 beyond).
    Comment lines with the current id are sent every 15 seconds. The server ends streams after some time, and those of
    clients that read too slowly: reconnect.
    """
    since, site = await _find_start(request, query), ArticleServices.of(request).site

    def find(connection: sa.Connection) -> tuple[Row, list[str]]:
        row = get_visible(connection, article, ANONYMOUS, site)
        return row, find_ancestors(connection, row["section_id"]) if row["section_id"] else []

    try:
        row, sections = await database(request).read(find)
    except NotFound:
        return await redirect_former_slug(request, article, ANONYMOUS, "/live")
    stream = Stream(_name_caller(request, actor), since, article_id=row["id"], sections=sections)
    return _open_stream(request, stream)


@router.get(
    "/live",
    summary="Follow the publication live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_LAST_EVENT_ID,
    responses={**_SITE, **document_problems(PositionGone, TooManyStreams)},
)
async def follow_site(
    request: Request,
    query: Annotated[SiteLiveQuery, Query()],
    actor: Annotated[Actor, require_scope("syndicate", "comments:moderate")],
) -> Response:
    """Follow all events of public content by Server-Sent Events, each once and in order.

    Each event is named by its type and contains `{type, timestamp, data}` like a webhook: ids, `position`,
    `cache_groups` and members of its own; fetch its subject. Resuming, heartbeats and ends are as in an article's
    stream. A stream ends within seconds after what its caller may do changes or ends.

    Callers with `comments:moderate` also receive moderation events, of the sections in which they have it.
    """
    return await _follow(request, query, actor, parse_types(query.types, moderation=actor.may("comments:moderate")))


_MODERATION = _document_stream(
    "retry: 1830\n: \nid: 0.57\n\nid: 0.58\nevent: comment.pending\n"
    'data: {"type":"comment.pending","timestamp":"2026-01-31T12:00:00Z","data":{"id":"0199…","position":"0.58",'
    '"article_id":"0199…","section_id":"0199…","reasons":["links"]}}\n\n'
)


@router.get(
    "/moderation/live",
    tags=["moderation"],
    summary="Follow the moderation queue live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_LAST_EVENT_ID,
    responses={**_MODERATION, **document_problems(PositionGone, TooManyStreams)},
)
async def follow_moderation(request: Request, query: Annotated[LiveQuery, Query()], actor: Moderator) -> Response:
    """Follow what changes in the moderation queue, by Server-Sent Events: comments that wait, are reported, appealed,
    claimed or decided, in the caller's sections.

    Each event contains `{type, timestamp, data}` with ids and codes. Resuming and heartbeats are as in `/v1/live`.
    """
    return await _follow(request, query, actor, frozenset(MODERATION_TYPES))


_EDITORIAL = _document_stream(
    "retry: 1830\n: \nid: 0.57\n\nid: 0.58\nevent: article.submitted\n"
    'data: {"type":"article.submitted","timestamp":"2026-01-31T12:00:00Z","data":{"id":"0199…","position":"0.58",'
    '"section_id":"0199…","revision":3}}\n\n'
)


@router.get(
    "/editorial/live",
    tags=["editorial"],
    summary="Follow the work of editors live",
    status_code=200,
    response_class=EventStream,
    openapi_extra=_LAST_EVENT_ID,
    responses={**_EDITORIAL, **document_problems(PositionGone, TooManyStreams)},
)
async def follow_editorial_work(request: Request, query: Annotated[LiveQuery, Query()], actor: DraftReader) -> Response:
    """Follow approval, notes, tasks and locks of the sections whose drafts the caller reads, by Server-Sent Events.

    Each event contains `{type, timestamp, data}` with ids and codes. Resuming and heartbeats are as in `/v1/live`.
    """
    return await _follow(request, query, actor, frozenset(EDITORIAL_TYPES))


async def _follow(request: Request, query: LiveQuery, actor: Actor, types: frozenset[str]) -> Response:
    """Open a stream of events of these types, which ends when its caller may not follow it any more."""
    since, token = await _find_start(request, query), request.headers["authorization"].partition(" ")[2].strip()
    callers = LiveServices.of(request).callers

    async def may_stay() -> bool:
        try:
            now = await callers.identify(token)
        except Unauthorized:
            return False
        return now.grants == actor.grants

    stream = Stream(
        _name_caller(request, actor),
        since,
        types=types,
        moderated_sections=actor.sections_for("comments:moderate"),
        draft_sections=actor.draft_sections,
        may_stay=may_stay,
    )
    return _open_stream(request, stream)
