"""Reading who is told of what, and what they are told."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.articles.cards.queries import by_ref, steady
from app.comments.queries import readable
from app.events.queries import is_visible, settled
from app.events.schemas import Position
from app.kit.clock import now
from app.kit.problems import NotFound, Unavailable
from app.kit.schema import Row, table_of
from app.publication.authors.queries import by_ref as author
from app.publication.sections.queries import by_ref as section
from app.publication.tags.queries import by_ref as tag
from app.syndication.feeds.queries import Made, discussed, newest
from app.syndication.formats.entries import FORMATS, written
from app.syndication.hub.schemas import Feeds, Topic
from app.syndication.hub.tables import HubRequest, HubSubscription
from app.syndication.schemas import Publication, uri

SUBSCRIPTION, REQUEST = table_of(HubSubscription), table_of(HubRequest)
_TERMS: dict[str, Any] = {"section": section, "tag": tag, "author": author}
_ALIVE = SUBSCRIPTION.c.expires_at > sa.bindparam("moment", type_=SUBSCRIPTION.c.expires_at.type)


def target(connection: sa.Connection, topic: Topic) -> str | None:
    """The id of what a feed is of, None for the site; 404 where readers see no such feed."""
    if topic.kind == "site":
        return None
    if topic.kind == "comments":
        return readable(connection, topic.ref).article_id
    row = _TERMS[topic.kind](connection, topic.ref)
    if row is None:
        raise NotFound
    return str(row["id"])


def subscription(connection: sa.Connection, subscription_id: str) -> tuple[Row | None, Position]:
    """A subscription whose lease has not ended, or None; and how far the log has come, which a replica may not have."""
    here = (SUBSCRIPTION.c.id == subscription_id) & _ALIVE
    row = connection.execute(sa.select(SUBSCRIPTION).where(here), {"moment": now()}).mappings().first()
    return row, settled(connection)


def request(connection: sa.Connection, request_id: str) -> tuple[Row | None, Position]:
    """A request that waits for its callback, or None; and how far the log has come."""
    row = connection.execute(sa.select(REQUEST).where(REQUEST.c.id == request_id)).mappings().first()
    return row, settled(connection)


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
    if not is_visible(connection, position):
        raise Unavailable

    def find(connection: sa.Connection) -> Made:
        if row["kind"] == "comments":
            article = by_ref(connection, row["target_id"], here.site)
            if article is None or not article["public"]:
                raise NotFound
            return discussed(connection, here, article, row["form"])
        kind = None if row["kind"] == "site" else row["kind"]
        return newest(connection, here, row["form"], kind, row["target_id"] or "")

    made = steady(find)(connection)
    return written(row["form"], made.feed, made.pieces), f"{FORMATS[row['form']].MEDIA_TYPE}; charset=utf-8"


def addresses(connection: sa.Connection, feeds: Feeds, here: Publication) -> list[str]:
    """Where the feeds of the site or of a term are, in every format; of a term that is gone there are none."""
    base = f"{here.api}/feeds/site"
    if feeds.target_id:
        row = _TERMS[feeds.kind](connection, feeds.target_id)
        if row is None:
            return []
        base = here.api + uri(f"/feeds/{feeds.kind}s/{row['slug']}")
    return [f"{base}.{form}" for form in FORMATS]
