"""What ids and slugs refer to: terms by what they are called now, or by a slug that they had."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.ids import is_id
from app.kit.schema import table_of
from app.kit.text import is_slug
from app.publication.authors.tables import Author
from app.publication.sections.closure import CLOSURE
from app.publication.sections.tables import Section
from app.publication.series.tables import Series
from app.publication.tables import FormerSlug
from app.publication.tags.tables import Tag

Kind = Literal["section", "tag", "author", "series"]
TERMS = {"section": table_of(Section), "tag": table_of(Tag), "author": table_of(Author), "series": table_of(Series)}
PLURALS = {"section": "sections", "tag": "tags", "author": "authors", "series": "series"}
_FORMER = table_of(FormerSlug)


class Reference(NamedTuple):
    """What one id or slug refers to."""

    id: str
    slug: str  # the present one
    is_former: bool  # it was named by a slug that it no longer has
    ids: tuple[str, ...]  # of a section: its own and those of all sections inside of it; of others: its own


def _branches(kind: str) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """SELECT terms of one kind by id or present slug, and by a former slug that no other has taken."""
    term = TERMS[kind].alias(f"{kind}_term")
    inside = term.c.id.label("inside")
    tables: Any = term
    if kind == "section":
        inside = CLOSURE.c.descendant_id.label("inside")
        tables = term.join(CLOSURE, CLOSURE.c.ancestor_id == term.c.id)
    ids = sa.bindparam(f"{kind}_ids", expanding=True, type_=term.c.id.type)
    slugs = sa.bindparam(f"{kind}_slugs", expanding=True, type_=sa.String())
    name: Any = sa.literal_column(f"'{kind}'").label("kind")
    present = sa.select(name, term.c.id, term.c.slug, sa.null().label("former"), inside).select_from(tables)
    former = sa.select(name, term.c.id, term.c.slug, _FORMER.c.slug.label("former"), inside).select_from(
        tables.join(_FORMER, _FORMER.c.target_id == term.c.id)
    )
    return (
        present.where(term.c.id.in_(ids) | term.c.slug.in_(slugs)),
        former.where(_FORMER.c.kind == name, _FORMER.c.slug.in_(slugs)),
    )


@lru_cache(16)
def _statement(kinds: tuple[str, ...]) -> Any:
    return sa.union_all(*(branch for kind in kinds for branch in _branches(kind)))


def resolve_references(
    store: sa.Connection | Session, refs: Mapping[Kind, Sequence[str]]
) -> dict[tuple[Kind, str], Reference]:
    """What ids and slugs of terms refer to, all of them in one statement; what refers to nothing is left out.

    A slug refers to the term that has it now, else to the one that had it before.
    """
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
    inside: dict[tuple[str, str, str, str | None], list[str]] = {}
    for row in store.execute(_statement(kinds), values):
        inside.setdefault((row.kind, row.id, row.slug, row.former), []).append(row.inside)
    found: dict[tuple[Any, str], Reference] = {}
    for (of, row_id, slug, former), ids in sorted(inside.items(), key=lambda item: item[0][3] is None):
        reference = Reference(row_id, slug, former is not None, tuple(sorted(ids)))
        for ref in (row_id, slug) if former is None else (former,):
            found[of, ref] = reference
    return {(kind, ref): found[kind, ref] for kind, named in refs.items() for ref in named if (kind, ref) in found}


def resolve_reference(store: sa.Connection | Session, kind: Kind, ref: str) -> Reference | None:
    """What one id or slug refers to, or None."""
    return resolve_references(store, {kind: [ref]}).get((kind, ref))
