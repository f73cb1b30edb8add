"""What the filters of a list name: terms by their ids, sections with all inside of them, languages with variants."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import sqlalchemy as sa

from app.articles.listing.schemas import FilterQuery, Group, ListQuery
from app.articles.queries import A, R
from app.identity.keys.tables import ApiKey
from app.kit.ids import is_id
from app.kit.problems import InvalidParameter
from app.kit.schema import table_of
from app.publication.references import TERMS, Kind, resolve_references

_KEY = table_of(ApiKey)


def _languages() -> sa.Select[tuple[str]]:
    """All languages that articles have: one step in an index for each."""
    found = sa.select(sa.func.min(A.c.language).label("tag")).cte("languages", recursive=True)
    later = sa.select(sa.func.min(A.c.language)).where(A.c.language > found.c.tag).correlate(found).scalar_subquery()
    found = found.union_all(sa.select(later).where(found.c.tag.is_not(None)))
    return sa.select(found.c.tag).where(found.c.tag.is_not(None))


_LANGUAGES = _languages()


def resolve_groups(connection: sa.Connection, groups: Sequence[Group], query: FilterQuery) -> tuple[Group, ...]:
    """Filters with the ids of what they name, also by a former slug; 400 for what does not exist.

    One statement for sections, tags, authors and series, one for languages, none where neither is named.
    """
    refs: dict[Kind, list[str]] = {}
    for group in groups:
        if group.kind in TERMS:
            refs.setdefault(cast(Kind, group.kind), []).extend(group.refs)
    known = resolve_references(connection, refs) if refs else {}
    spoken: list[str] = []
    if any(group.kind == "language" for group in groups):
        spoken = [row.tag for row in connection.execute(_LANGUAGES)]
    resolved = []
    for group in groups:
        if group.kind in TERMS:
            kind = cast(Kind, group.kind)
            if any((kind, ref) not in known for ref in group.refs):
                raise InvalidParameter(kind, f"{kind}: there is no such {kind}.")
            found = [known[kind, ref] for ref in group.refs]
            ids = [row_id for one in found for row_id in (one.ids if query.descendants else (one.id,))]
            group = replace(group, refs=tuple(sorted(set(ids))))
        elif group.kind == "language":
            ranges = tuple(f"{ref}-" for ref in group.refs)
            variants = {tag for tag in spoken if tag in group.refs or tag.startswith(ranges)}
            group = replace(group, refs=tuple(sorted(variants)) or group.refs)
        resolved.append(group)
    return tuple(resolved)


def check_editor(connection: sa.Connection, query: ListQuery) -> None:
    """400 for an editor who is no key and never saved a text."""
    if query.editor is None:
        return
    by_id = is_id(query.editor)
    key = (_KEY.c.id if by_id else _KEY.c.name) == query.editor
    saved = (R.c.actor_id if by_id else R.c.actor_name) == query.editor
    if not connection.execute(sa.select(sa.exists().where(key) | sa.exists().where(saved))).scalar_one():
        raise InvalidParameter("editor", "editor: there is no key with this id or name.")
