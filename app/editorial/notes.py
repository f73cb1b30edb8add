"""Notes on articles and their passages.

A passage is looked up whenever notes are read: in the newest revision, or in the one that is asked for, from the
revision in which it was quoted. So it follows drafts that nobody published, and nothing is to be kept in step.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import QuoteNotFound, locate_quote, read_texts
from app.anchors.resolution import Pair, Passage, Resolution, Text, resolve_passage
from app.anchors.schemas import AnchorIn
from app.articles.projection import WrongState, lock_article
from app.articles.tables import Article
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Forbidden, Invalid, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_rows
from app.editorial.callers import is_same_caller, name_doer, parse_assignee, require_assignee
from app.editorial.schemas import DraftNoteIn, DraftNotePatch, NoteQuery
from app.editorial.tables import Note
from app.events.log import emit
from app.events.staff_events import NoteChanged, NoteCreated, NoteDeleted
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.web import etag
from app.web.paging import Page, Sort, fetch_page, map_page

NOTE = table_of(Note)
OLDEST_FIRST = Sort("created_at")
MAX_NOTES: Final = 2_000  # per article
Versions = frozenset[int] | None
_STORED_AS: Final = {"text": "text", "assignee": "assignee_id", "done": "done_at"}


class NoteRow(TypedDict):
    """A note as it is stored."""

    id: str
    article_id: str
    parent_id: str | None
    text: str
    actor_id: str | None
    actor_name: str
    person_id: str | None
    created_at: datetime
    edited_at: datetime | None
    assignee_id: str | None
    done_at: datetime | None
    done_by: str | None
    version: int
    quote_revision: int | None
    quote_start: int | None
    quote_end: int | None
    exact: str | None
    prefix: str | None
    suffix: str | None


_SELECT = sa.select(*(NOTE.c[name] for name in NoteRow.__annotations__))


def _find_newest(connection: sa.Connection, article_id: str) -> int:
    """Return the number of an article's newest revision."""
    article = table_of(Article)
    query = sa.select(article.c.latest_revision).where(article.c.id == article_id)
    return int(connection.execute(query).scalar_one())


def list_notes(connection: sa.Connection, actor: Actor, article_id: str, query: NoteQuery) -> Page[JsonObject]:
    """List an article's notes, the oldest first; 404 for a revision that it does not have."""
    newest = _find_newest(connection, article_id)
    n = query.revision or newest
    if n > newest:
        raise NotFound
    statement = _SELECT.where(NOTE.c.article_id == article_id)
    if query.done is not None:
        statement = statement.where(NOTE.c.done_at.is_not(None) if query.done else NOTE.c.done_at.is_(None))
    if query.assignee is not None:
        statement = statement.where(NOTE.c.assignee_id == parse_assignee(actor, query.assignee))
    page = fetch_page(connection, statement, OLDEST_FIRST, NOTE.c.created_at, query, NoteRow, within=article_id)
    texts = _read_quoted(connection, article_id, page["data"], n)
    return map_page(page, lambda row: _present(row, texts, n))


def read_note(connection: sa.Connection, note_id: str) -> JsonObject:
    """Return a note with its place in the newest revision."""
    (row,) = fetch_rows(connection, _SELECT.where(NOTE.c.id == note_id), NoteRow)
    n = _find_newest(connection, row["article_id"])
    return _present(row, _read_quoted(connection, row["article_id"], [row], n), n)


def _read_quoted(connection: sa.Connection, article_id: str, rows: Sequence[NoteRow], n: int) -> dict[int, Text]:
    """Read the text of revision `n` and those that the notes quote, if they quote any."""
    quoted = {row["quote_revision"] for row in rows if row["quote_revision"] is not None}
    return read_texts(connection, article_id, {n, *quoted}) if quoted else {}


def _present(row: NoteRow, texts: dict[int, Text], n: int) -> JsonObject:
    """Shape a note as `DraftNoteOut`."""
    anchor = _present_anchor(row, texts, n) if row["quote_revision"] is not None else None
    head: JsonObject = {name: row[name] for name in ("id", "article_id", "parent_id", "text", "actor_id", "person_id")}
    tail: JsonObject = {name: row[name] for name in ("created_at", "edited_at", "done_at", "done_by", "version")}
    done = row["done_at"] is not None
    return {**head, **tail, "by": row["actor_name"], "assignee": row["assignee_id"], "done": done, "anchor": anchor}


def _present_anchor(row: NoteRow, texts: dict[int, Text], n: int) -> JsonObject:
    quoted = row["quote_revision"] or 0
    text, passage = texts[quoted], Passage(row["quote_start"] or 0, row["quote_end"] or 0)
    place = Resolution("anchored", "none", 1.0, *passage, text.block_id(passage.start))
    if quoted != n:
        place = resolve_passage(Pair(text, texts[n]), passage)
    return {
        "scope": "editorial",
        **{name: row[name] for name in ("exact", "prefix", "suffix")},
        "quoted_revision": quoted,
        "state": place.state,
        "revision": n,
        "block_id": place.block_id,
        "start": place.start,
        "end": place.end,
    }


def create_note(session: Session, actor: Actor, ref: str, data: DraftNoteIn) -> str:
    """Create a note on an article; returns its id."""
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    count = sa.select(sa.func.count()).select_from(NOTE).where(NOTE.c.article_id == article.id)
    if session.execute(count).scalar_one() >= MAX_NOTES:
        raise WrongState(f"An article has at most {MAX_NOTES:,} notes.")
    if data.parent is not None:
        _require_root(session, article.id, data)
    note = Note(
        id=new_id(),
        article_id=article.id,
        parent_id=data.parent,
        text=data.text,
        actor_id=actor.id,
        actor_name=actor.name,
        person_id=actor.person,
        created_at=now(),
        assignee_id=require_assignee(session, actor, data.assignee),
    )
    if data.anchor is not None:
        _locate(session, article, note, data.anchor)
    session.add(note)
    session.flush()
    record_action(session, actor, "note.create", "note", note.id, {"article": article.id})
    emit(
        session,
        NoteCreated(
            subject_id=note.id,
            article_id=article.id,
            section_id=article.section_id,
            parent_id=note.parent_id,
            assignee=note.assignee_id,
        ),
    )
    return note.id


def _require_root(session: Session, article_id: str, data: DraftNoteIn) -> None:
    """Raise 422 unless the note to answer is of this article and answers none itself, and if it has an anchor."""
    is_root = (NOTE.c.id == data.parent) & (NOTE.c.article_id == article_id) & NOTE.c.parent_id.is_(None)
    if not is_id(str(data.parent)) or session.execute(sa.select(NOTE.c.id).where(is_root)).first() is None:
        raise Invalid("The article has no such note to answer.", pointer="/parent", code="not_found")
    if data.anchor is not None:
        raise Invalid("Answers cannot have an anchor of their own.", pointer="/anchor")


def _locate(session: Session, article: Article, note: Note, data: AnchorIn) -> None:
    """Set the passage of a note; 422 if the quote is not in the revision."""
    n = article.latest_revision if data.revision is None else data.revision
    text = read_texts(session.connection(), article.id, {n}).get(n)
    passage = locate_quote(text.text, data) if text is not None else None
    if text is None or passage is None:
        detail = "The quote is not in this revision, or it is ambiguous. Send a longer one, or `start` and `end`."
        raise QuoteNotFound(detail, pointer="/anchor/exact", code="quote_not_found")
    note.quote_revision, note.quote_start, note.quote_end = n, passage.start, passage.end
    note.exact = text.text[passage.start : passage.end]
    note.prefix, note.suffix = text.before(passage.start), text.after(passage.end)


def _lock_note(session: Session, actor: Actor, note_id: str) -> tuple[Note, Article]:
    """Lock a note after its article, and return both; 404 and 403 as for the article."""
    note = session.get(Note, note_id) if is_id(note_id) else None
    if note is None:
        raise NotFound
    article = lock_article(session, actor, note.article_id, None, [], scope="content:write")
    return session.get_one(Note, note_id, with_for_update=True), article


def update_note(session: Session, actor: Actor, note_id: str, data: DraftNotePatch, versions: Versions) -> str:
    """Change a note; its text only for its author. Without a difference the version stays."""
    note, article = _lock_note(session, actor, note_id)
    sent = data.model_fields_set
    if "text" in sent and data.text != note.text and not is_same_caller(actor, note):
        raise Forbidden("Only its author may change the text of a note.")
    values: JsonObject = {}
    if "text" in sent and data.text != note.text:
        values |= {"text": data.text, "edited_at": now()}
    if "assignee" in sent and (assignee := require_assignee(session, actor, data.assignee)) != note.assignee_id:
        values["assignee_id"] = assignee
    if "done" in sent and data.done != (note.done_at is not None):
        values |= name_doer(actor, done=data.done)
    etag.check_version(note.version, versions, sorted(sent))
    if values:
        for name, value in values.items():
            setattr(note, name, value)
        note.version += 1
        record_action(session, actor, "note.change", "note", note.id, {"fields": sorted(sent)})
        emit(
            session,
            NoteChanged(
                subject_id=note.id,
                article_id=article.id,
                section_id=article.section_id,
                fields=[name for name, column in _STORED_AS.items() if column in values],
                assignee=note.assignee_id,
                done=note.done_at is not None,
            ),
        )
    session.flush()
    return note.id


def delete_note(session: Session, actor: Actor, note_id: str, versions: Versions) -> None:
    """Delete a note with its answers: for its author, and for admins."""
    note, article = _lock_note(session, actor, note_id)
    if not (is_same_caller(actor, note) or actor.may("admin")):
        raise Forbidden("Only its author may delete a note.")
    etag.check_version(note.version, versions)
    record_action(session, actor, "note.delete", "note", note.id, {"article": note.article_id})
    session.delete(note)
    emit(session, NoteDeleted(subject_id=note.id, article_id=article.id, section_id=article.section_id))
