"""Where pictures are used, as the rooms tell that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TypedDict

import sqlalchemy as sa

from app.db.columns import table_of
from app.db.rows import Column, Statement, Store, fetch_rows
from app.publication.tables import Author
from app.publication.uses import MAX_IDS, Uses

MAX_LISTED = 100  # uses of one picture
_AUTHOR = table_of(Author)


class UseRow(TypedDict):
    """One use of a picture."""

    kind: str
    role: str
    id: str
    title: str


def select_uses(kind: str, role: str, media: Column, row_id: Column, title: Column) -> Statement:
    """Select uses of one kind: the picture, and what shows it in which role."""
    columns: list[Column] = [
        media.label("media_id"),
        sa.literal_column(f"'{kind}'", sa.String).label("kind"),
        sa.literal_column(f"'{role}'", sa.String).label("role"),
        sa.cast(row_id, sa.String).label("id"),
        sa.func.coalesce(sa.cast(title, sa.String), "").label("title"),
    ]
    return sa.select(*columns).where(media.is_not(None))


AUTHOR_USES = select_uses("author", "image", _AUTHOR.c.image_id, _AUTHOR.c.id, _AUTHOR.c.name)


@dataclass(frozen=True)
class MediaUses:
    """All uses of pictures: statements of `select_uses`, each of which finds those of one picture by an index."""

    selects: tuple[Statement, ...]

    def _of(self, media: Column) -> list[Statement]:
        return [select.where(select.selected_columns["media_id"] == media) for select in self.selects]

    def is_used(self, media: sa.Column[str]) -> sa.ColumnElement[bool]:
        """Select whether a picture is used anywhere."""
        return sa.or_(*(select.correlate(media.table).exists() for select in self._of(media)))

    def count(self, media: sa.Column[str]) -> Column:
        """Select the number of uses of a picture."""
        counts = [
            select.with_only_columns(sa.func.count(select.selected_columns["id"].distinct()))
            .correlate(media.table)
            .scalar_subquery()
            for select in self._of(media)
        ]
        return reduce(add, counts)

    def find(self, store: Store, media_id: str) -> list[UseRow]:
        """List uses of a picture, of each kind up to `MAX_LISTED`."""
        rows: list[UseRow] = []
        for select in self.selects:
            media, *shown = select.selected_columns
            own = select.with_only_columns(*shown).where(media == media_id).order_by(shown[2]).limit(MAX_LISTED)
            rows += fetch_rows(store, own, UseRow)
        return rows


def group_uses(rows: Sequence[UseRow]) -> dict[str, Uses]:
    """Return uses by kind, as a refusal to delete what is in use lists them."""
    ids: dict[str, list[str]] = {}
    for row in rows:
        of_kind = ids.setdefault(f"{row['kind']}s", [])
        if row["id"] not in of_kind:
            of_kind.append(row["id"])
    return {kind: {"count": len(found), "ids": sorted(found)[:MAX_IDS]} for kind, found in ids.items()}
