"""Reading tags."""

from typing import Any

import sqlalchemy as sa

from app.kit.schema import table_of
from app.publication import queries
from app.publication.schemas import TERM_SORTS, TermQuery
from app.publication.tags.tables import Tag

_TAG = table_of(Tag)
_ALL = sa.select(_TAG)


def by_ref(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One tag by id or slug, or None."""
    return queries.by_ref(connection, _ALL, ref)


def shown(connection: sa.Connection, tag_id: str) -> sa.RowMapping:
    """A tag that was just written."""
    return connection.execute(_ALL.where(_TAG.c.id == tag_id)).mappings().one()


def page(connection: sa.Connection, asked: TermQuery) -> dict[str, Any]:
    """A page of tags."""
    return queries.page(connection, _ALL, TERM_SORTS[asked.sort], asked)
