"""Learning from what moderators decide."""

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.comments.tables import Comment
from app.kit.schema import Row, table_of
from app.moderation.learning.queries import LEARNED, TEXTS, TOKEN
from app.moderation.learning.schemas import tokens

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
