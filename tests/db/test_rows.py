"""Rows as typed dictionaries, and INSERTs for both databases."""

from typing import TypedDict

import pytest
import sqlalchemy as sa

from app.core.clock import now
from app.db import Database
from app.db.columns import table_of
from app.db.rows import fetch_row, fetch_rows, get_row, insert_into
from app.publication.tables import Tag

TAG = table_of(Tag)


class TagRow(TypedDict):
    """A tag's address and name."""

    slug: str
    name: str


def _insert(session: sa.orm.Session, slug: str) -> bool:
    values = {
        "id": f"01990000-0000-7000-8000-00000000000{len(slug)}",
        "slug": slug,
        "name": slug.title(),
        "description": "",
        "version": 1,
        "created_at": now(),
        "updated_at": now(),
    }
    insert = insert_into(session, TAG).on_conflict_do_nothing().returning(TAG.c.id)
    return session.execute(insert, values).first() is not None


def test_rows_are_dictionaries_by_the_names_of_columns(db: Database) -> None:
    query = sa.select(TAG.c.slug, TAG.c.name).order_by(TAG.c.slug)
    with db.transaction() as session:
        assert fetch_rows(session, query, TagRow) == []
        assert fetch_row(session, query, TagRow) is None
        assert _insert(session, "one")
        assert _insert(session, "three")
        assert fetch_rows(session, query, TagRow) == [
            {"slug": "one", "name": "One"},
            {"slug": "three", "name": "Three"},
        ]
        by_slug = query.where(TAG.c.slug == sa.bindparam("slug"))
        assert get_row(session, by_slug, TagRow, {"slug": "three"})["name"] == "Three"


def test_a_row_type_must_declare_the_columns_of_its_query(db: Database) -> None:
    with db.connect() as connection, pytest.raises(TypeError, match="name"):
        fetch_rows(connection, sa.select(TAG.c.slug), TagRow)
    with db.connect() as connection, pytest.raises(TypeError, match="version"):
        fetch_row(connection, sa.select(TAG.c.slug, TAG.c.name, TAG.c.version), TagRow)


def test_an_insert_can_leave_a_row_that_is_there(db: Database) -> None:
    with db.transaction() as session:
        assert _insert(session, "one")
        assert not _insert(session, "one")
