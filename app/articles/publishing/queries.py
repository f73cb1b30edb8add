"""What the clock has made due."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.addresses.tables import Address
from app.articles.tables import Article
from app.kit.clock import now
from app.kit.ids import is_id
from app.kit.schema import table_of

_ADDRESS, _ARTICLE = table_of(Address), table_of(Article)


def is_due(connection: sa.Connection) -> bool:
    """Whether any article waits for the clock's hand: one look at an index."""
    due = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.due_at <= now()).limit(1)
    return connection.execute(due).first() is not None


def schedule_of(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """Read when which revision of an article goes live; None for an article that is not scheduled."""
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == ref).scalar_subquery()
    here = _ARTICLE.c.id == ref if is_id(ref) else (_ARTICLE.c.slug == ref) | (_ARTICLE.c.id == former)
    columns: list[ColumnElement[Any]] = [
        _ARTICLE.c[name] for name in ("id", "version", "public", "section_id", "latest_revision")
    ]
    columns += [_ARTICLE.c.scheduled_at.label("at"), _ARTICLE.c.scheduled_revision.label("revision")]
    query = sa.select(*columns).where(here, _ARTICLE.c.state == "scheduled")
    return connection.execute(query).mappings().first()
