"""Rebuilding all terms and links in batches, while the existing links stay readable."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE
from app.db.columns import table_of
from app.publication.terms import take_name_lock
from app.related import linking, terms
from app.related.analysis import analyze_text
from app.related.linking import LISTS_PER_BATCH as LISTS
from app.related.linking import TEXT, rebuild_stale_lists, write_text
from app.related.tables import ArticleTerm, RelatedRebuild, RelatedTerm

BATCH_SIZE = 8  # articles per batch, so that other writers do not wait long
_REBUILD, _TERM_OF, _TERM = table_of(RelatedRebuild), table_of(ArticleTerm), table_of(RelatedTerm)


class BatchResult(NamedTuple):
    """The result of a batch."""

    step: str  # texts, weights, links, in this order; empty at the end
    articles: int


def begin_rebuild(session: Session, *, again: bool = False) -> bool:
    """Delete all terms, unless an interrupted rebuild can be continued; tell whether the rebuild is new."""
    take_name_lock(session, "related")
    if not again and session.execute(sa.select(_REBUILD.c.id)).first() is not None:
        return False
    for table in (_REBUILD, _TERM_OF, _TERM, TEXT):
        session.execute(sa.delete(table))
    session.execute(sa.insert(_REBUILD), [{"id": 1, "step": "texts", "after": None}])
    return True


def advance_rebuild(session: Session) -> BatchResult:
    """Run the next batch: count the words of all articles, then weigh their terms, then link them."""
    take_name_lock(session, "related")
    row = session.execute(sa.select(_REBUILD.c.step, _REBUILD.c.after)).first()
    if row is None:
        rebuilt = rebuild_stale_lists(session, LISTS)
        return BatchResult("links" if rebuilt else "", rebuilt)
    step, after = row
    ids = _next_ids(session, step, after)
    for article_id in ids:
        (_count_words if step == "texts" else _weigh_terms)(session, article_id)
    if ids:
        session.execute(sa.update(_REBUILD).values(after=ids[-1]))
    elif step == "texts":
        session.execute(sa.update(_REBUILD).values(step="weights", after=None))
    else:
        session.execute(sa.update(TEXT).values(stale=True))
        session.execute(sa.delete(_REBUILD))
    return BatchResult(step, len(ids))


def _next_ids(session: Session, step: str, after: str | None) -> list[str]:
    """List the next public articles, or counted ones, by id."""
    column = ARTICLE.c.id if step == "texts" else TEXT.c.article_id
    query = sa.select(column).order_by(column).limit(BATCH_SIZE)
    query = query.where(ARTICLE.c.listed) if step == "texts" else query
    return list(session.execute(query.where(column > after) if after else query).scalars())


def _count_words(session: Session, article_id: str) -> None:
    """Count an article's words, unless it was counted when it was published meanwhile."""
    now = linking.find_source(session.connection(), article_id)
    if now is not None and linking.find_text(session.connection(), article_id) is None:
        write_text(session, now, linked=False)


def _weigh_terms(session: Session, article_id: str) -> None:
    """Store an article's strongest terms, now that the frequency of each term is known."""
    was = linking.find_text(session.connection(), article_id)
    if was is None or was["text"] is None or was["title"] is None:
        return
    strongest = terms.read_strongest(session, analyze_text(was["language"], was["title"], was["text"]))
    terms.replace_terms(session, was["n"], was["terms"], strongest)
    session.execute(sa.update(TEXT).where(TEXT.c.n == was["n"]).values(terms=strongest))
