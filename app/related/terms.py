"""Counting stems, and storing the strongest terms of a text."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import pydantic_core
import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.related.analysis import Analysis
from app.related.similarity import weigh_stems
from app.related.tables import ArticleTerm, RelatedTerm, StoredTerm

TOTAL_STEM = ""  # pseudo-stem that counts all articles of a language
_TERM_OF = table_of(ArticleTerm)
_STEM_ELEMENTS = {
    "sqlite": "json_each(:stems)",
    "postgresql": "json_array_elements_text(CAST(:stems AS json)) AS e(value)",
}
_DELETE_TERM = sa.delete(_TERM_OF).where(
    _TERM_OF.c.term_id == sa.bindparam("term", type_=sa.BigInteger()),
    _TERM_OF.c.n == sa.bindparam("text", type_=sa.BigInteger()),
)


_COUNT = """
    INSERT INTO related_term (language, stem, articles)
    SELECT CAST(:language AS VARCHAR(8)), value, 1 FROM {words} WHERE true
    ON CONFLICT (language, stem) DO UPDATE SET articles = related_term.articles + 1
    RETURNING id, stem, articles
"""
_UNCOUNT = """
    UPDATE related_term SET articles = articles - 1
    WHERE language = :language AND stem IN (SELECT value FROM {words})
"""
_SELECT = """
    SELECT id, stem, articles FROM related_term
    WHERE language = :language AND stem IN (SELECT value FROM {words})
"""


@lru_cache(6)
def _statement(dialect: str, text: str) -> sa.TextClause:
    return sa.text(text.format(words=_STEM_ELEMENTS[dialect]))


def _execute(session: Session, text: str, analysis: Analysis) -> sa.CursorResult[int, str, int]:
    """Run a statement over all stems of a text, in a fixed order so that writers cannot deadlock."""
    stems = pydantic_core.to_json([TOTAL_STEM, *sorted(analysis.counts)]).decode()
    connection = session.connection()
    return connection.execute(
        _statement(connection.dialect.name, text), {"language": analysis.language, "stems": stems}
    )


def count_stems(session: Session, analysis: Analysis) -> list[StoredTerm]:
    """Add an article to the counts of its stems; return its strongest terms as `related_text` stores them."""
    return _strongest(analysis, _execute(session, _COUNT, analysis).all())


def uncount_stems(session: Session, analysis: Analysis) -> None:
    """Remove an article from the counts of its stems."""
    _execute(session, _UNCOUNT, analysis)


def read_strongest(session: Session, analysis: Analysis) -> list[StoredTerm]:
    """Return the strongest terms of a text that is already counted."""
    return _strongest(analysis, _execute(session, _SELECT, analysis).all())


def _strongest(analysis: Analysis, rows: Iterable[sa.Row[int, str, int]]) -> list[StoredTerm]:
    ids, articles = dict[str, int](), dict[str, int]()
    for term_id, stem, count in rows:
        ids[stem], articles[stem] = term_id, count
    weights = weigh_stems(analysis.counts, articles, articles[TOTAL_STEM])
    return [(ids[stem], weight, analysis.labels[stem]) for stem, weight in weights.items()]


def replace_terms(session: Session, n: int, before: Sequence[StoredTerm], terms: Sequence[StoredTerm]) -> None:
    """Replace the terms by which a text is found."""
    if before:
        session.execute(_DELETE_TERM, [{"term": term, "text": n} for term, *_ in before])
    if terms:
        rows = [{"term_id": term, "n": n, "weight": weight} for term, weight, _ in terms]
        session.execute(sa.insert(_TERM_OF), rows)


def delete_unused(session: Session) -> None:
    """Delete stems that no text has. Reads the whole table; called rarely."""
    term = table_of(RelatedTerm)
    session.execute(sa.delete(term).where(term.c.articles <= 0))
