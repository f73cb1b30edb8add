"""The participants of imported comments: one for each pair of name and e-mail address, none of them verified."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import ArticleAuthor
from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.identity.secrets import Vault
from app.identity.tables import Participant
from app.importers.discussion.comments import SourceComment
from app.importers.ledger import ImportedRow, Ledger
from app.publication.tables import Author

PARTICIPANT, AUTHOR, _BY = table_of(Participant), table_of(Author), table_of(ArticleAuthor)
_KIND = "reader"


class Person(NamedTuple):
    """A participant; `author_id` is set for an author of the publication."""

    id: str
    public_id: str
    kind: str
    author_id: str | None


def find_or_create_people(session: Session, ledger: Ledger, comments: Iterable[SourceComment]) -> dict[str, Person]:
    """Find the participants of comments, by `SourceComment.person`, and create the missing ones."""
    connection = session.connection()
    by_person = {comment.person: comment for comment in comments}
    known = ledger.find_all(connection, _KIND, by_person)
    stored = _read_people(connection, [entry.local_id for entry in known.values()])
    vault = Vault()
    if len(stored) < len(by_person):
        vault.fill(session)
    people, new = dict[str, Person](), list[JsonObject]()
    for key, comment in by_person.items():
        entry = known.get(key)
        if entry and (person := stored.get(entry.local_id)):
            people[key] = person
            continue
        person_id = new_id()
        author_id = ledger.find_local_id(connection, "author", comment.writer, AUTHOR) if comment.writer else None
        person = Person(person_id, vault.public_id(person_id), "staff" if author_id else "guest", author_id)
        people[key] = person
        email = None if author_id else comment.email.lower() or None
        new.append({**person._asdict(), "name": comment.name, "email": email, "created_at": now()})
        ledger.record(connection, _KIND, key, ImportedRow(person_id, ""))
    if new:
        connection.execute(sa.insert(PARTICIPANT), new)
    return people


def _read_people(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Person]:
    """Read participants by id, without erased ones."""
    query = sa.select(*(PARTICIPANT.c[name] for name in Person._fields))
    rows = connection.execute(query.where(PARTICIPANT.c.id.in_(ids), PARTICIPANT.c.erased_at.is_(None)))
    return {row[0]: Person(*row) for row in rows}


def list_author_ids(connection: sa.Connection, article_id: str) -> set[str]:
    """List the authors of an article, whose comments on it get a badge."""
    return set(connection.execute(sa.select(_BY.c.author_id).where(_BY.c.article_id == article_id)).scalars())
