"""Reading who is told of what, and what they are told."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.articles.rendering import find_cached, retry_on_change
from app.comments.reading import get_readable_article
from app.core.clock import now
from app.core.ids import new_id
from app.core.network_addresses import Guard
from app.core.problems import Invalid, NotFound, TooManyRequests, Unavailable
from app.db.columns import Row, count_affected, table_of
from app.deliveries.outbox import cancel_deliveries, enqueue, enqueue_deliveries, list_waiting
from app.deliveries.schemas import NewDelivery
from app.events.log import find_settled_position, has_reached
from app.events.schemas import Position
from app.feeds.entries import FORMATS, render_feed
from app.feeds.feeds import BuiltFeed, build_comments_feed, build_newest_feed
from app.feeds.schemas import Publication, to_uri
from app.identity.schemas import Actor
from app.net import outgoing
from app.publication.taxonomies import AUTHORS, SECTIONS, TAGS
from app.websub.schemas import Feeds, Topic, Wish, topic_of
from app.websub.tables import HubRequest, HubSubscription

SUBSCRIPTION, REQUEST = table_of(HubSubscription), table_of(HubRequest)
_TERMS: dict[str, Any] = {"section": SECTIONS.find, "tag": TAGS.find, "author": AUTHORS.find}
_ALIVE = SUBSCRIPTION.c.expires_at > sa.bindparam("moment", type_=SUBSCRIPTION.c.expires_at.type)


def target(connection: sa.Connection, topic: Topic) -> str | None:
    """The id of what a feed is of, None for the site; 404 where readers see no such feed."""
    if topic.kind == "site":
        return None
    if topic.kind == "comments":
        return get_readable_article(connection, topic.ref).article_id
    row = _TERMS[topic.kind](connection, topic.ref)
    if row is None:
        raise NotFound
    return str(row["id"])


def subscription(connection: sa.Connection, subscription_id: str) -> tuple[Row | None, Position]:
    """A subscription whose lease has not ended, or None; and how far the log has come, which a replica may not have."""
    here = (SUBSCRIPTION.c.id == subscription_id) & _ALIVE
    row = connection.execute(sa.select(SUBSCRIPTION).where(here), {"moment": now()}).mappings().first()
    return row, find_settled_position(connection)


def request(connection: sa.Connection, request_id: str) -> tuple[Row | None, Position]:
    """A request that waits for its callback, or None; and how far the log has come."""
    row = connection.execute(sa.select(REQUEST).where(REQUEST.c.id == request_id)).mappings().first()
    return row, find_settled_position(connection)


def _of(feeds: Feeds) -> sa.ColumnElement[bool]:
    here = SUBSCRIPTION.c.kind == feeds.kind
    if feeds.target_id or feeds.kind == "site":
        return here & (SUBSCRIPTION.c.target_id == feeds.target_id)
    return here


def has_subscribers(connection: sa.Connection) -> bool:
    """Whether anybody wants to hear of anything: most publications need look no further."""
    return connection.execute(sa.select(SUBSCRIPTION.c.id).limit(1)).first() is not None


def subscribed(connection: sa.Connection, feeds: Iterable[Feeds]) -> list[Feeds]:
    """Those of some feeds that anybody wants to hear of."""
    moment, asked = {"moment": now()}, sa.select(sa.literal(1)).select_from(SUBSCRIPTION).limit(1)
    return [one for one in feeds if connection.execute(asked.where(_of(one), _ALIVE), moment).first()]


def told(connection: sa.Connection, feeds: Feeds, after: str | None, most: int) -> list[str]:
    """The next ids of subscriptions to some feeds."""
    query = sa.select(SUBSCRIPTION.c.id).where(_of(feeds), _ALIVE).order_by(SUBSCRIPTION.c.id).limit(most)
    query = query if after is None else query.where(SUBSCRIPTION.c.id > after)
    return list(connection.execute(query, {"moment": now()}).scalars())


def render(connection: sa.Connection, row: Row, here: Publication, position: Position) -> tuple[bytes, str]:
    """A feed as it is now, and its media type; 404 where readers no longer see it, 503 before a place of the log."""
    if not has_reached(connection, position):
        raise Unavailable

    def find(connection: sa.Connection) -> BuiltFeed:
        if row["kind"] == "comments":
            article = find_cached(connection, row["target_id"], here.site)
            if article is None or not article["public"]:
                raise NotFound
            return build_comments_feed(connection, here, article, row["form"])
        kind = None if row["kind"] == "site" else row["kind"]
        return build_newest_feed(connection, here, row["form"], kind, row["target_id"] or "")

    made = retry_on_change(find)(connection)
    return render_feed(row["form"], made.feed, made.entries), f"{FORMATS[row['form']].MEDIA_TYPE}; charset=utf-8"


def addresses(connection: sa.Connection, feeds: Feeds, here: Publication) -> list[str]:
    """Where the feeds of the site or of a term are, in every format; of a term that is gone there are none."""
    base = f"{here.api}/feeds/site"
    if feeds.target_id:
        row = _TERMS[feeds.kind](connection, feeds.target_id)
        if row is None:
            return []
        base = here.api + to_uri(f"/feeds/{feeds.kind}s/{row['slug']}")
    return [f"{base}.{form}" for form in FORMATS]


CHANNEL = "websub"
MOST_WAITING, MOST = 5_000, 20_000  # requests that wait for their callbacks, and subscriptions
WAITING_PER_HOST, PER_HOST = 200, 2_000  # the same for one host, of which a service has one for all its users
PATIENCE = timedelta(days=1)  # with callbacks that neither confirm nor refuse
CHUNK = 500
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KEPT = "pair topic callback host kind target_id form secret".split()


def _count(session: Session, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())


def _make_sure_of_room(session: Session, wish: Wish, pair: str, host: str) -> None:
    """Nobody can have one host asked without end, nor shut others out; a lease to renew has its room already."""
    if _count(session, REQUEST, REQUEST.c.host == host) >= WAITING_PER_HOST:
        raise TooManyRequests("Enough requests wait for that host already.", headers={"Retry-After": "60"})
    if _count(session, REQUEST) >= MOST_WAITING:
        raise Unavailable("Enough requests wait for their callbacks already.", retry_after=600)
    if wish.mode == "unsubscribe" or _count(session, SUBSCRIPTION, SUBSCRIPTION.c.pair == pair):
        return
    if _count(session, SUBSCRIPTION, SUBSCRIPTION.c.host == host) >= PER_HOST:
        raise TooManyRequests("That host has as many subscriptions as one may have.", headers={"Retry-After": "3600"})
    if _count(session, SUBSCRIPTION) >= MOST:
        raise Unavailable("The hub has as many subscribers as it takes.", retry_after=3600)


def _about(session: Session, wish: Wish, here: Publication, pair: str) -> dict[str, Any]:
    """Which feed is meant; whoever wants to hear no more of one may name it by an address that it no longer has."""
    columns = [SUBSCRIPTION.c[name] for name in ("kind", "target_id", "form")]
    known = session.execute(sa.select(*columns).where(SUBSCRIPTION.c.pair == pair)).mappings().first()
    if known is not None and wish.mode == "unsubscribe":
        return dict(known)
    topic = topic_of(wish.topic, here)
    refused = Invalid("That is no feed of this server.", pointer="/hub.topic", code="unknown_topic")
    if topic is None:
        raise refused
    try:
        return {"kind": topic.kind, "target_id": target(session.connection(), topic), "form": topic.form}
    except NotFound:
        raise refused from None


def ask(session: Session, _actor: Actor, wish: Wish, here: Publication, guard: Guard) -> str:
    """Note a request and have its callback asked; nothing changes before that has answered."""
    try:
        outgoing.check_target(wish.callback, guard)
        if "#" in wish.callback:
            raise outgoing.TargetRefused("an address with a fragment, which no server is sent")
    except outgoing.TargetRefused as error:
        raise Invalid(f"The callback is {error}.", pointer="/hub.callback", code="callback_refused") from error
    pair = sha256(f"{wish.topic}\n{wish.callback}".encode()).hexdigest()
    about = _about(session, wish, here, pair)
    host = outgoing.parse_target(wish.callback).host
    _make_sure_of_room(session, wish, pair, host)
    request_id = new_id()
    row = {
        "id": request_id,
        "mode": wish.mode,
        "pair": pair,
        "topic": wish.topic,
        "callback": wish.callback,
        "host": host,
        **about,
        "secret": wish.secret,
        "lease_seconds": wish.lease,
        "created_at": now(),
    }
    session.execute(sa.insert(REQUEST).values(row))
    enqueue(
        session,
        NewDelivery(channel=CHANNEL, endpoint=request_id, event=f"verify:{request_id}", what="verify", content={}),
    )
    return request_id


def confirm(session: Session, request_id: str) -> None:
    """Do what a request asked for: its callback wants it. A new lease takes the place of the one before."""
    row = session.execute(sa.select(REQUEST).where(REQUEST.c.id == request_id).with_for_update()).mappings().first()
    if row is None:
        return
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))
    if row["mode"] == "unsubscribe":
        there = sa.select(SUBSCRIPTION.c.id).where(SUBSCRIPTION.c.pair == row["pair"])
        if found := session.execute(there).scalar_one_or_none():
            end(session, found)
        return
    moment = now()
    until = moment + timedelta(seconds=row["lease_seconds"])
    values = {**{name: row[name] for name in _KEPT}, "verified_at": moment, "expires_at": until, "sent": None}
    new = _INSERT[session.get_bind().dialect.name](SUBSCRIPTION).values({"id": new_id(), **values})
    session.execute(new.on_conflict_do_update(index_elements=[SUBSCRIPTION.c.pair], set_=values))


def refuse(session: Session, request_id: str) -> None:
    """Forget a request that its callback does not want, or that cannot be granted."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))


def spread(session: Session, feeds: Feeds, event: str, after: str | None) -> str | None:
    """Have the next subscribers of some feeds told; the last of them, or None after the last of all.

    What waits for one of them tells nothing that the new delivery does not: it goes, with its pauses.
    """
    ids = told(session.connection(), feeds, after, CHUNK)
    for endpoint, older in list_waiting(session, CHANNEL, ids):
        if older != event:
            cancel_deliveries(session, channel=CHANNEL, endpoint=endpoint, events=[older])
    deliveries = [
        NewDelivery(channel=CHANNEL, endpoint=endpoint, event=event, what="feed.changed", content={}, topic="feed")
        for endpoint in ids
    ]
    enqueue_deliveries(session, deliveries)
    return ids[-1] if len(ids) == CHUNK else None


def note_sent(session: Session, subscription_id: str, digest: str) -> None:
    """Remember what a subscriber has, so that it is not sent the same again."""
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id).values(sent=digest))


def end(session: Session, subscription_id: str) -> None:
    """End a subscription."""
    session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id))
    cancel_deliveries(session, channel=CHANNEL, endpoint=subscription_id)


def prune(session: Session) -> int:
    """Forget leases that have ended, and requests that nobody confirmed."""
    moment = now()
    ended = session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.expires_at <= moment))
    stale = session.execute(sa.delete(REQUEST).where(REQUEST.c.created_at <= moment - PATIENCE))
    return count_affected(ended) + count_affected(stale)


def forget_article(session: Session, article_id: str) -> None:
    """End subscriptions to the feed of an article that is purged: their topics hold its slug."""
    for table in (SUBSCRIPTION, REQUEST):
        session.execute(sa.delete(table).where(table.c.target_id == article_id))
