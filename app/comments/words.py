"""The word index of comments, by which moderators find them: words of the text and of the author's name.

Both databases index words that are prepared here, so that both find the same.
"""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.lifecycle import delete_entry, index_comment
from app.comments.tables import ENTRY, WORDS, Comment
from app.db.columns import TSQUERY, table_of
from app.db.rows import Statement
from app.text.words import list_words

MAX_TERMS: Final = 12  # of a question
MAX_MATCHES: Final = 10_000  # that were indexed last
_C: Final = table_of(Comment)
_SELECT_TEXT: Final = sa.select(_C.c.author_name, _C.c.text).where(
    _C.c.id == sa.bindparam("comment", type_=_C.c.id.type)
)


def parse_question(text: str, dialect: str) -> str | None:
    """Return a question in the syntax of the database, which finds all of its words; None if it has no word.

    The last word is a prefix if `*` follows.
    """
    words = list(dict.fromkeys(list_words(text, MAX_TERMS)))
    if not words:
        return None
    is_open = text.rstrip().endswith("*")
    if dialect == "sqlite":
        return " AND ".join(f'"{word}"' for word in words) + ("*" if is_open else "")
    return " & ".join(f"'{word}'" for word in words) + (":*" if is_open else "")


def select_matching(dialect: str, question: str) -> Statement:
    """Select the ids of the comments that match a parsed question, at most the `MAX_MATCHES` that were indexed last."""
    if dialect == "sqlite":
        keys = sa.select(WORDS.c.rowid).where(WORDS.c.comment_words.op("MATCH")(question))
        keys = keys.order_by(WORDS.c.rowid.desc()).limit(MAX_MATCHES)
        return sa.select(ENTRY.c.comment_id).where(ENTRY.c.key.in_(keys))
    matches = ENTRY.c.vector.op("@@")(sa.cast(sa.literal(question, sa.Text()), TSQUERY))
    return sa.select(ENTRY.c.comment_id).where(matches).order_by(ENTRY.c.key.desc()).limit(MAX_MATCHES)


def reindex_comment(session: Session, comment_id: str) -> None:
    """Index a comment anew whose name or text may have changed."""
    delete_entry(session, comment_id)
    row = session.execute(_SELECT_TEXT, {"comment": comment_id}).first()
    if row is not None:
        index_comment(session, comment_id, row.author_name, row.text)
