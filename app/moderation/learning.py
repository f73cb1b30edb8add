"""Reading what the classifier has learned."""

import json
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.comments.tables import Comment
from app.db.columns import Row, table_of
from app.moderation.rule_schemas import Counted, score, tokens
from app.moderation.tables import LearnedComment, SpamToken

TOKEN, LEARNED = table_of(SpamToken), table_of(LearnedComment)
TEXTS = 0  # the row that counts texts
_COUNTS = sa.select(TOKEN.c.spam, TOKEN.c.ham)
_GIVEN = sa.func.json_each(sa.bindparam("tokens", type_=sa.Text())).table_valued("value")
# One statement whatever the number of words: a list of parameters would be compiled anew for each length.
_OF: dict[str, sa.Select[Any]] = {
    "sqlite": _COUNTS.where(TOKEN.c.token.in_(sa.select(_GIVEN.c.value))),
    "postgresql": _COUNTS.where(
        TOKEN.c.token == sa.any_(sa.bindparam("tokens", type_=postgresql.ARRAY(sa.BigInteger())))
    ),
}


def texts(connection: sa.Connection) -> Counted:
    """How many texts of each class were learned."""
    row = connection.execute(_COUNTS.where(TOKEN.c.token == TEXTS)).first()
    return Counted(*row) if row else Counted(0, 0)


def likeness(
    session: Session, learned: Counted, text: str, links: tuple[str, ...] = (), found: list[int] | None = None
) -> float:
    """How likely a text is spam, 0 to 1, where so many texts were learned; one statement.

    `found` are its `tokens`, where they are known already.
    """
    found = tokens(text, links) if found is None else found
    dialect = session.get_bind().dialect.name
    given = json.dumps(found) if dialect == "sqlite" else found
    return score(learned, [Counted(*row) for row in session.execute(_OF[dialect], {"tokens": given})])


_C = table_of(Comment)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_HREF = re.compile(r'\bhref="(https?://[^"]{1,2048})"')


def _count(session: Session, found: list[int], spam: bool, by: int) -> None:
    """Move the counts of words and of texts, none below zero; always in order, lest two of these block each other."""
    name = "spam" if spam else "ham"
    rows = [{"token": token, "spam": 0, "ham": 0, name: max(by, 0)} for token in (TEXTS, *found)]
    insert = _INSERT[session.get_bind().dialect.name](TOKEN).values(rows)
    moved = TOKEN.c[name] + by
    session.execute(
        insert.on_conflict_do_update(index_elements=[TOKEN.c.token], set_={name: sa.case((moved < 0, 0), else_=moved)})
    )


def _forget(session: Session, known: Row) -> None:
    _count(session, known["tokens"], known["spam"], -1)
    session.execute(sa.delete(LEARNED).where(LEARNED.c.comment_id == known["comment_id"]))


def learned(session: Session, comment_id: str, text: str, spam: bool | None) -> None:
    """Take a comment as an example of spam, or of what is none; None takes back what was learned of it before."""
    query = sa.select(LEARNED).where(LEARNED.c.comment_id == comment_id)
    known = session.execute(query).mappings().first()
    if spam is None:
        if known is not None:
            _forget(session, known)
        return
    html = session.execute(sa.select(_C.c.html).where(_C.c.id == comment_id)).scalar_one_or_none() or ""
    found = tokens(text, _HREF.findall(html))
    if known is not None:
        if known["spam"] == spam and known["tokens"] == found:
            return
        _forget(session, known)
    session.execute(sa.insert(LEARNED).values(comment_id=comment_id, spam=spam, tokens=found))
    _count(session, found, spam, 1)


def forget(session: Session, comment_ids: list[str]) -> None:
    """Drop what ties learned words to comments that are erased; the counts tell nothing of anybody and stay."""
    session.execute(sa.delete(LEARNED).where(LEARNED.c.comment_id.in_(comment_ids)))
