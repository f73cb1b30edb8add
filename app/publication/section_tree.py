"""The tree of sections as a closure table beside `parent_id`: ancestors and descendants without recursion."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.db.columns import table_of
from app.publication.tables import Section, SectionClosure

CLOSURE = table_of(SectionClosure)
_SECTION = table_of(Section)
_EXCLUSIVE, _SHARED = (
    sa.text(f"SELECT pg_advisory_xact_lock{how}(hashtextextended('section tree', 0))") for how in ("", "_shared")
)


def lock_tree(session: Session, *, shared: bool = False) -> None:
    """Lock the tree until the transaction ends. SQLite, which has a single writer, needs no lock.

    Moving a section locks it exclusively; counting along its paths shares the lock.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_SHARED if shared else _EXCLUSIVE)


def select_descendants(*sections: ColumnElement[str]) -> sa.Select[tuple[str]]:
    """Select the ids of sections and their descendants."""
    return sa.select(CLOSURE.c.descendant_id).where(CLOSURE.c.ancestor_id.in_(sections))


def select_ancestors(section: ColumnElement[str]) -> sa.Select[tuple[str]]:
    """Select the ids of a section and its ancestors."""
    return sa.select(CLOSURE.c.ancestor_id).where(CLOSURE.c.descendant_id == section)


def find_descendants(store: sa.Connection | Session, ids: Collection[str]) -> set[str]:
    """Return the ids of these sections and their descendants; unknown ids are left out."""
    query = sa.select(CLOSURE.c.descendant_id).where(CLOSURE.c.ancestor_id.in_(sorted(ids)))
    return set(store.execute(query).scalars()) if ids else set()


def find_inside(store: sa.Connection | Session, ids: Collection[str]) -> dict[str, list[str]]:
    """Return, for each of these sections, the ids of it and its descendants."""
    descendants: dict[str, list[str]] = {section_id: [] for section_id in ids}
    if descendants:
        query = sa.select(CLOSURE.c.ancestor_id, CLOSURE.c.descendant_id).where(
            CLOSURE.c.ancestor_id.in_(sorted(descendants))
        )
        for row in store.execute(query):
            descendants[row.ancestor_id].append(row.descendant_id)
    return {section_id: sorted(inside) or [section_id] for section_id, inside in descendants.items()}


def find_ancestors(store: sa.Connection | Session, section_id: str) -> list[str]:
    """List the ids of a section and its ancestors, itself first and the root last."""
    query = sa.select(CLOSURE.c.ancestor_id).where(CLOSURE.c.descendant_id == section_id).order_by(CLOSURE.c.depth)
    return list(store.execute(query).scalars())


def add_section(session: Session, section_id: str, parent_id: str | None) -> None:
    """Add a new section, whose row exists already, to the closure of its parent."""
    itself = sa.select(sa.literal(section_id, CLOSURE.c.ancestor_id.type), _as_id(section_id), sa.literal(0))
    above = sa.select(CLOSURE.c.ancestor_id, _as_id(section_id), CLOSURE.c.depth + 1).where(
        CLOSURE.c.descendant_id == parent_id
    )
    rows = itself.union_all(above) if parent_id else itself
    session.execute(sa.insert(CLOSURE).from_select(["ancestor_id", "descendant_id", "depth"], rows))


def update_paths(session: Session, section_id: str) -> None:
    """Write the paths of a section and its descendants after a change of its slug or its place in the tree."""
    inside = select_descendants(_as_id(section_id))
    upper = _SECTION.alias("upper")
    parts = CLOSURE.join(upper, upper.c.id == CLOSURE.c.ancestor_id)
    slugs = sa.select(CLOSURE.c.descendant_id, upper.c.slug).select_from(parts)
    slugs = slugs.where(CLOSURE.c.descendant_id.in_(inside)).order_by(CLOSURE.c.descendant_id, CLOSURE.c.depth.desc())
    paths: dict[str, list[str]] = {}
    for row in session.execute(slugs):
        paths.setdefault(row.descendant_id, []).append(row.slug)
    update = sa.update(_SECTION).where(_SECTION.c.id == sa.bindparam("section", type_=_SECTION.c.id.type))
    values = [{"section": each, "path_now": "/".join(path)} for each, path in sorted(paths.items())]
    session.connection().execute(update.values(path=sa.bindparam("path_now")), values)


def _as_id(section_id: str) -> ColumnElement[str]:
    return sa.literal(section_id, CLOSURE.c.descendant_id.type)


def move_section(session: Session, section_id: str, parent_id: str | None) -> None:
    """Move a section with its descendants to another parent.

    Counts of public articles move too: from the former ancestors to the new ones.
    """
    number = session.execute(sa.select(_SECTION.c.articles).where(_SECTION.c.id == section_id)).scalar_one()
    old = set(find_ancestors(session, section_id)) - {section_id}
    new = set(find_ancestors(session, parent_id)) if parent_id else set()
    inside = select_descendants(_as_id(section_id)).correlate(None)
    outside = CLOSURE.c.ancestor_id.not_in(inside)
    session.execute(sa.delete(CLOSURE).where(CLOSURE.c.descendant_id.in_(inside), outside))
    if parent_id is not None:
        upper, lower = CLOSURE.alias("upper"), CLOSURE.alias("lower")
        pairs = sa.select(upper.c.ancestor_id, lower.c.descendant_id, upper.c.depth + lower.c.depth + 1).select_from(
            lower.join(upper, (upper.c.descendant_id == parent_id) & (lower.c.ancestor_id == section_id))
        )
        session.execute(sa.insert(CLOSURE).from_select(["ancestor_id", "descendant_id", "depth"], pairs))
    for ids, delta in ((old - new, -number), (new - old, number)):
        add_articles(session, ids, delta)


def add_articles(session: Session, ids: Collection[str], delta: int) -> None:
    """Add to the counts of public articles of just these sections, locked in the order of their ids."""
    if ids and delta:
        in_order = sa.select(_SECTION.c.id).where(_SECTION.c.id.in_(sorted(ids))).order_by(_SECTION.c.id)
        rows = _SECTION.c.id.in_(in_order.with_for_update(key_share=True).correlate(None))
        session.execute(sa.update(_SECTION).where(rows).values(articles=_SECTION.c.articles + delta))
