"""Reading sections."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.kit.schema import table_of
from app.publication import queries
from app.publication.schemas import LEVELS
from app.publication.sections.closure import CLOSURE, select_descendants
from app.publication.sections.schemas import SECTION_SORTS, SectionQuery
from app.publication.sections.tables import Section

_SECTION = table_of(Section)
_PARENT = _SECTION.alias("parent")
ALL = sa.select(_SECTION, _PARENT.c.slug.label("parent_slug"), _PARENT.c.name.label("parent_name")).select_from(
    _SECTION.outerjoin(_PARENT, _PARENT.c.id == _SECTION.c.parent_id)
)

_RANK = sa.case({level: rank for rank, level in enumerate(LEVELS)}, value=_SECTION.c.syndication)


def syndication_of(section: ColumnElement[Any]) -> ColumnElement[Any]:
    """How much partners may have of a section's articles: the least of what it says and of all it is inside of."""
    above = CLOSURE.join(_SECTION, _SECTION.c.id == CLOSURE.c.ancestor_id)
    least = sa.select(_SECTION.c.syndication).select_from(above).where(CLOSURE.c.descendant_id == section)
    return least.order_by(_RANK).limit(1).correlate(section.table).scalar_subquery()


def by_ref(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One section by id or slug, or None."""
    return queries.by_ref(connection, ALL, ref)


def present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row in the shape of `SectionOut`."""
    parent = {name: row[f"parent_{name}"] for name in ("id", "slug", "name")}
    return {**row, "parent": parent if row["parent_id"] else None}


def shown(connection: sa.Connection, section_id: str) -> dict[str, Any]:
    """A section that was just written, in the shape of `SectionOut`."""
    return present(connection.execute(ALL.where(_SECTION.c.id == section_id)).mappings().one())


def page(connection: sa.Connection, asked: SectionQuery) -> dict[str, Any]:
    """A page of sections."""
    found = queries.page(connection, ALL, SECTION_SORTS[asked.sort], asked)
    return {**found, "data": [present(row) for row in found["data"]]}


def is_shown(connection: sa.Connection, section_id: str) -> bool:
    """Whether readers see articles of a section or of one inside it, now or at a set time."""
    inside = select_descendants(sa.literal(section_id, _SECTION.c.id.type))
    shown = sa.select(_SECTION.c.id).where(_SECTION.c.id.in_(inside), _SECTION.c.shown > 0).limit(1)
    return connection.execute(shown).first() is not None
