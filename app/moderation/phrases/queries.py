"""Reading phrases."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.paging import Sort, fetch
from app.kit.schema import table_of
from app.moderation.phrases.schemas import PhraseQuery, Phrases
from app.moderation.phrases.tables import Phrase, PhraseStamp

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
