"""The channel: asking callbacks what they want, sending them feeds, and telling other hubs."""

import asyncio
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, TypedDict, cast
from urllib.parse import urlencode

import structlog
from sqlmodel import Session

from app.articles.projection import list_linked_ids
from app.articles.tables import ArticleAuthor, ArticleTag
from app.comments.visibility import SubjectRow, Visibility, read_event_visibility
from app.core.clock import now
from app.core.ids import is_id
from app.core.network_addresses import Guard
from app.core.problems import NotFound, Unavailable
from app.core.settings import Settings
from app.db import Database
from app.db.columns import Row
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import MAX_ANSWER_LENGTH, ClaimedDelivery, NewDelivery, Outcome
from app.events.cache_groups import PUBLICATION_GROUP
from app.events.catalog import (
    ArticleCorrected,
    ArticleCorrectionChanged,
    ArticleCorrectionWithdrawn,
    ArticlePublished,
    ArticleRetracted,
    ArticleUnpublished,
    ArticleUpdated,
    AuthorChanged,
    AuthorDeleted,
    CommentEdited,
    CommentPublished,
    CommentRemoved,
    DiscussionChanged,
    LoggedEvent,
    MediaChanged,
    MediaDeleted,
    NoticeChanged,
    NoticeDeleted,
    SectionChanged,
    SectionDeleted,
    SeriesChanged,
    SeriesDeleted,
    TagChanged,
    TagDeleted,
)
from app.events.schemas import Position
from app.feeds.schemas import HUB_PATH, Publication
from app.net.outgoing import Answer, CallFailed, Outgoing, TargetRefused
from app.publication.section_tree import find_ancestors
from app.websub.hub import (
    CHANNEL,
    addresses,
    confirm,
    end,
    has_subscribers,
    note_sent,
    refuse,
    render,
    request,
    spread,
    subscribed,
    subscription,
)
from app.websub.schemas import TERMS, Feeds, Kind, name_of

SCHEDULE: Final = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)
TIMEOUT: Final = 15.0  # seconds
PATIENCE: Final = timedelta(days=3)  # of nothing but failures
GONE, BUSY = 410, 429
KEPT: Final = 16  # feeds that are kept while they are sent
NOT_SEEN: Final = "readers no longer see the feed"
log = structlog.get_logger("broadsheet.syndication")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def judged(answer: Answer) -> Outcome:
    """What an answer to content means (WebSub §7): 2xx took it, 410 wants no more, all else is tried again."""
    if 200 <= answer.status < 300:
        return Outcome("delivered", answer.status)
    if answer.status == GONE:
        return Outcome("dead", GONE, "the subscriber answered 410 Gone", disable=True)
    return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)


def question(row: Row, mode: str, **more: str) -> str:
    """The address by which a callback is asked, or told that it is denied; its own query stays."""
    asked = {"hub.mode": mode, "hub.topic": row["topic"], **{f"hub.{name}": value for name, value in more.items()}}
    return f"{row['callback']}{'&' if '?' in row['callback'] else '?'}{urlencode(asked)}"


def headers(row: Row, here: Publication, body: bytes, media_type: str) -> dict[str, str]:
    """What goes with a feed (WebSub §7 and §8)."""
    found = {"Content-Type": media_type, "Link": f'<{here.api}{HUB_PATH}>; rel="hub", <{row["topic"]}>; rel="self"'}
    if row["secret"]:
        found["X-Hub-Signature"] = f"sha256={hmac.new(row['secret'].encode(), body, 'sha256').hexdigest()}"
    return found


class _Press:
    """Feeds as they are now, each made once for all its subscribers."""

    def __init__(self, here: Publication) -> None:
        self._here, self._lock = here, asyncio.Lock()
        self._kept: dict[tuple[str, str | None, str], tuple[Position, tuple[bytes, str]]] = {}

    async def made(self, db: Database, row: Row, position: Position) -> tuple[bytes, str]:
        """A feed and its media type; a problem where readers no longer see it."""
        key = (row["kind"], row["target_id"], row["form"])
        async with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != position:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                kept = self._kept[key] = position, await db.scan(render, row, self._here, position)
            return kept[1]


class FeedsContent(TypedDict):
    """Content of deliveries about feeds: their name, see `Feeds`."""

    feeds: str


class HubChannel:
    """How deliveries of the hub are sent: subscribers only on the public internet, hubs where the operator says."""

    name = CHANNEL
    schedule = SCHEDULE
    timeout = TIMEOUT + 10.0  # with the store, and making the feed
    patience = PATIENCE

    def __init__(self, settings: Settings) -> None:
        self._here = Publication.from_settings(settings)
        self._press = _Press(self._here)
        self._hubs = {name_of(hub): hub for hub in settings.websub_hubs}
        self._outgoing, self._free = Outgoing(Guard(settings.outgoing_allow)), Outgoing(None)

    async def send(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """One attempt."""
        ways = {"verify": self._verify, "spread": self._spread, "publish": self._publish}
        try:
            return await ways.get(piece.what, self._content)(db, piece)
        except TargetRefused as error:
            if piece.what == "verify":
                await db.write(refuse, piece.endpoint)
            return Outcome("dead", error=str(error))
        except CallFailed as error:
            return Outcome("retry", error=str(error))
        except Unavailable:
            return Outcome("retry", error="a replica of the store is behind", at_fault=False)

    async def _verify(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Ask a callback whether it really wants what was asked for in its name (WebSub §5.3)."""
        row, position = await db.scan_fresh(request, piece.endpoint)
        if row is None:
            return Outcome("cancelled", error="the request was answered or is too old")
        more = {"challenge": secrets.token_urlsafe(32)}
        if row["mode"] == "subscribe":
            more["lease_seconds"] = str(row["lease_seconds"])
            try:
                await self._press.made(db, row, position)
            except NotFound:
                await self._deny(row)
                await db.write(refuse, row["id"])
                return Outcome("cancelled", error=NOT_SEEN)
        answer = await self._call("GET", question(row, row["mode"], **more))
        if 200 <= answer.status < 300 and hmac.compare_digest(answer.body, more["challenge"].encode()):
            await db.write(confirm, row["id"])
            return Outcome("delivered", answer.status)
        if answer.status >= 500 or answer.status == BUSY:
            return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)
        await db.write(refuse, row["id"])
        return Outcome("dead", answer.status, "the callback did not confirm", at_fault=False)

    async def _deny(self, row: Row) -> None:
        """Tell a callback that it is not, or no longer, told (WebSub §5.2)."""
        await self._call("GET", question(row, "denied", reason="There is no such feed any more."))

    async def _spread(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Have everybody told who subscribes to some feeds, a few hundred in a transaction."""
        feeds, after = Feeds.of(cast(FeedsContent, piece.content)["feeds"]), None
        while (after := await db.write(spread, feeds, piece.event, after)) is not None:
            pass
        return Outcome("delivered")

    async def _content(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Send a feed as it is now, unless the subscriber has it (WebSub §7)."""
        row, position = await db.scan_fresh(subscription, piece.endpoint)
        if row is None:
            return Outcome("cancelled", error="the subscription has ended")
        try:
            body, media_type = await self._press.made(db, row, position)
        except NotFound:
            await self._deny(row)
            await db.write(end, row["id"])
            return Outcome("cancelled", error=NOT_SEEN)
        digest = sha256(body).hexdigest()
        if row["sent"] == digest:
            return Outcome("cancelled", error="the subscriber has the feed as it is")
        outcome = judged(await self._call("POST", row["callback"], headers(row, self._here, body, media_type), body))
        if outcome.result == "delivered":
            await db.write(note_sent, row["id"], digest)
        return outcome

    async def _publish(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Tell another hub that some feeds have changed; it fetches them."""
        hub = self._hubs.get(piece.endpoint)
        if hub is None:
            return Outcome("cancelled", error="that hub is no longer in the settings")
        urls = await db.scan(addresses, Feeds.of(cast(FeedsContent, piece.content)["feeds"]), self._here)
        if not urls:
            return Outcome("cancelled", error=NOT_SEEN)
        body = urlencode([("hub.mode", "publish"), *(("hub.url", url) for url in urls)]).encode()
        answer = await self._free.call(
            "POST",
            hub,
            timeout=TIMEOUT,
            headers=_FORM.items(),
            content=body,
            max_bytes=MAX_ANSWER_LENGTH,
            truncate=True,
        )
        return judged(answer)._replace(disable=False)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        sent = (headers or {}).items()
        return await self._outgoing.call(
            method, url, timeout=TIMEOUT, headers=sent, content=content, max_bytes=MAX_ANSWER_LENGTH, truncate=True
        )

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Whoever wants nothing, or cannot be reached for days, is no subscriber; hubs stay in the settings."""
        if is_id(endpoint):
            log.info("a subscriber of the hub was given up", subscription=endpoint, why=why)
            end(session, endpoint)

    async def stop(self) -> None:
        """Close the connections."""
        await self._outgoing.stop()
        await self._free.stop()


SPAN: Final = 5  # seconds
GRACE: Final = 1  # second that the clocks of a worker and of a courier may differ by
_SITE: Final = Feeds("site")
_ALL_FEEDS: Final = (_SITE, *(Feeds(term) for term in TERMS))
_LINKS: Final[dict[str, Kind]] = {
    "section": "section",
    "tags": "tag",
    "authors": "author",
}  # fields of an article, and kinds of feeds


def _of_article(session: Session, article: SubjectRow | None) -> Iterator[Feeds]:
    if article is None:
        return
    yield _SITE
    yield Feeds("comments", article["id"])
    if article["section_id"]:
        yield from (Feeds("section", section_id) for section_id in find_ancestors(session, article["section_id"]))
    yield from (Feeds("tag", tag) for tag in list_linked_ids(session, ArticleTag, article["id"]))
    yield from (Feeds("author", author) for author in list_linked_ids(session, ArticleAuthor, article["id"]))


def _changed(session: Session, entry: LoggedEvent, visibility: Visibility) -> Iterator[Feeds]:
    """Yield the feeds that an event may change; a subscriber who has the feed as it is now is not sent it again."""
    article = visibility.articles.get(entry.article_id) if entry.article_id else None
    match entry.event:
        case CommentPublished() | CommentEdited() | CommentRemoved() as event:
            if visibility.shows(entry):
                yield Feeds("comments", event.article_id)
        case ArticleUpdated(fields=fields):
            yield from _of_article(session, article)
            # Where an article was before is not remembered: any feed of that kind may have lost it.
            yield from (Feeds(kind) for field, kind in _LINKS.items() if field in fields)
        case (
            ArticlePublished()
            | ArticleCorrected()
            | ArticleCorrectionChanged()
            | ArticleCorrectionWithdrawn()
            | ArticleUnpublished()
            | ArticleRetracted()
        ):
            yield from _of_article(session, article)
        case DiscussionChanged(scope="article"):
            yield from _of_article(session, article)
        case DiscussionChanged():
            yield Feeds("comments")
            yield from _ALL_FEEDS
        case (
            SectionChanged() | SectionDeleted() | TagChanged() | TagDeleted() | AuthorChanged() | AuthorDeleted()
        ) as event if PUBLICATION_GROUP in entry.groups:
            yield from (Feeds(kind, event.subject_id) for kind in TERMS if kind == event.singular)
            yield from _ALL_FEEDS
        case (
            SeriesChanged() | SeriesDeleted() | NoticeChanged() | NoticeDeleted() | MediaChanged() | MediaDeleted()
        ) if PUBLICATION_GROUP in entry.groups:
            yield from _ALL_FEEDS


def tell(session: Session, entries: Sequence[LoggedEvent], hubs: Sequence[str]) -> None:
    """Have subscribers of the feeds that may have changed, and other hubs, told of it at the end of this span."""
    connection = session.connection()
    if not hubs and not has_subscribers(connection):
        return
    visibility = read_event_visibility(connection, entries)
    feeds = list(dict.fromkeys(one for entry in entries for one in _changed(session, entry, visibility)))
    if not feeds:
        return
    span = int(now().timestamp()) // SPAN + 1
    due_at = datetime.fromtimestamp(span * SPAN, UTC) + timedelta(seconds=GRACE)
    own = [(one.name, "spread") for one in subscribed(connection, feeds)]
    places = [one.name for one in feeds if one.kind != "comments" and (one.target_id or one == _SITE)]
    other = [(name_of(hub), f"publish {place}") for hub in hubs for place in places]
    enqueue_deliveries(
        session,
        [
            NewDelivery(
                channel=CHANNEL,
                endpoint=endpoint,
                event=f"{what}:{span}",
                what=what.partition(" ")[0],
                content={"feeds": what.partition(" ")[2] or endpoint},
                due_at=due_at,
                lane="spread" if what == "spread" else None,
            )
            for endpoint, what in own + other
        ],
    )
