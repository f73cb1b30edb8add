"""Reading who is told of what, and what they are told."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.cards.queries import by_ref, steady
from app.comments.queries import readable
from app.kit.clock import now
from app.kit.problems import NotFound
from app.kit.schema import Row, table_of
from app.publication.authors.queries import by_ref as author
from app.publication.sections.queries import by_ref as section
from app.publication.tags.queries import by_ref as tag
from app.syndication.feeds.queries import Made, discussed, newest
from app.syndication.formats.entries import FORMATS, written
from app.syndication.hub.schemas import Topic
from app.syndication.hub.tables import HubRequest, HubSubscription
from app.syndication.schemas import Publication

SUBSCRIPTION, REQUEST = table_of(HubSubscription), table_of(HubRequest)
_TERMS: dict[str, Any] = {"section": section, "tag": tag, "author": author}


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


def subscription(store: sa.Connection | Session, subscription_id: str) -> Row | None:
    """A subscription whose lease has not ended, or None."""
    here = (SUBSCRIPTION.c.id == subscription_id) & (SUBSCRIPTION.c.expires_at > now())
    return store.execute(sa.select(SUBSCRIPTION).where(here)).mappings().first()


def request(store: sa.Connection | Session, request_id: str) -> Row | None:
    """A request that waits for its callback, or None."""
    return store.execute(sa.select(REQUEST).where(REQUEST.c.id == request_id)).mappings().first()


def told(connection: sa.Connection, topics: dict[str, list[str | None]]) -> list[str]:
    """The ids of subscriptions to feeds of these kinds and targets."""
    wanted = [
        (SUBSCRIPTION.c.kind == kind)
        & (SUBSCRIPTION.c.target_id.is_(None) if kind == "site" else SUBSCRIPTION.c.target_id.in_(ids))
        for kind, ids in topics.items()
    ]
    alive = SUBSCRIPTION.c.expires_at > now()
    return list(connection.execute(sa.select(SUBSCRIPTION.c.id).where(sa.or_(*wanted), alive)).scalars())


def render(connection: sa.Connection, row: Row, here: Publication) -> tuple[bytes, str]:
    """A feed as it is now, and its media type; 404 where readers no longer see it."""

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
