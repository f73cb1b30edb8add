"""What a term or a picture is still used by: rows of any table whose foreign keys forbid to delete it."""

from collections.abc import Iterator
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from app.db.columns import table_of

MAX_IDS = 5  # named of each kind


class Uses(TypedDict):
    """How many rows of one kind use something, and the ids of the first of them."""

    count: int
    ids: list[str]


def _references(target: sa.Table) -> Iterator[tuple[str, sa.Column[str], sa.Column[str]]]:
    """Columns that keep a row of this table from being deleted: the kind of what refers, its id, the reference."""
    for table in SQLModel.metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table is target and key.ondelete == "RESTRICT":
                of_article = "article_id" in table.c
                own = table.c["article_id" if of_article else "id"]
                kind = "articles" if of_article else f"{table.name}s"
                yield kind, own, key.parent


def find_uses(session: Session, row: SQLModel) -> dict[str, Uses]:
    """What still refers to a row, by kind, such as `articles` or `sections`; kinds that do not are left out."""
    uses: dict[str, Uses] = {}
    target = table_of(type(row))
    row_id = sa.inspect(row).identity[0]
    for kind, own, reference in _references(target):
        using = sa.select(own).where(reference == row_id)
        ids = list(session.execute(using.order_by(own).limit(MAX_IDS)).scalars())
        if ids:
            count = session.execute(sa.select(sa.func.count()).select_from(using.subquery())).scalar_one()
            uses[kind] = {"count": count, "ids": ids}
    return uses
