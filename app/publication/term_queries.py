"""The syndication level and visibility of sections, and names of authors and keys."""

import sqlalchemy as sa

from app.db.columns import json_rows, table_of
from app.db.rows import Column
from app.identity.keys import reserved_name_clause
from app.publication.schemas import LEVELS
from app.publication.section_tree import CLOSURE, select_descendants
from app.publication.tables import Author, Section

_SECTION, _AUTHOR = table_of(Section), table_of(Author)
_RANK = sa.case({level: rank for rank, level in enumerate(LEVELS)}, value=_SECTION.c.syndication)


def syndication_of(section: Column) -> Column:
    """Select the syndication level of a section: the least of its own and its ancestors'."""
    above = CLOSURE.join(_SECTION, _SECTION.c.id == CLOSURE.c.ancestor_id)
    least = sa.select(_SECTION.c.syndication).select_from(above).where(CLOSURE.c.descendant_id == section)
    return least.order_by(_RANK).limit(1).correlate(section.table).scalar_subquery()


def path_of_section(section: sa.FromClause) -> Column:
    """Select the path of a section in the tree; its slug where a former release made it."""
    return sa.func.coalesce(sa.func.nullif(section.c.path, ""), section.c.slug)


def ancestors_of(section: Column) -> Column:
    """Select the ancestors of a section and itself as JSON, the root first: `id`, `slug`, `name` and `path`."""
    above = _SECTION.alias("above")
    joined = CLOSURE.join(above, above.c.id == CLOSURE.c.ancestor_id)
    names = {name: above.c[name] for name in ("id", "slug", "name")}
    rows = json_rows(-CLOSURE.c.depth, **names, path=path_of_section(above))
    query = sa.select(rows).select_from(joined).where(CLOSURE.c.descendant_id == section)
    return query.correlate(section.table).scalar_subquery()


def is_section_shown(connection: sa.Connection, section_id: str) -> bool:
    """Whether readers see articles of a section or its subsections, now or at a set time."""
    inside = select_descendants(sa.literal(section_id, _SECTION.c.id.type))
    shown = sa.select(_SECTION.c.id).where(_SECTION.c.id.in_(inside), _SECTION.c.shown > 0).limit(1)
    return connection.execute(shown).first() is not None


_SKELETON_PARAMETERS = [sa.bindparam(name, type_=sa.String()) for name in "abc"]


def staff_name_clause() -> sa.ColumnElement[bool]:
    """Return the condition that an author or valid key has one of the skeletons `a`, `b`, `c` (bound parameters)."""
    return sa.exists().where(_AUTHOR.c.skeleton.in_(_SKELETON_PARAMETERS)) | reserved_name_clause()
