"""The delivery channel of WebSub: verifies callbacks, sends feeds to subscribers, and notifies other hubs."""

import asyncio
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, TypedDict, cast
from urllib.parse import urlencode

from sqlmodel import Session

from app.articles.projection import list_linked_ids
from app.articles.tables import ArticleAuthor, ArticleTag
from app.comments.visibility import SubjectRow, Visibility, read_event_visibility
from app.core.clock import now
from app.core.ids import is_id
from app.core.logs import get_logger
from app.core.network_addresses import Guard
from app.core.problems import NotFound, Unavailable
from app.core.settings import Settings
from app.db import Database
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import MAX_ANSWER_LENGTH, ClaimedDelivery, NewDelivery, Outcome
from app.events import catalog
from app.events.cache_groups import PUBLICATION_GROUP
from app.events.schemas import Position
from app.feeds.schemas import HUB_PATH, Publication
from app.net.outgoing import Answer, CallFailed, Outgoing, TargetRefused
from app.publication.section_tree import find_ancestors
from app.websub.hub import (
    CHANNEL,
    CallbackRow,
    confirm_request,
    delete_request,
    end_subscription,
    find_request,
    find_subscription,
    list_feed_urls,
    list_subscribed,
    notify_subscribers,
    record_sent,
    render_topic,
)
from app.websub.schemas import TERMS, Feeds, Kind, hub_endpoint

RETRY_SCHEDULE: Final = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)
TIMEOUT_SECONDS: Final = 15.0  # for a whole attempt
MAX_FAILING_TIME: Final = timedelta(days=3)  # without a success, after which a subscription ends
GONE_STATUS, BUSY_STATUS = 410, 429
MAX_CACHED_FEEDS: Final = 16
NOT_VISIBLE: Final = "readers no longer see the feed"
log = get_logger("broadsheet.syndication")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def interpret_answer(answer: Answer) -> Outcome:
    """Interpret the answer to a feed (WebSub §7): 2xx is delivered, 410 ends the subscription, others are retried."""
    if 200 <= answer.status < 300:
        return Outcome("delivered", answer.status)
    if answer.status == GONE_STATUS:
        return Outcome("dead", GONE_STATUS, "the subscriber answered 410 Gone", disable=True)
    return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)


def build_callback_url(row: CallbackRow, mode: str, **more: str) -> str:
    """Return the URL of a callback with `hub.` parameters, added to its own query."""
    parameters = {"hub.mode": mode, "hub.topic": row["topic"], **{f"hub.{name}": value for name, value in more.items()}}
    return f"{row['callback']}{'&' if '?' in row['callback'] else '?'}{urlencode(parameters)}"


def build_headers(row: CallbackRow, publication: Publication, body: bytes, media_type: str) -> dict[str, str]:
    """Return the headers of a feed (WebSub §7), with a signature if the subscriber has set a secret (§8)."""
    links = f'<{publication.api}{HUB_PATH}>; rel="hub", <{row["topic"]}>; rel="self"'
    headers = {"Content-Type": media_type, "Link": links}
    if row["secret"]:
        headers["X-Hub-Signature"] = f"sha256={hmac.new(row['secret'].encode(), body, 'sha256').hexdigest()}"
    return headers


class _FeedCache:
    """Rendered feeds, each rendered once for all of its subscribers at a position of the log."""

    def __init__(self, publication: Publication) -> None:
        self._publication, self._lock = publication, asyncio.Lock()
        self._feeds: dict[tuple[str, str | None, str], tuple[Position, tuple[bytes, str]]] = {}

    async def render(self, db: Database, row: CallbackRow, position: Position) -> tuple[bytes, str]:
        """Return a feed and its media type, see `render_topic`."""
        key = (row["kind"], row["target_id"], row["form"])
        async with self._lock:
            cached = self._feeds.get(key)
            if cached is None or cached[0] != position:
                if len(self._feeds) >= MAX_CACHED_FEEDS:
                    self._feeds.clear()
                feed = await db.scan(render_topic, row, self._publication, position)
                cached = self._feeds[key] = position, feed
            return cached[1]


class FeedsContent(TypedDict):
    """Content of deliveries about feeds: their name, see `Feeds`."""

    feeds: str


class HubChannel:
    """Sends deliveries to callbacks on the public internet, and to the hubs that the operator has set, wherever."""

    name = CHANNEL
    schedule = RETRY_SCHEDULE
    timeout = TIMEOUT_SECONDS + 10.0  # including database time and rendering
    patience = MAX_FAILING_TIME

    def __init__(self, settings: Settings) -> None:
        self._publication = Publication.from_settings(settings)
        self._cache = _FeedCache(self._publication)
        self._hubs = {hub_endpoint(hub): hub for hub in settings.websub_hubs}
        self._outgoing, self._unguarded = Outgoing(Guard(settings.outgoing_allow)), Outgoing(None)

    async def send(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Attempt a delivery."""
        methods = {"verify": self._verify, "spread": self._spread, "publish": self._publish}
        try:
            return await methods.get(delivery.what, self._send_feed)(db, delivery)
        except TargetRefused as error:
            if delivery.what == "verify":
                await db.write(delete_request, delivery.endpoint)
            return Outcome("dead", error=str(error))
        except CallFailed as error:
            return Outcome("retry", error=str(error))
        except Unavailable:
            return Outcome("retry", error="a replica of the database is behind", at_fault=False)

    async def _verify(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Ask a callback to confirm a request (WebSub §5.3)."""
        row, position = await db.scan_fresh(find_request, delivery.endpoint)
        if row is None:
            return Outcome("cancelled", error="the request is already answered or has expired")
        more = {"challenge": secrets.token_urlsafe(32)}
        if row["mode"] == "subscribe":
            more["lease_seconds"] = str(row["lease_seconds"])
            try:
                await self._cache.render(db, row, position)
            except NotFound:
                await self._deny(row)
                await db.write(delete_request, row["id"])
                return Outcome("cancelled", error=NOT_VISIBLE)
        answer = await self._call("GET", build_callback_url(row, row["mode"], **more))
        if 200 <= answer.status < 300 and hmac.compare_digest(answer.body, more["challenge"].encode()):
            await db.write(confirm_request, row["id"])
            return Outcome("delivered", answer.status)
        if answer.status >= 500 or answer.status == BUSY_STATUS:
            return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)
        await db.write(delete_request, row["id"])
        return Outcome("dead", answer.status, "the callback did not confirm", at_fault=False)

    async def _deny(self, row: CallbackRow) -> None:
        """Tell a callback that its subscription is denied or has ended (WebSub §5.2)."""
        await self._call("GET", build_callback_url(row, "denied", reason="The feed does not exist any more."))

    async def _spread(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Enqueue deliveries to all subscribers of feeds, some hundred in each transaction."""
        feeds, after = Feeds.from_name(cast(FeedsContent, delivery.content)["feeds"]), None
        while (after := await db.write(notify_subscribers, feeds, delivery.event, after)) is not None:
            pass
        return Outcome("delivered")

    async def _send_feed(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Send the present feed, unless the subscriber has it already (WebSub §7)."""
        row, position = await db.scan_fresh(find_subscription, delivery.endpoint)
        if row is None:
            return Outcome("cancelled", error="the subscription has ended")
        try:
            body, media_type = await self._cache.render(db, row, position)
        except NotFound:
            await self._deny(row)
            await db.write(end_subscription, row["id"])
            return Outcome("cancelled", error=NOT_VISIBLE)
        digest = sha256(body).hexdigest()
        if row["sent"] == digest:
            return Outcome("cancelled", error="the subscriber has the present feed")
        outcome = interpret_answer(
            await self._call("POST", row["callback"], build_headers(row, self._publication, body, media_type), body)
        )
        if outcome.result == "delivered":
            await db.write(record_sent, row["id"], digest)
        return outcome

    async def _publish(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Notify another hub of changed feeds, which it fetches."""
        hub = self._hubs.get(delivery.endpoint)
        if hub is None:
            return Outcome("cancelled", error="that hub is no longer in the settings")
        urls = await db.scan(
            list_feed_urls, Feeds.from_name(cast(FeedsContent, delivery.content)["feeds"]), self._publication
        )
        if not urls:
            return Outcome("cancelled", error=NOT_VISIBLE)
        body = urlencode([("hub.mode", "publish"), *(("hub.url", url) for url in urls)]).encode()
        answer = await self._unguarded.call(
            "POST",
            hub,
            timeout=TIMEOUT_SECONDS,
            headers=_FORM.items(),
            content=body,
            max_bytes=MAX_ANSWER_LENGTH,
            truncate=True,
        )
        return interpret_answer(answer)._replace(disable=False)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        return await self._outgoing.call(
            method,
            url,
            timeout=TIMEOUT_SECONDS,
            headers=(headers or {}).items(),
            content=content,
            max_bytes=MAX_ANSWER_LENGTH,
            truncate=True,
        )

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """End the subscription of a callback that was given up; other hubs stay in the settings."""
        if is_id(endpoint):
            log.info("a WebSub subscription was given up", subscription=endpoint, why=why)
            end_subscription(session, endpoint)

    async def stop(self) -> None:
        """Close outgoing connections."""
        await self._outgoing.stop()
        await self._unguarded.stop()


BATCH_SECONDS: Final = 5  # changes within these are sent together
CLOCK_SKEW_SECONDS: Final = 1  # between a worker and a courier
_SITE: Final = Feeds("site")
_ALL_FEEDS: Final = (_SITE, *(Feeds(term) for term in TERMS))
_LINKS: Final[dict[str, Kind]] = {
    "section": "section",
    "tags": "tag",
    "authors": "author",
}  # kinds of feeds by fields of an article


def _list_feeds_of(session: Session, article: SubjectRow | None) -> Iterator[Feeds]:
    if article is None:
        return
    yield _SITE
    yield Feeds("comments", article["id"])
    if article["section_id"]:
        yield from (Feeds("section", section_id) for section_id in find_ancestors(session, article["section_id"]))
    yield from (Feeds("tag", tag) for tag in list_linked_ids(session, ArticleTag, article["id"]))
    yield from (Feeds("author", author) for author in list_linked_ids(session, ArticleAuthor, article["id"]))


def _list_changed(session: Session, entry: catalog.LoggedEvent, visibility: Visibility) -> Iterator[Feeds]:
    """Yield the feeds that an event may change; subscribers get them only if they really have."""
    article = visibility.articles.get(entry.article_id) if entry.article_id else None
    match entry.event:
        case catalog.CommentPublished() | catalog.CommentEdited() | catalog.CommentRemoved() as event:
            if visibility.shows(entry):
                yield Feeds("comments", event.article_id)
        case catalog.ArticleUpdated(fields=fields):
            yield from _list_feeds_of(session, article)
            # The event does not say where the article was before, so any feed of that kind may have lost it.
            yield from (Feeds(kind) for field, kind in _LINKS.items() if field in fields)
        case (
            catalog.ArticlePublished()
            | catalog.ArticleCorrected()
            | catalog.ArticleCorrectionChanged()
            | catalog.ArticleCorrectionWithdrawn()
            | catalog.ArticleUnpublished()
            | catalog.ArticleRetracted()
        ):
            yield from _list_feeds_of(session, article)
        case catalog.DiscussionChanged(scope="article"):
            yield from _list_feeds_of(session, article)
        case catalog.DiscussionChanged():
            yield Feeds("comments")
            yield from _ALL_FEEDS
        case (
            catalog.SectionChanged()
            | catalog.SectionDeleted()
            | catalog.TagChanged()
            | catalog.TagDeleted()
            | catalog.AuthorChanged()
            | catalog.AuthorDeleted()
        ) as event if PUBLICATION_GROUP in entry.groups:
            yield from (Feeds(kind, event.subject_id) for kind in TERMS if kind == event.singular)
            yield from _ALL_FEEDS
        case (
            catalog.SeriesChanged()
            | catalog.SeriesDeleted()
            | catalog.NoticeChanged()
            | catalog.NoticeDeleted()
            | catalog.MediaChanged()
            | catalog.MediaDeleted()
        ) if PUBLICATION_GROUP in entry.groups:
            yield from _ALL_FEEDS


def enqueue_changed_feeds(session: Session, entries: Sequence[catalog.LoggedEvent], hubs: Sequence[str]) -> None:
    """Enqueue deliveries about feeds that may have changed, due at the end of this batch: for subscribers and hubs."""
    connection = session.connection()
    visibility = read_event_visibility(connection, entries)
    feeds = list(dict.fromkeys(changed for entry in entries for changed in _list_changed(session, entry, visibility)))
    if not feeds:
        return
    batch = int(now().timestamp()) // BATCH_SECONDS + 1
    due_at = datetime.fromtimestamp(batch * BATCH_SECONDS, UTC) + timedelta(seconds=CLOCK_SKEW_SECONDS)
    own = [(subscribed.name, "spread") for subscribed in list_subscribed(connection, feeds)]
    names = [each.name for each in feeds if each.kind != "comments" and (each.target_id or each == _SITE)]
    other = [(hub_endpoint(hub), f"publish {name}") for hub in hubs for name in names]
    enqueue_deliveries(
        session,
        [
            NewDelivery(
                channel=CHANNEL,
                endpoint=endpoint,
                event=f"{what}:{batch}",
                what=what.partition(" ")[0],
                content={"feeds": what.partition(" ")[2] or endpoint},
                due_at=due_at,
                lane="spread" if what == "spread" else None,
            )
            for endpoint, what in own + other
        ],
    )
