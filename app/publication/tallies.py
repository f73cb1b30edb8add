"""Counts of articles of terms and pictures; `articles` calls this when an article appears, changes or disappears."""

from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.publication.section_tree import CLOSURE, lock_tree
from app.publication.tables import Author, Media, Section, Series, Tag

Kind = Literal["section", "tag", "author", "series"]
_TABLES = {"section": table_of(Section), "tag": table_of(Tag), "author": table_of(Author), "series": table_of(Series)}

ShownKind = Literal["section", "tag", "author", "series", "media"]
_SHOWN_TABLES = {**_TABLES, "media": table_of(Media)}


def adjust_shown_counts(session: Session, kind: ShownKind, ids: Collection[str], delta: int) -> None:
    """Add to the counts of articles that readers see, now or at a set time, with these terms or pictures."""
    if not ids:
        return
    table = _SHOWN_TABLES[kind]
    in_order = sa.select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id)
    rows = table.c.id.in_(in_order.with_for_update(key_share=True).correlate(None))
    session.execute(sa.update(table).where(rows).values(shown=table.c.shown + delta))


def adjust_counts(session: Session, kind: Kind, ids: Collection[str], delta: int) -> None:
    """Add to the counts of public articles of terms of one kind, and of the ancestors of sections.

    Rows are locked in the order of their ids, so that concurrent articles do not deadlock.
    """
    if not ids:
        return
    table = _TABLES[kind]
    counted = table.c.id.in_(sorted(ids))
    if kind == "section":
        lock_tree(session, shared=True)  # the ancestors must not change until they are counted
        counted = table.c.id.in_(sa.select(CLOSURE.c.ancestor_id).where(CLOSURE.c.descendant_id.in_(sorted(ids))))
    in_order = sa.select(table.c.id).where(counted).order_by(table.c.id)
    rows = table.c.id.in_(in_order.with_for_update(key_share=True).correlate(None))
    session.execute(sa.update(table).where(rows).values(articles=table.c.articles + delta))
