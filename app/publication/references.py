"""Resolving references to terms by id, slug or former slug."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import sqlalchemy as sa

from app.core.ids import is_id
from app.db.columns import table_of
from app.db.rows import Statement, Store
from app.publication.section_tree import CLOSURE
from app.publication.tables import Author, FormerSlug, Section, Series, Tag
from app.text.inputs import is_slug

Kind = Literal["section", "tag", "author", "series"]
TERM_TABLES = {
    "section": table_of(Section),
    "tag": table_of(Tag),
    "author": table_of(Author),
    "series": table_of(Series),
}
PLURALS = {"section": "sections", "tag": "tags", "author": "authors", "series": "series"}
_FORMER = table_of(FormerSlug)


class Reference(NamedTuple):
    """The term that an id or slug refers to."""

    id: str
    slug: str  # the present one
    is_former: bool  # whether it was referred to by a former slug
    ids: tuple[str, ...]  # its own; of a section also those of its subsections


def _select_names(kind: str) -> tuple[Statement, Statement]:
    """Select terms of one kind by present names, and by former slugs."""
    term = TERM_TABLES[kind].alias(f"{kind}_term")
    inside = term.c.id.label("inside")
    tables: sa.FromClause = term
    if kind == "section":
        inside = CLOSURE.c.descendant_id.label("inside")
        tables = term.join(CLOSURE, CLOSURE.c.ancestor_id == term.c.id)
    name: sa.Label[str] = sa.literal_column(f"'{kind}'").label("kind")
    present = sa.select(name, term.c.id, term.c.slug, sa.null().label("former"), inside).select_from(tables)
    former = sa.select(name, term.c.id, term.c.slug, _FORMER.c.slug.label("former"), inside).select_from(
        tables.join(_FORMER, _FORMER.c.target_id == term.c.id)
    )
    return present, former.where(_FORMER.c.kind == name)


def _select_referenced(kind: str) -> tuple[Statement, Statement]:
    """Select terms of one kind by ids or present slugs, and by former slugs."""
    present, former = _select_names(kind)
    ids = sa.bindparam(f"{kind}_ids", expanding=True, type_=TERM_TABLES[kind].c.id.type)
    slugs = sa.bindparam(f"{kind}_slugs", expanding=True, type_=sa.String())
    columns = present.selected_columns
    return present.where(columns["id"].in_(ids) | columns["slug"].in_(slugs)), former.where(_FORMER.c.slug.in_(slugs))


@lru_cache(16)
def _select_references(kinds: tuple[str, ...]) -> sa.Executable:
    return sa.union_all(*(branch for kind in kinds for branch in _select_referenced(kind)))


@lru_cache(16)
def _select_present(kind: str, by_id: bool) -> Statement:
    """Select a term by id or present slug; of a section, a row for it and each subsection."""
    present, _ = _select_names(kind)
    column = TERM_TABLES[kind].c.id if by_id else TERM_TABLES[kind].c.slug
    return present.where(present.selected_columns["id" if by_id else "slug"] == sa.bindparam("ref", type_=column.type))


def _resolve_present(store: Store, kind: Kind, ref: str) -> Reference | None:
    """Resolve one id or present slug by a short statement, which nearly all filters need."""
    by_id = is_id(ref)
    rows = store.execute(_select_present(kind, by_id), {"ref": ref}).all() if by_id or is_slug(ref) else []
    if not rows:
        return None
    return Reference(rows[0].id, rows[0].slug, False, tuple(sorted(row.inside for row in rows)))


def resolve_references(store: Store, refs: Mapping[Kind, Sequence[str]]) -> dict[tuple[Kind, str], Reference]:
    """Resolve ids and slugs of terms in one statement; unknown ones are left out.

    A slug refers to the term that has it now, else to the term that had it before.
    """
    if len(refs) == 1:
        ((only, named),) = refs.items()
        if len(named) == 1 and (reference := _resolve_present(store, only, named[0])):
            return {(only, named[0]): reference}
    values: dict[str, list[str]] = {}
    for kind, named in refs.items():
        if ids := [ref for ref in named if is_id(ref)]:
            values[f"{kind}_ids"] = ids
        if slugs := [ref for ref in named if not is_id(ref) and is_slug(ref)]:
            values[f"{kind}_slugs"] = slugs
    kinds = tuple(kind for kind in sorted(refs) if {f"{kind}_ids", f"{kind}_slugs"} & values.keys())
    if not kinds:
        return {}
    values = {f"{kind}_{form}": values.get(f"{kind}_{form}", []) for kind in kinds for form in ("ids", "slugs")}
    ids_by_row: dict[tuple[Kind, str, str, str | None], list[str]] = {}
    for row in store.execute(_select_references(kinds), values):
        ids_by_row.setdefault((row.kind, row.id, row.slug, row.former), []).append(row.inside)
    references: dict[tuple[Kind, str], Reference] = {}
    for (of, row_id, slug, former), ids in sorted(ids_by_row.items(), key=lambda item: item[0][3] is None):
        reference = Reference(row_id, slug, former is not None, tuple(sorted(ids)))
        for ref in (row_id, slug) if former is None else (former,):
            references[of, ref] = reference
    return {
        (kind, ref): references[kind, ref] for kind, named in refs.items() for ref in named if (kind, ref) in references
    }


def resolve_reference(store: Store, kind: Kind, ref: str) -> Reference | None:
    """Resolve one id or slug, or return None."""
    return resolve_references(store, {kind: [ref]}).get((kind, ref))
