"""Those who wrote the comments: one participant for each name with each address, none of them proven."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import ArticleAuthor
from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import table_of
from app.identity.secrets import Vault
from app.identity.tables import Participant
from app.importers.discussion.remarks import Remark
from app.importers.ledger import Known, Ledger
from app.publication.tables import Author

P, AUTHOR, _BY = table_of(Participant), table_of(Author), table_of(ArticleAuthor)
_KIND = "reader"


class Person(NamedTuple):
    """A participant; `author_id` for an author of the publication."""

    id: str
    public_id: str
    kind: str
    author_id: str | None


def people(session: Session, ledger: Ledger, remarks: Iterable[Remark]) -> dict[str, Person]:
    """The participants behind remarks, by `Remark.person`; those who never came are made."""
    connection = session.connection()
    wanted = {remark.person: remark for remark in remarks}
    known = ledger.all_known(connection, _KIND, wanted)
    columns = sa.select(P.c.id, P.c.public_id, P.c.kind, P.c.author_id, P.c.erased_at)
    ids = [entry.local_id for entry in known.values()]
    here = {row.id: row for row in connection.execute(columns.where(P.c.id.in_(ids))) if row.erased_at is None}
    vault = Vault()
    if len(here) < len(wanted):
        vault.fill(session)
    found, new = dict[str, Person](), list[dict[str, Any]]()
    for key, remark in wanted.items():
        entry = known.get(key)
        if entry and (row := here.get(entry.local_id)):
            found[key] = Person(row.id, row.public_id, row.kind, row.author_id)
            continue
        person_id = new_id()
        author_id = ledger.local(connection, "author", remark.writer, AUTHOR) if remark.writer else None
        person = Person(person_id, vault.public_id(person_id), "staff" if author_id else "guest", author_id)
        found[key] = person
        email = None if author_id else remark.email.lower() or None
        new.append({**person._asdict(), "name": remark.name, "email": email, "created_at": now()})
        ledger.note(connection, _KIND, key, Known(person_id, ""))
    if new:
        connection.execute(sa.insert(P), new)
    return found


def authors_of(connection: sa.Connection, article_id: str) -> set[str]:
    """The authors of an article: their comments there are marked."""
    return set(connection.execute(sa.select(_BY.c.author_id).where(_BY.c.article_id == article_id)).scalars())
