"""How sections, tags, authors and series are read: one by id or slug, and in pages."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from app.kit.ids import is_id
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.text import is_slug


@lru_cache(32)
def _single(query: sa.Select[Any], column: str) -> sa.Select[Any]:
    wanted = query.selected_columns[column]
    return query.where(wanted == sa.bindparam("ref", type_=wanted.type))


def by_ref(connection: sa.Connection, query: sa.Select[Any], ref: str) -> sa.RowMapping | None:
    """The row of a query over a table of terms that has this id or slug, or None."""
    if is_id(ref):
        return connection.execute(_single(query, "id"), {"ref": ref}).mappings().first()
    if is_slug(ref):
        return connection.execute(_single(query, "slug"), {"ref": ref}).mappings().first()
    return None  # what has the form of neither is not sent to the database


def page(connection: sa.Connection, query: sa.Select[Any], sort: Sort, asked: PageQuery) -> dict[str, Any]:
    """A page of a query over a table of terms."""
    column = {"name": "name_key"}.get(sort.name, sort.name.removeprefix("-"))
    return fetch(connection, query, sort, query.selected_columns[column], asked)
