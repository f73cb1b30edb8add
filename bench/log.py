"""The event log of a batch: what the API and the worker would have emitted for its articles and comments."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.core.clock import now
from app.db.columns import table_of
from app.events.base import EventBase
from app.events.catalog import ArticlePublished, CommentPublished
from app.events.tables import Event

Row = dict[str, Any]


def _event_row(event: EventBase, moment: datetime) -> Row:
    groups, payload = event.cache_groups(), event.payload()
    row = {"type": event.name, "subject_id": event.subject_id, "article_id": event.about_article, "at": moment}
    return {**row, "xid": 0, "groups": groups, "payload": payload}


def _publish(article: Row, revision: Row) -> ArticlePublished:
    names = {"section": [article["section_id"]], "series": [article["series_id"]]}
    names |= {"author": revision["authors"], "tag": revision["tags"]}
    within = [f"{kind}:{term}" for kind, ids in names.items() for term in sorted(filter(None, ids))]
    return ArticlePublished(subject_id=article["id"], slug=article["slug"], revision=1, within=within)


def seed_events(connection: sa.Connection, articles: Iterable[tuple[Row, Row]], comments: Iterable[Row]) -> None:
    """Add the events in the order of articles and comments. They are new: the log forgets those older than 100 days."""
    found = [(row["created_at"], _publish(row, revision)) for row, revision in articles if row["public"]]
    found += [
        (
            row["created_at"],
            CommentPublished(
                subject_id=row["id"],
                article_id=row["article_id"],
                parent_id=row["parent_id"],
                root_id=row["root_id"],
            ),
        )
        for row in comments
    ]
    found.sort(key=lambda pair: pair[0])
    moment = now()
    connection.execute(sa.insert(table_of(Event)), [_event_row(event, moment) for _, event in found])
