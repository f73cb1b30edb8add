"""The hub: requests, subscriptions, and the feeds that they get."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.rendering import find_cached, retry_on_change
from app.comments.reading import get_readable_article
from app.core.clock import now
from app.core.ids import new_id
from app.core.network_addresses import Guard
from app.core.problems import Invalid, NotFound, TooManyRequests, Unavailable
from app.db.columns import count_affected, table_of
from app.db.rows import fetch_row, insert_into
from app.deliveries.outbox import cancel_deliveries, enqueue, enqueue_deliveries, list_waiting
from app.deliveries.schemas import NewDelivery
from app.events.log import find_settled_position, has_reached
from app.events.schemas import Position
from app.feeds.entries import FORMATS, load_format, render_feed
from app.feeds.feeds import BuiltFeed, build_comments_feed, build_newest_feed
from app.feeds.schemas import Publication, to_uri
from app.identity.schemas import Actor
from app.net import outgoing
from app.publication.taxonomies import AUTHORS, SECTIONS, TAGS
from app.websub.schemas import Feeds, HubRequestIn, Kind, Topic, parse_topic
from app.websub.tables import HubRequest, HubSubscription

CHANNEL = "websub"
MAX_REQUESTS, MAX_SUBSCRIPTIONS = 5_000, 20_000
MAX_REQUESTS_PER_HOST, MAX_SUBSCRIPTIONS_PER_HOST = 200, 2_000  # a feed reader has one host for all of its users
REQUEST_LIFETIME = timedelta(days=1)  # of requests that their callbacks neither confirm nor refuse
CHUNK_SIZE = 500
SUBSCRIPTION, REQUEST = table_of(HubSubscription), table_of(HubRequest)
_TERMS = {"section": SECTIONS.find, "tag": TAGS.find, "author": AUTHORS.find}
_IS_VALID = SUBSCRIPTION.c.expires_at > sa.bindparam("moment", type_=SUBSCRIPTION.c.expires_at.type)


class FeedKey(TypedDict):
    """Names a feed; `target_id` is null for the site."""

    kind: Kind
    target_id: str | None
    form: str


class CallbackRow(FeedKey):
    """A callback with the feed that it wants."""

    id: str
    pair: str
    topic: str
    callback: str
    host: str
    secret: str | None


class SubscriptionRow(CallbackRow):
    """A subscription."""

    expires_at: datetime
    verified_at: datetime
    sent: str | None


class RequestRow(CallbackRow):
    """A request whose callback has not confirmed it yet."""

    mode: str
    lease_seconds: int
    created_at: datetime


def find_target(connection: sa.Connection, topic: Topic) -> str | None:
    """Return the id of the target of a feed, or None for the site; 404 if readers see no such feed."""
    if topic.kind == "site":
        return None
    if topic.kind == "comments":
        return get_readable_article(connection, topic.ref).article_id
    row = _TERMS[topic.kind](connection, topic.ref)
    if row is None:
        raise NotFound
    return str(row["id"])


def find_subscription(connection: sa.Connection, subscription_id: str) -> tuple[SubscriptionRow | None, Position]:
    """Return a subscription whose lease has not ended, or None, and the position that the feed must include."""
    query = sa.select(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id, _IS_VALID)
    return fetch_row(connection, query, SubscriptionRow, {"moment": now()}), find_settled_position(connection)


def find_request(connection: sa.Connection, request_id: str) -> tuple[RequestRow | None, Position]:
    """Return a request that is not confirmed yet, or None, and the position that the feed must include."""
    row = fetch_row(connection, sa.select(REQUEST).where(REQUEST.c.id == request_id), RequestRow)
    return row, find_settled_position(connection)


def _is_for(feeds: Feeds) -> sa.ColumnElement[bool]:
    """Build the SQL condition for subscriptions to feeds."""
    is_kind = SUBSCRIPTION.c.kind == feeds.kind
    if feeds.target_id or feeds.kind == "site":
        return is_kind & (SUBSCRIPTION.c.target_id == feeds.target_id)
    return is_kind


def has_subscribers(connection: sa.Connection) -> bool:
    """Return whether there is any subscription; most publications have none."""
    return connection.execute(sa.select(SUBSCRIPTION.c.id).limit(1)).first() is not None


def list_subscribed(connection: sa.Connection, candidates: Iterable[Feeds]) -> list[Feeds]:
    """Return those of these feeds that have subscribers."""
    values, query = {"moment": now()}, sa.select(sa.literal(1)).select_from(SUBSCRIPTION).limit(1)
    return [feeds for feeds in candidates if connection.execute(query.where(_is_for(feeds), _IS_VALID), values).first()]


def list_subscription_ids(connection: sa.Connection, feeds: Feeds, after: str | None, limit: int) -> list[str]:
    """Return the next ids of subscriptions to feeds."""
    query = sa.select(SUBSCRIPTION.c.id).where(_is_for(feeds), _IS_VALID).order_by(SUBSCRIPTION.c.id).limit(limit)
    query = query if after is None else query.where(SUBSCRIPTION.c.id > after)
    return list(connection.execute(query, {"moment": now()}).scalars())


def render_topic(
    connection: sa.Connection, row: CallbackRow, publication: Publication, position: Position
) -> tuple[bytes, str]:
    """Return the present feed and its media type; 404 if readers do not see it, 503 before the log has this position.

    A replica may be behind the position.
    """
    if not has_reached(connection, position):
        raise Unavailable
    kind, target_id, form = row["kind"], row["target_id"] or "", row["form"]

    def build(connection: sa.Connection) -> BuiltFeed:
        if kind == "comments":
            article = find_cached(connection, target_id, publication.site)
            if article is None or not article["public"]:
                raise NotFound
            return build_comments_feed(connection, publication, article, form)
        return build_newest_feed(connection, publication, form, None if kind == "site" else kind, target_id)

    built = retry_on_change(build)(connection)
    return render_feed(form, built.feed, built.entries), f"{load_format(form).MEDIA_TYPE}; charset=utf-8"


def list_feed_urls(connection: sa.Connection, feeds: Feeds, publication: Publication) -> list[str]:
    """Return the URLs of the feeds of the site or of a term; none if the term does not exist any more."""
    base = f"{publication.api}/feeds/site"
    if feeds.target_id:
        row = _TERMS[feeds.kind](connection, feeds.target_id)
        if row is None:
            return []
        base = publication.api + to_uri(f"/feeds/{feeds.kind}s/{row['slug']}")
    return [f"{base}.{form}" for form in FORMATS]


def _count(session: Session, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())


def _check_limits(session: Session, data: HubRequestIn, pair: str, host: str) -> None:
    """Refuse a request that exceeds the limits of its host (429) or of the hub (503); renewals need no room."""
    if _count(session, REQUEST, REQUEST.c.host == host) >= MAX_REQUESTS_PER_HOST:
        raise TooManyRequests("Too many requests of that host are not confirmed yet.", headers={"Retry-After": "60"})
    if _count(session, REQUEST) >= MAX_REQUESTS:
        raise Unavailable("Too many requests are not confirmed yet.", retry_after=600)
    if data.mode == "unsubscribe" or _count(session, SUBSCRIPTION, SUBSCRIPTION.c.pair == pair):
        return
    if _count(session, SUBSCRIPTION, SUBSCRIPTION.c.host == host) >= MAX_SUBSCRIPTIONS_PER_HOST:
        raise TooManyRequests("That host has too many subscriptions.", headers={"Retry-After": "3600"})
    if _count(session, SUBSCRIPTION) >= MAX_SUBSCRIPTIONS:
        raise Unavailable("The hub has too many subscriptions.", retry_after=3600)


def _find_feed(session: Session, data: HubRequestIn, publication: Publication, pair: str) -> FeedKey:
    """Return the feed of a request; to unsubscribe, a former URL of it will do."""
    columns = (SUBSCRIPTION.c.kind, SUBSCRIPTION.c.target_id, SUBSCRIPTION.c.form)
    subscribed = fetch_row(session, sa.select(*columns).where(SUBSCRIPTION.c.pair == pair), FeedKey)
    if subscribed is not None and data.mode == "unsubscribe":
        return subscribed
    topic = parse_topic(data.topic, publication)
    problem = Invalid("hub.topic must be the URL of a feed of this server.", pointer="/hub.topic", code="unknown_topic")
    if topic is None:
        raise problem
    try:
        return {"kind": topic.kind, "target_id": find_target(session.connection(), topic), "form": topic.form}
    except NotFound:
        raise problem from None


def request_verification(
    session: Session, _actor: Actor, data: HubRequestIn, publication: Publication, guard: Guard
) -> str:
    """Store a request and have its callback asked; it takes effect when that confirms."""
    try:
        outgoing.check_target(data.callback, guard)
        if "#" in data.callback:
            raise outgoing.TargetRefused("an address with a fragment, which no server is sent")
    except outgoing.TargetRefused as error:
        raise Invalid(f"The callback is {error}.", pointer="/hub.callback", code="callback_refused") from error
    pair = sha256(f"{data.topic}\n{data.callback}".encode()).hexdigest()
    feed = _find_feed(session, data, publication, pair)
    host = outgoing.parse_target(data.callback).host
    _check_limits(session, data, pair, host)
    row: RequestRow = {
        "id": new_id(),
        "mode": data.mode,
        "pair": pair,
        "topic": data.topic,
        "callback": data.callback,
        "host": host,
        **feed,
        "secret": data.secret,
        "lease_seconds": data.lease,
        "created_at": now(),
    }
    session.execute(sa.insert(REQUEST).values(row))
    event = f"verify:{row['id']}"
    enqueue(session, NewDelivery(channel=CHANNEL, endpoint=row["id"], event=event, what="verify", content={}))
    return row["id"]


def confirm_request(session: Session, request_id: str) -> None:
    """Carry out a request that its callback has confirmed. A new lease replaces the one before."""
    row = fetch_row(session, sa.select(REQUEST).where(REQUEST.c.id == request_id).with_for_update(), RequestRow)
    if row is None:
        return
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))
    if row["mode"] == "unsubscribe":
        query = sa.select(SUBSCRIPTION.c.id).where(SUBSCRIPTION.c.pair == row["pair"])
        if subscription_id := session.execute(query).scalar_one_or_none():
            end_subscription(session, subscription_id)
        return
    moment = now()
    subscription: SubscriptionRow = {
        "id": new_id(),
        "pair": row["pair"],
        "topic": row["topic"],
        "callback": row["callback"],
        "host": row["host"],
        "kind": row["kind"],
        "target_id": row["target_id"],
        "form": row["form"],
        "secret": row["secret"],
        "verified_at": moment,
        "expires_at": moment + timedelta(seconds=row["lease_seconds"]),
        "sent": None,
    }
    values = {name: value for name, value in subscription.items() if name != "id"}
    insert = insert_into(session, SUBSCRIPTION).values(subscription)
    session.execute(insert.on_conflict_do_update(index_elements=[SUBSCRIPTION.c.pair], set_=values))


def delete_request(session: Session, request_id: str) -> None:
    """Delete a request that its callback refuses, or that cannot be granted."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))


def notify_subscribers(session: Session, feeds: Feeds, event: str, after: str | None) -> str | None:
    """Enqueue deliveries to the next subscribers of feeds; return the last of them, or None after the last of all.

    A waiting older delivery to a subscriber would send the same feed, so it is cancelled, with its retries.
    """
    ids = list_subscription_ids(session.connection(), feeds, after, CHUNK_SIZE)
    for endpoint, older in list_waiting(session, CHANNEL, ids):
        if older != event:
            cancel_deliveries(session, channel=CHANNEL, endpoint=endpoint, events=[older])
    deliveries = [
        NewDelivery(channel=CHANNEL, endpoint=endpoint, event=event, what="feed.changed", content={}, topic="feed")
        for endpoint in ids
    ]
    enqueue_deliveries(session, deliveries)
    return ids[-1] if len(ids) == CHUNK_SIZE else None


def record_sent(session: Session, subscription_id: str, digest: str) -> None:
    """Record the SHA-256 of the feed that a subscriber has got, which is not sent twice."""
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id).values(sent=digest))


def end_subscription(session: Session, subscription_id: str) -> None:
    """End a subscription."""
    session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id))
    cancel_deliveries(session, channel=CHANNEL, endpoint=subscription_id)


def prune_hub(session: Session) -> int:
    """Delete subscriptions whose lease has ended, and requests that were not confirmed in time; return how many."""
    moment = now()
    ended = session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.expires_at <= moment))
    stale = session.execute(sa.delete(REQUEST).where(REQUEST.c.created_at <= moment - REQUEST_LIFETIME))
    return count_affected(ended) + count_affected(stale)


def forget_article_topics(session: Session, article_id: str) -> None:
    """End subscriptions to the feed of an article that is purged: their topics contain its slug."""
    for table in (SUBSCRIPTION, REQUEST):
        session.execute(sa.delete(table).where(table.c.target_id == article_id))
