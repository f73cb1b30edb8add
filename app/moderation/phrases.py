"""Watched phrases, which hold or refuse the comments that contain them."""

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid
from app.db.columns import table_of
from app.db.rows import JsonObject, insert_into, lock_row
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.moderation.rule_schemas import PhraseIn, PhrasePatch, PhraseQuery, PhrasesIn
from app.moderation.tables import Phrase, PhraseGeneration
from app.moderation.text_analysis import Phrases, is_long_enough
from app.publication.terms import require_all_sections
from app.web import etag
from app.web.paging import Page, Sort, fetch_mappings

PHRASE, GENERATION = table_of(Phrase), table_of(PhraseGeneration)
NEWEST = Sort("-created_at", descending=True)
_SELECT_PHRASES = sa.select(PHRASE.c.id, PHRASE.c.text, PHRASE.c.match, PHRASE.c.action)


def select_generation() -> sa.ScalarSelect[str]:
    """Build the scalar subquery of the generation of phrases, which changes with every write; null before the first."""
    return sa.select(GENERATION.c.value).where(GENERATION.c.id == 1).scalar_subquery()


def compile_phrases(session: Session) -> Phrases:
    """Load all phrases, compiled for matching."""
    return Phrases((row.id, row.text, row.match, row.action) for row in session.execute(_SELECT_PHRASES))


def find_phrase(connection: sa.Connection, phrase_id: str) -> JsonObject | None:
    """Return a phrase as `PhraseOut`, or None."""
    row = connection.execute(sa.select(PHRASE).where(PHRASE.c.id == phrase_id)).first()
    return row._asdict() if row else None


def get_phrase(connection: sa.Connection, phrase_id: str) -> JsonObject:
    """Return a phrase that exists, as `PhraseOut`."""
    return connection.execute(sa.select(PHRASE).where(PHRASE.c.id == phrase_id)).one()._asdict()


def list_created(connection: sa.Connection, ids: list[str]) -> JsonObject:
    """List phrases that were just created, in the order in which they were sent."""
    query = sa.select(PHRASE).where(PHRASE.c.id.in_(ids)).order_by(PHRASE.c.id)
    return {"data": [row._asdict() for row in connection.execute(query)]}


def list_phrases(connection: sa.Connection, filters: PhraseQuery) -> Page[JsonObject]:
    """List phrases, newest first."""
    query = sa.select(PHRASE)
    if filters.action is not None:
        query = query.where(PHRASE.c.action == filters.action)
    if filters.match is not None:
        query = query.where(PHRASE.c.match == filters.match)
    return fetch_mappings(connection, query, NEWEST, PHRASE.c.created_at, filters)


MAX_PHRASES = 5000


class TooManyPhrases(Conflict, code="too_many_phrases", title="There are too many phrases"):
    """The publication has reached the maximum number of phrases."""


def _advance_generation(session: Session) -> None:
    """Make every process reload the phrases. The value is a new id: a counter could repeat after a rollback."""
    row = {"id": 1, "value": new_id()}
    insert = insert_into(session, GENERATION).values(row)
    session.execute(insert.on_conflict_do_update(index_elements=[GENERATION.c.id], set_={"value": row["value"]}))


def _check_length(text: str, match: str, pointer: str = "/text") -> None:
    if match == "text" and not is_long_enough(text):
        raise Invalid(
            "A phrase that matches parts of words needs at least three letters or digits.",
            pointer=pointer,
            code="too_short",
        )


def create_phrase(session: Session, actor: Actor, data: PhraseIn) -> str:
    """Create a phrase and return its id."""
    require_all_sections(actor, "comments:moderate")
    _check_length(data.text, data.match)
    if session.execute(sa.select(sa.func.count()).select_from(PHRASE)).scalar_one() >= MAX_PHRASES:
        raise TooManyPhrases
    moment = now()
    row = Phrase(id=new_id(), created_at=moment, updated_at=moment, **data.model_dump())
    session.add(row)
    _advance_generation(session)
    audit(session, actor, "phrase.create", "phrase", row.id, {"match": row.match, "action": row.action})
    return row.id


def create_phrases(session: Session, actor: Actor, data: PhrasesIn) -> list[str]:
    """Create phrases, all of them or none, and return the ids of the new ones. Existing phrases stay as they are."""
    require_all_sections(actor, "comments:moderate")
    for at, entry in enumerate(data.phrases):
        _check_length(entry.text, entry.match, f"/phrases/{at}/text")
    # locks the generation row, so that nobody else adds phrases before this transaction ends
    _advance_generation(session)
    existing = {(row.text, row.match) for row in session.execute(sa.select(PHRASE.c.text, PHRASE.c.match))}
    new = {(entry.text, entry.match): entry for entry in data.phrases if (entry.text, entry.match) not in existing}
    if len(existing) + len(new) > MAX_PHRASES:
        raise TooManyPhrases
    moment = now()
    rows = [Phrase(id=new_id(), created_at=moment, updated_at=moment, **entry.model_dump()) for entry in new.values()]
    session.add_all(rows)
    for row in rows:
        audit(session, actor, "phrase.create", "phrase", row.id, {"match": row.match, "action": row.action})
    return [row.id for row in rows]


def _lock_phrase(session: Session, actor: Actor, phrase_id: str) -> Phrase:
    require_all_sections(actor, "comments:moderate")
    return lock_row(session, Phrase, phrase_id)


def update_phrase(
    session: Session, actor: Actor, phrase_id: str, data: PhrasePatch, versions: frozenset[int] | None
) -> str:
    """Update a phrase and return its id."""
    row = _lock_phrase(session, actor, phrase_id)
    values = data.model_dump(exclude_unset=True)
    names = sorted(name for name, value in values.items() if getattr(row, name) != value)
    etag.check_version(row.version, versions, names)
    for name in names:
        setattr(row, name, values[name])
    _check_length(row.text, row.match)
    if names:
        row.version, row.updated_at = row.version + 1, now()
        _advance_generation(session)
        audit(session, actor, "phrase.change", "phrase", row.id, {"fields": names})
    return row.id


def delete_phrase(session: Session, actor: Actor, phrase_id: str, versions: frozenset[int] | None) -> None:
    """Delete a phrase."""
    row = _lock_phrase(session, actor, phrase_id)
    etag.check_version(row.version, versions)
    session.delete(row)
    _advance_generation(session)
    audit(session, actor, "phrase.delete", "phrase", row.id, {})
