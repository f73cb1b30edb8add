"""Naive Bayes spam classifier, trained by moderators' decisions."""

import json
import re
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.tables import Comment
from app.db.columns import table_of
from app.db.rows import Statement, dialect_of, fetch_row, insert_into
from app.moderation.tables import LearnedComment, SpamToken
from app.moderation.text_analysis import ClassCounts, combine_shares, tokenize

TOKEN, LEARNED = table_of(SpamToken), table_of(LearnedComment)
TEXT_COUNT_ROW = 0  # token 0 counts the learned texts
_SELECT_COUNTS = sa.select(TOKEN.c.spam, TOKEN.c.ham)
_TOKENS_PARAMETER = sa.func.json_each(sa.bindparam("tokens", type_=sa.Text())).table_valued("value")
# One array parameter instead of a list of parameters, which would be compiled for each length.
_SELECT_TOKENS: dict[str, Statement] = {
    "sqlite": _SELECT_COUNTS.where(TOKEN.c.token.in_(sa.select(_TOKENS_PARAMETER.c.value))),
    "postgresql": _SELECT_COUNTS.where(
        TOKEN.c.token == sa.any_(sa.bindparam("tokens", type_=sa.ARRAY(sa.BigInteger())))
    ),
}


def spam_probability(
    session: Session, texts: ClassCounts, text: str, links: tuple[str, ...] = (), text_tokens: list[int] | None = None
) -> float:
    """Return the probability from 0 to 1 that a text is spam, in one statement.

    `text_tokens` are the text's `tokenize`, if they are known already.
    """
    text_tokens = tokenize(text, links) if text_tokens is None else text_tokens
    dialect = dialect_of(session)
    parameter = json.dumps(text_tokens) if dialect == "sqlite" else text_tokens
    return combine_shares(
        texts, [ClassCounts(*row) for row in session.execute(_SELECT_TOKENS[dialect], {"tokens": parameter})]
    )


class _Example(TypedDict):
    comment_id: str
    spam: bool
    tokens: list[int]


_C = table_of(Comment)
_HREF = re.compile(r'\bhref="(https?://[^"]{1,2048})"')


def _adjust_counts(session: Session, text_tokens: list[int], spam: bool, by: int) -> None:
    """Adjust the counts of tokens and texts, none below zero; in token order, so that two transactions cannot
    deadlock.
    """
    name = "spam" if spam else "ham"
    rows = [{"token": token, "spam": 0, "ham": 0, name: max(by, 0)} for token in (TEXT_COUNT_ROW, *text_tokens)]
    insert = insert_into(session, TOKEN).values(rows)
    adjusted = TOKEN.c[name] + by
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[TOKEN.c.token], set_={name: sa.case((adjusted < 0, 0), else_=adjusted)}
        )
    )


def _unlearn(session: Session, example: _Example) -> None:
    _adjust_counts(session, example["tokens"], example["spam"], -1)
    session.execute(sa.delete(LEARNED).where(LEARNED.c.comment_id == example["comment_id"]))


def learn_comment(session: Session, comment_id: str, text: str, spam: bool | None) -> None:
    """Learn a comment as spam (True) or ham (False), replacing what was learned of it before; None only unlearns."""
    query = sa.select(LEARNED).where(LEARNED.c.comment_id == comment_id)
    example = fetch_row(session, query, _Example)
    if spam is None:
        if example is not None:
            _unlearn(session, example)
        return
    html = session.execute(sa.select(_C.c.html).where(_C.c.id == comment_id)).scalar_one_or_none() or ""
    text_tokens = tokenize(text, _HREF.findall(html))
    if example is not None:
        if example["spam"] == spam and example["tokens"] == text_tokens:
            return
        _unlearn(session, example)
    session.execute(sa.insert(LEARNED).values(comment_id=comment_id, spam=spam, tokens=text_tokens))
    _adjust_counts(session, text_tokens, spam, 1)


def erase_examples(session: Session, comment_ids: list[str]) -> None:
    """Delete the links between comments and learned tokens. The counts are anonymous and stay."""
    session.execute(sa.delete(LEARNED).where(LEARNED.c.comment_id.in_(comment_ids)))
