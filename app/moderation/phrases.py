"""Reading phrases."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import table_of
from app.identity.audit import record as audit
from app.identity.schemas import Actor
from app.moderation.rule_schemas import PhraseIn, PhrasePatch, PhraseQuery, Phrases, PhrasesIn, is_part
from app.moderation.tables import Phrase, PhraseStamp
from app.publication.terms import unlimited
from app.web import etag
from app.web.paging import Sort, fetch

PHRASE, STAMP = table_of(Phrase), table_of(PhraseStamp)
NEWEST = Sort("-created_at", descending=True)
_ALL = sa.select(PHRASE.c.id, PHRASE.c.text, PHRASE.c.match, PHRASE.c.action)


def stamp() -> sa.ScalarSelect[Any]:
    """What changes whenever a phrase does, null before the first: for a statement that asks other things as well."""
    return sa.select(STAMP.c.value).where(STAMP.c.id == 1).scalar_subquery()


def compiled(session: Session) -> Phrases:
    """All phrases, ready to be found."""
    return Phrases(session.execute(_ALL))


def by_id(connection: sa.Connection, phrase_id: str) -> sa.RowMapping | None:
    """One phrase, or None."""
    return connection.execute(sa.select(PHRASE).where(PHRASE.c.id == phrase_id)).mappings().first()


def shown(connection: sa.Connection, phrase_id: str) -> sa.RowMapping:
    """One phrase that was just written."""
    return connection.execute(sa.select(PHRASE).where(PHRASE.c.id == phrase_id)).mappings().one()


def list_made(connection: sa.Connection, ids: list[str]) -> dict[str, Any]:
    """Phrases that were just written, in the order in which they were sent."""
    rows = connection.execute(sa.select(PHRASE).where(PHRASE.c.id.in_(ids)).order_by(PHRASE.c.id)).mappings()
    return {"data": list(rows)}


def page(connection: sa.Connection, asked: PhraseQuery) -> dict[str, Any]:
    """A page of phrases, newest first."""
    query = sa.select(PHRASE)
    if asked.action is not None:
        query = query.where(PHRASE.c.action == asked.action)
    if asked.match is not None:
        query = query.where(PHRASE.c.match == asked.match)
    return fetch(connection, query, NEWEST, PHRASE.c.created_at, asked)


MOST = 5000
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class TooManyPhrases(Conflict):
    """There are as many phrases as one publication can have."""

    code, title = "too_many_phrases", "There are too many phrases"


def _changed(session: Session) -> None:
    """Let every process read the phrases again. A value that was never there: one that counts could be rolled back."""
    row = {"id": 1, "value": new_id()}
    insert = _INSERT[session.get_bind().dialect.name](STAMP).values(row)
    session.execute(insert.on_conflict_do_update(index_elements=[STAMP.c.id], set_={"value": row["value"]}))


def _check(text: str, match: str, pointer: str = "/text") -> None:
    if match == "text" and not is_part(text):
        raise Invalid("A part of a word has three letters at least.", pointer=pointer, code="too_short")


def create(session: Session, actor: Actor, data: PhraseIn) -> str:
    """Watch for a phrase from now on; returns its id."""
    unlimited(actor)
    _check(data.text, data.match)
    if session.execute(sa.select(sa.func.count()).select_from(PHRASE)).scalar_one() >= MOST:
        raise TooManyPhrases
    moment = now()
    row = Phrase(id=new_id(), created_at=moment, updated_at=moment, **data.model_dump())
    session.add(row)
    _changed(session)
    audit(session, actor, "phrase.create", "phrase", row.id, {"match": row.match, "action": row.action})
    return row.id


def create_many(session: Session, actor: Actor, data: PhrasesIn) -> list[str]:
    """Watch for phrases from now on, all of them or none; those that are watched already are left as they are."""
    unlimited(actor)
    for at, entry in enumerate(data.phrases):
        _check(entry.text, entry.match, f"/phrases/{at}/text")
    _changed(session)  # nobody else adds any before this ends
    known = {(row.text, row.match) for row in session.execute(sa.select(PHRASE.c.text, PHRASE.c.match))}
    new = {(entry.text, entry.match): entry for entry in data.phrases if (entry.text, entry.match) not in known}
    if len(known) + len(new) > MOST:
        raise TooManyPhrases
    moment = now()
    rows = [Phrase(id=new_id(), created_at=moment, updated_at=moment, **entry.model_dump()) for entry in new.values()]
    session.add_all(rows)
    for row in rows:
        audit(session, actor, "phrase.create", "phrase", row.id, {"match": row.match, "action": row.action})
    return [row.id for row in rows]


def _locked(session: Session, actor: Actor, phrase_id: str) -> Phrase:
    unlimited(actor)
    row = session.get(Phrase, phrase_id, with_for_update=True)
    if row is None:
        raise NotFound
    return row


def change(session: Session, actor: Actor, phrase_id: str, data: PhrasePatch, versions: frozenset[int] | None) -> str:
    """Change a phrase; returns its id."""
    row = _locked(session, actor, phrase_id)
    values = data.model_dump(exclude_unset=True)
    names = sorted(name for name, value in values.items() if getattr(row, name) != value)
    etag.check(row.version, versions, names)
    for name in names:
        setattr(row, name, values[name])
    _check(row.text, row.match)
    if names:
        row.version, row.updated_at = row.version + 1, now()
        _changed(session)
        audit(session, actor, "phrase.change", "phrase", row.id, {"fields": names})
    return row.id


def delete(session: Session, actor: Actor, phrase_id: str, versions: frozenset[int] | None) -> None:
    """Watch for it no longer."""
    row = _locked(session, actor, phrase_id)
    etag.check(row.version, versions)
    session.delete(row)
    _changed(session)
    audit(session, actor, "phrase.delete", "phrase", row.id, {})
