"""Rows whose foreign keys keep a term or a picture from being deleted."""

from collections.abc import Iterator
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from app.db.columns import table_of

MAX_IDS = 5  # listed for each kind


class Uses(TypedDict):
    """Number of rows of one kind that refer to something, and the first ids."""

    count: int
    ids: list[str]


def _references(target: sa.Table) -> Iterator[tuple[str, sa.Column[str], sa.Column[str]]]:
    """Iterate over columns that refer to a table and restrict deletion: kind of row, its id, the reference."""
    for table in SQLModel.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table is target and key.ondelete == "RESTRICT":
                of_article = "article_id" in table.c
                own = table.c["article_id" if of_article else "id"]
                kind = "articles" if of_article else f"{table.name}s"
                yield kind, own, key.parent


def find_uses(session: Session, row: SQLModel) -> dict[str, Uses]:
    """Find what refers to a row, by kind such as `articles` or `sections`."""
    uses: dict[str, Uses] = {}
    target = table_of(type(row))
    row_id = sa.inspect(row).identity[0]
    for kind, own, reference in _references(target):
        using = sa.select(own).where(reference == row_id)
        ids = [str(each) for each in session.execute(using.order_by(own).limit(MAX_IDS)).scalars()]
        if ids:
            count = session.execute(sa.select(sa.func.count()).select_from(using.subquery())).scalar_one()
            uses[kind] = {"count": count, "ids": ids}
    return uses
