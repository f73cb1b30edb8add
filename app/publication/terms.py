"""Functions for rows of terms, notices and pictures: finding, locking, updating and deleting them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import TypedDict, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.orm import object_session
from sqlmodel import Session, select

from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Conflict, Forbidden, Invalid, NotFound
from app.db.columns import PAST, table_of
from app.db.rows import Statement, Store, fetch_row
from app.identity.permissions import require_publish
from app.identity.schemas import Actor, Scope
from app.publication.generations import bump_generation
from app.publication.references import PLURALS, Kind, resolve_reference, resolve_references
from app.publication.tables import Media, Notice, Term, TermMerge
from app.publication.uses import Uses, find_uses
from app.text.html import html_to_text, sanitise
from app.text.inputs import is_slug
from app.web import etag


@lru_cache(32)
def _select_one(statement: Statement, column: str) -> Statement:
    selected = statement.selected_columns[column]
    return statement.where(selected == sa.bindparam("ref", type_=selected.type))


def find_term(connection: sa.Connection, statement: Statement, ref: str) -> sa.RowMapping | None:
    """Find the row of a statement over a table of terms by id or slug."""
    if is_id(ref):
        return connection.execute(_select_one(statement, "id"), {"ref": ref}).mappings().first()
    if is_slug(ref):
        return connection.execute(_select_one(statement, "slug"), {"ref": ref}).mappings().first()
    return None  # neither an id nor a slug: no need to ask the database


class MergeRow(TypedDict):
    """A merge as it is stored."""

    id: str
    kind: str
    source_id: str
    source_slug: str
    target_id: str | None
    state: str
    total: int
    done: int
    actor_kind: str
    actor_id: str | None
    actor_name: str
    person_id: str | None
    created_at: datetime
    finished_at: datetime | None


MERGE = table_of(TermMerge)
RUNNING, DONE = "running", "done"


RUNNING_MERGE = sa.select(PAST).where(sa.exists().where(MERGE.c.state == RUNNING))
"""Selects that a merge is due, while any is running."""


def find_merge(connection: sa.Connection, merge_id: str) -> MergeRow | None:
    """Find a merge by its id."""
    return fetch_row(connection, sa.select(MERGE).where(MERGE.c.id == merge_id), MergeRow)


def is_merging(session: Session, term_id: str) -> bool:
    """Whether a term is the source or target of a running merge."""
    named = (MERGE.c.source_id == term_id) | (MERGE.c.target_id == term_id)
    return session.execute(sa.select(MERGE.c.id).where(named, MERGE.c.state == RUNNING)).first() is not None


def find_merge_targets(store: Store, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the targets of merged terms by the ids of the terms; None where a term was removed."""
    if not ids:
        return {}
    named = sa.select(MERGE.c.source_id, MERGE.c.target_id).where(MERGE.c.source_id.in_(ids))
    return {row.source_id: row.target_id for row in store.execute(named)}


def follow_merges(store: Store, ids: Sequence[str]) -> list[str]:
    """Replace merged terms by their targets, in order and without repeats; removed terms are dropped."""
    moved = find_merge_targets(store, ids)
    current = [moved.get(term_id, term_id) for term_id in ids]
    return list(dict.fromkeys(term_id for term_id in current if term_id is not None))


T = TypeVar("T", bound=Term)
TermTable = TypeVar("TermTable", Notice, Media, Term)
DISPLAYED_COLUMNS = set(
    "name slug html text placement position alt caption credit focal_x focal_y syndication parent_id".split()
)
"""Columns that the JSON of articles depends on."""
_EMPTY_LINES = re.compile(r"\n\s*\n")
_ADVISORY_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


class SlugTaken(Conflict, code="slug_taken", title="The slug is taken"):
    """Another term of this kind has the slug."""


class NameTaken(Conflict, code="name_taken", title="The name is taken"):
    """Another term of this kind has the name: `existing` {id, slug, name} and `Location` name it."""

    def __init__(self, kind: Kind, term_id: str, slug: str, name: str) -> None:
        super().__init__(
            "Names are compared without case. Use the existing one, or choose another name.",
            headers={"Location": f"/v1/{PLURALS[kind]}/{term_id}"},
            existing={"id": term_id, "slug": slug, "name": name},
        )


class InUse(Conflict, code="in_use", title="It is still in use"):
    """Other rows refer to it; `uses` has their number and first ids by kind."""

    def __init__(self, detail: str = "", uses: Mapping[str, Uses] | None = None) -> None:
        if uses:
            counts = ", ".join(f"{kind}: {use['count']:,}" for kind, use in uses.items())
            detail = f"Still in use ({counts}). Move or delete these first."
        super().__init__(detail, uses=dict(uses or {}))


def require_all_sections(actor: Actor, scope: Scope) -> None:
    """Raise 403 unless the caller has the scope everywhere: all sections share what it would change."""
    if not actor.may_in(scope, None):
        raise Forbidden("Who is limited to sections may not change what all sections share.")


def take_name_lock(session: Session, name: str) -> None:
    """Lock a name until the transaction ends. SQLite, which has a single writer, needs no lock."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_ADVISORY_LOCK, {"what": name})


def lock_term(session: Session, model: type[T], ref: str, *, follow: bool = True) -> T:
    """Lock the row with this id, slug or (`follow`) former slug; 404 without one."""
    row = None
    if is_id(ref):
        row = session.get(model, ref, with_for_update=True)
    elif is_slug(ref):
        row = session.exec(select(model).where(model.slug == ref).with_for_update()).first()
        if row is None and follow:
            former = resolve_reference(session, cast(Kind, str(model.__tablename__)), ref)
            row = session.get(model, former.id, with_for_update=True) if former else None
    if row is None:
        raise NotFound
    return row


def list_differing(row: TermTable, values: Mapping[str, object]) -> list[str]:
    """List the names of the values that differ from the row's."""
    return sorted(name for name, value in values.items() if getattr(row, name) != value)


def update_row(
    actor: Actor, row: TermTable, versions: frozenset[int] | None, values: Mapping[str, object], *, shown: bool
) -> list[str]:
    """Set the values that differ, and raise the version; returns their names. 412 on another version.

    `shown` means that readers see the row now or at a set time: a difference then requires `content:publish`.
    """
    names = list_differing(row, values)
    etag.check_version(row.version, versions, names)
    if names and shown:
        require_publish(actor)
    for name in names:
        setattr(row, name, values[name])
    if DISPLAYED_COLUMNS.intersection(names):
        bump_generation(cast(Session, object_session(row)))
    if names:
        row.version += 1
        row.updated_at = now()
    return names


def delete_row(session: Session, row: TermTable, versions: frozenset[int] | None) -> None:
    """Delete a row without references; 409 while anything refers to it."""
    etag.check_version(row.version, versions)
    if uses := find_uses(session, row):
        raise InUse(uses=uses)
    session.delete(row)
    try:
        session.flush()
    except sa.exc.IntegrityError as error:  # a concurrent transaction refers to it
        raise InUse from error


@lru_cache
def _select_for_reference(table: sa.Table) -> Statement:
    ids = sa.bindparam("ids", expanding=True, type_=table.c.id.type)
    slugs = sa.bindparam("slugs", expanding=True, type_=table.c.slug.type)
    named = sa.select(table.c.id, table.c.slug).where(table.c.id.in_(ids) | table.c.slug.in_(slugs))
    return named.order_by(table.c.id).with_for_update(read=True, key_share=True)


def _lock_for_reference(session: Session, table: sa.Table, refs: Sequence[str]) -> dict[str, str]:
    """Return the ids of terms by ids and present slugs, locked against deletion."""
    values = {
        "ids": [ref for ref in refs if is_id(ref)],
        "slugs": [ref for ref in refs if not is_id(ref) and is_slug(ref)],
    }
    ids: dict[str, str] = {}
    for row in session.execute(_select_for_reference(table), values):
        ids[row.id] = ids[row.slug] = row.id
    return ids


def require_terms(session: Session, model: type[Term], refs: Sequence[str], pointer: str) -> list[str]:
    """Return the ids of terms named by id, slug or former slug, in order and without repeats.

    422 for one that does not exist. None of them can be deleted before the transaction ends.
    """
    table = table_of(model)
    ids = _lock_for_reference(session, table, refs)
    if missing := [ref for ref in refs if ref not in ids]:
        former = resolve_references(session, {cast(Kind, str(model.__tablename__)): missing})
        held = _lock_for_reference(session, table, [reference.id for reference in former.values()])
        ids |= {ref: reference.id for (_, ref), reference in former.items() if reference.id in held}
    for ref in refs:
        if ref not in ids:
            detail = f"There is no {model.__tablename__} with this id or slug. Create it first."
            raise Invalid(detail, pointer=pointer, code="not_found")
    return list(dict.fromkeys(ids[ref] for ref in refs))


def render_note(html: str | None, text: str | None, pointer: str = "/") -> tuple[str, str]:
    """Return a short text as sanitised HTML and as plain text, from exactly one of the two; 422 otherwise.

    `pointer` precedes `html` and `text` in the names of invalid fields.
    """
    if html is not None and text is None:
        try:
            clean = sanitise(html, "note")
            return clean, html_to_text(clean, "note")
        except ValueError as error:
            raise Invalid(str(error), pointer=f"{pointer}html", code="html_refused") from error
    if text is not None and html is None:
        paragraphs = [part.strip() for part in _EMPTY_LINES.split(text) if part.strip()]
        escaped = (escape(part, quote=False).replace("\n", "<br>") for part in paragraphs)
        return "".join(f"<p>{part}</p>" for part in escaped), "\n\n".join(paragraphs)
    raise Invalid("Send either html or text.", pointer=f"{pointer}html", code="one_of")
