"""How sections, tags, authors and series are read: one by id or slug, and in pages."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.orm import object_session
from sqlmodel import Session, select

from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Conflict, Forbidden, Invalid, NotFound
from app.db.columns import Row, table_of
from app.db.columns import Row as TableRow
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication.generations import bump_generation
from app.publication.references import PLURALS, Kind, resolve_reference, resolve_references
from app.publication.tables import Author, FormerSlug, Media, Notice, Term, TermMerge
from app.publication.uses import Uses, find_uses
from app.text.collation import fold_name, key_bounds
from app.text.html import plain_text, sanitise
from app.text.inputs import is_slug, slugify
from app.web import etag
from app.web.paging import PageQuery, Sort, fetch_page


@lru_cache(32)
def _select_one(statement: sa.Select[Any], column: str) -> sa.Select[Any]:
    selected = statement.selected_columns[column]
    return statement.where(selected == sa.bindparam("ref", type_=selected.type))


def find_term(connection: sa.Connection, statement: sa.Select[Any], ref: str) -> sa.RowMapping | None:
    """The row of a query over a table of terms that has this id or slug, or None."""
    if is_id(ref):
        return connection.execute(_select_one(statement, "id"), {"ref": ref}).mappings().first()
    if is_slug(ref):
        return connection.execute(_select_one(statement, "slug"), {"ref": ref}).mappings().first()
    return None  # what has the form of neither is not sent to the database


def list_terms(connection: sa.Connection, statement: sa.Select[Any], sort: Sort, asked: PageQuery) -> dict[str, Any]:
    """A page of a query over a table of terms."""
    column = {"name": "name_key"}.get(sort.name, sort.name.removeprefix("-"))
    return fetch_page(connection, statement, sort, statement.selected_columns[column], asked)


MERGE = table_of(TermMerge)
RUNNING, DONE = "running", "done"


def has_running_merge(connection: sa.Connection) -> bool:
    """Whether a merge is to go on."""
    return connection.execute(sa.select(MERGE.c.id).where(MERGE.c.state == RUNNING).limit(1)).first() is not None


def find_merge(connection: sa.Connection, merge_id: str) -> Row | None:
    """One merge, or None."""
    return connection.execute(sa.select(MERGE).where(MERGE.c.id == merge_id)).mappings().first()


def is_merging(session: Session, term_id: str) -> bool:
    """Whether a term is part of a merge that has not ended."""
    named = (MERGE.c.source_id == term_id) | (MERGE.c.target_id == term_id)
    return session.execute(sa.select(MERGE.c.id).where(named, MERGE.c.state == RUNNING)).first() is not None


def find_merge_targets(store: sa.Connection | Session, ids: Sequence[str]) -> dict[str, str | None]:
    """What merged terms went into, by their ids; None for those that were taken off their articles."""
    if not ids:
        return {}
    named = sa.select(MERGE.c.source_id, MERGE.c.target_id).where(MERGE.c.source_id.in_(ids))
    return {row.source_id: row.target_id for row in store.execute(named)}


def follow_merges(store: sa.Connection | Session, ids: Sequence[str]) -> list[str]:
    """Put the terms that others were merged into in their place, in order and without repeats; drop removed ones."""
    moved = find_merge_targets(store, ids)
    current = [moved.get(term_id, term_id) for term_id in ids]
    return list(dict.fromkeys(term_id for term_id in current if term_id is not None))


T = TypeVar("T", bound=Term)
TermTable = TypeVar("TermTable", Notice, Media, Term)
DISPLAYED_COLUMNS = set("name slug html text placement position alt caption credit syndication parent_id".split())
"""Columns that articles show, or that decide what they show."""
_EMPTY_LINES = re.compile(r"\n\s*\n")
_FORMER = table_of(FormerSlug)
_ADVISORY_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


class SlugTaken(Conflict):
    """Another one of its kind has this slug."""

    code, title = "slug_taken", "Another one has this slug"


class NameTaken(Conflict):
    """Another one of its kind has this name, told by `existing` {id, slug, name} and `Location`; use or merge that."""

    code, title = "name_taken", "Another one has this name"

    def __init__(self, kind: Kind, existing: TableRow) -> None:
        place = f"/v1/{PLURALS[kind]}/{existing['id']}"
        super().__init__(
            "Names are compared without letter case. Use the existing one, or give this one another name.",
            headers={"Location": place},
            existing={name: existing[name] for name in ("id", "slug", "name")},
        )


class InUse(Conflict):
    """Something stands under it or shows it; `uses` says what, by kind: how many, and the first ids."""

    code, title = "in_use", "It is still in use"

    def __init__(self, detail: str = "", uses: Mapping[str, Uses] | None = None) -> None:
        if uses:
            counts = ", ".join(f"{kind}: {found['count']:,}" for kind, found in uses.items())
            detail = f"Still in use ({counts}); move or delete those first."
        super().__init__(detail, uses=dict(uses or {}))


def require_all_sections(actor: Actor) -> None:
    """403 for a key that is limited to sections: what is shared by all of them is not its business."""
    if actor.sections is not None:
        raise Forbidden("A key that is limited to sections may not change what all sections share.")


def take_name_lock(session: Session, name: str) -> None:
    """Let nobody else do the same until this transaction ends. On SQLite there is only one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_ADVISORY_LOCK, {"what": name})


def _is_slug_taken(session: Session, model: type[Term], slug: str) -> bool:
    take_name_lock(session, f"{model.__tablename__}:{slug}")
    return session.exec(select(model.id).where(model.slug == slug)).first() is not None


def choose_slug(session: Session, model: type[Term], name: str, slug_sent: str | None) -> str:
    """The slug asked for, or 409 if another one of its kind has it; else one made from the name, with -2, -3, …"""
    if slug_sent is not None:
        if _is_slug_taken(session, model, slug_sent):
            raise SlugTaken
        slug = slug_sent
    else:
        base = slug = slugify(name)
        number = 1
        while _is_slug_taken(session, model, slug):
            number += 1
            slug = f"{base}-{number}"
    _delete_former_slug(session, model, slug)
    return slug


def require_name_free(
    session: Session,
    actor: Actor,
    model: type[Term],
    name: str,
    *,
    parent_id: str | None = None,
    own_id: str | None = None,
) -> None:
    """409 naming the existing term if another than `own` has this name; none can take it before the transaction ends.

    Sections are compared with those inside the same parent. Only keys are held to it: imports keep what their source
    calls things.
    """
    if actor.kind == "system":
        return
    kind, folded = cast(Kind, str(model.__tablename__)), fold_name(name)
    take_name_lock(session, f"{kind}:name:{folded}")
    table, (low, high) = table_of(model), key_bounds(name)
    alike = sa.select(table.c.id, table.c.slug, table.c.name).where(table.c.name_key >= low, table.c.name_key < high)
    if "parent_id" in table.c:
        alike = alike.where(table.c.parent_id == parent_id)
    for row in session.execute(alike.order_by(table.c.id)).mappings():
        if row["id"] != own_id and fold_name(row["name"]) == folded:
            raise NameTaken(kind, row)


def _delete_former_slug(session: Session, model: type[Term], slug: str) -> None:
    """A slug that is taken anew no longer leads to whatever had it before."""
    session.execute(sa.delete(_FORMER).where(_FORMER.c.kind == model.__tablename__, _FORMER.c.slug == slug))


def lock_term(session: Session, model: type[T], ref: str, *, follow: bool = True) -> T:
    """The row with this id, slug or (`follow`) former slug, for a change; 404 without one."""
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


def list_differing(row: TermTable, values: Mapping[str, Any]) -> list[str]:
    """Which of the values are not what the row holds."""
    return sorted(name for name, value in values.items() if getattr(row, name) != value)


def update_row(
    actor: Actor, row: TermTable, versions: frozenset[int] | None, values: Mapping[str, Any], *, shown: bool
) -> list[str]:
    """Set what differs, if the version is one of those expected (else 412); returns the names of what differed.

    `shown` says that readers see the row, now or at a set time: then changing it needs `content:publish`.
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


def update_term(
    session: Session,
    actor: Actor,
    row: Term,
    versions: frozenset[int] | None,
    values: Mapping[str, Any],
    *,
    shown: bool | None = None,
) -> list[str]:
    """The same for a term, whose slug and name must stay unlike the others of its kind; a former slug leads on to it.

    Authors may share a name: two people can have the same.

    `shown` says that readers see the term otherwise than with articles of its own.
    """
    etag.check_version(row.version, versions, list_differing(row, values))
    name, parent_id = values.get("name", row.name), getattr(row, "parent_id", None)
    goes_to = values.get("parent_id", parent_id)
    if not isinstance(row, Author) and (fold_name(name) != fold_name(row.name) or goes_to != parent_id):
        require_name_free(session, actor, type(row), name, parent_id=goes_to, own_id=row.id)
    old, slug = row.slug, values.get("slug", row.slug)
    if slug != old:
        if _is_slug_taken(session, type(row), slug):
            raise SlugTaken
        _delete_former_slug(session, type(row), slug)
        session.add(FormerSlug(kind=str(row.__tablename__), slug=old, target_id=row.id, created_at=now()))
    return update_row(actor, row, versions, values, shown=row.shown > 0 if shown is None else shown)


def delete_term(session: Session, row: Term, versions: frozenset[int] | None) -> None:
    """Delete a term that nothing refers to, with the slugs that it had; 409 while something does."""
    if is_merging(session, row.id):
        raise InUse("A merge of it is running.")
    delete_row(session, row, versions)
    is_own = (_FORMER.c.kind == str(row.__tablename__)) & (_FORMER.c.target_id == row.id)
    session.execute(sa.delete(_FORMER).where(is_own))


def delete_row(session: Session, row: TermTable, versions: frozenset[int] | None) -> None:
    """Delete a row that nothing refers to; 409 while something does."""
    etag.check_version(row.version, versions)
    if uses := find_uses(session, row):
        raise InUse(uses=uses)
    session.delete(row)
    try:
        session.flush()
    except sa.exc.IntegrityError as error:  # somebody began to use it just now
        raise InUse from error


def _lock_for_reference(session: Session, table: sa.Table, refs: Sequence[str]) -> dict[str, str]:
    """The ids of terms by ids and present slugs; none can be deleted before the transaction ends."""
    is_named = table.c.id.in_([ref for ref in refs if is_id(ref)]) | table.c.slug.in_(
        [ref for ref in refs if not is_id(ref) and is_slug(ref)]
    )
    locked = sa.select(table.c.id, table.c.slug).where(is_named).order_by(table.c.id)
    ids: dict[str, str] = {}
    for row in session.execute(locked.with_for_update(read=True, key_share=True)):
        ids[row.id] = ids[row.slug] = row.id
    return ids


def require_terms(session: Session, model: type[Term], refs: Sequence[str], pointer: str) -> list[str]:
    """The ids of these ids or slugs, in their order and without repeats; 422 for one that is not there.

    A slug that one had before leads to it, unless another one has it now. None of them can be deleted before this
    transaction ends.
    """
    table = table_of(model)
    ids = _lock_for_reference(session, table, refs)
    if missing := [ref for ref in refs if ref not in ids]:
        former = resolve_references(session, {cast(Kind, str(model.__tablename__)): missing})
        held = _lock_for_reference(session, table, [reference.id for reference in former.values()])
        ids |= {ref: reference.id for (_, ref), reference in former.items() if reference.id in held}
    for ref in refs:
        if ref not in ids:
            detail = f"There is no {model.__tablename__} with this id or slug; it must exist before it is named."
            raise Invalid(detail, pointer=pointer, code="not_found")
    return list(dict.fromkeys(ids[ref] for ref in refs))


def render_note(html: str | None, text: str | None, pointer: str = "/") -> tuple[str, str]:
    """A short text as harmless HTML and as plain text, from whichever of the two was given; 422 for both or none.

    `pointer` is what stands before `html` and `text` in the name of a field that is wrong.
    """
    if html is not None and text is None:
        try:
            clean = sanitise(html, "note")
            return clean, plain_text(clean, "note")
        except ValueError as error:
            raise Invalid(str(error), pointer=f"{pointer}html", code="html_refused") from error
    if text is not None and html is None:
        paragraphs = [part.strip() for part in _EMPTY_LINES.split(text) if part.strip()]
        escaped = (escape(part, quote=False).replace("\n", "<br>") for part in paragraphs)
        return "".join(f"<p>{part}</p>" for part in escaped), "\n\n".join(paragraphs)
    raise Invalid("Send html or text, and not both.", pointer=f"{pointer}html", code="one_of")
