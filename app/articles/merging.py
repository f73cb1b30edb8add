"""Merging terms: moving articles from one term to another in small steps."""

import time

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles.projection import IndexArticle, refresh_visibility, take_snapshot
from app.articles.publishing import advance_article
from app.articles.tables import Article, ArticleAuthor, ArticleTag
from app.core.clock import now
from app.db.columns import table_of
from app.db.rows import Statement
from app.identity.schemas import SYSTEM, Actor
from app.publication.tables import TermMerge
from app.publication.taxonomies import MERGEABLE
from app.publication.terms import RUNNING

MAX_ARTICLES_PER_STEP, MAX_STEP_SECONDS = 20, 0.03  # a step holds SQLite's writer
_ARTICLE = table_of(Article)
_LINKS = {"tag": table_of(ArticleTag), "author": table_of(ArticleAuthor)}
_FIELDS = {"tag": "tags", "author": "authors", "series": "series"}


def _select_articles(kind: str, term_id: str) -> Statement:
    """Select the ids of the articles under a term."""
    if kind == "series":
        return sa.select(_ARTICLE.c.id).where(_ARTICLE.c.series_id == term_id)
    links = _LINKS[kind]
    return sa.select(links.c.article_id).where(links.c[f"{kind}_id"] == term_id)


def merge_terms(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    kind: str,
    ref: str,
    into: str | None,
    versions: frozenset[int] | None,
) -> str:
    """Begin a merge, and finish it at once if it has few articles; otherwise the worker continues it."""
    merge = MERGEABLE[kind].begin_merge(session, actor, ref, into, versions)
    under = _select_articles(kind, merge.source_id).subquery()
    merge.total = session.execute(sa.select(sa.func.count()).select_from(under)).scalar_one()
    session.flush()
    if merge.total <= MAX_ARTICLES_PER_STEP:
        _move_step(session, index_article, merge)
    return merge.id


def advance_merges(session: Session, index_article: IndexArticle) -> int:
    """Run one step of the oldest running merge; returns how many merges were advanced."""
    oldest = select(TermMerge).where(TermMerge.state == RUNNING).order_by(TermMerge.id).limit(1)
    merge = session.exec(oldest.with_for_update(skip_locked=True)).first()
    if merge is None:
        return 0
    _move_step(session, index_article, merge)
    return 1


def _move_step(session: Session, index_article: IndexArticle, merge: TermMerge) -> None:
    """Move the articles of one step. When none are left, lock the term, check once more, and delete it."""
    until = time.monotonic() + MAX_STEP_SECONDS
    next_ids = _select_articles(merge.kind, merge.source_id).limit(MAX_ARTICLES_PER_STEP)
    for article_id in sorted(session.execute(next_ids).scalars()):
        article = session.exec(select(Article).where(Article.id == article_id).with_for_update()).one()
        if article.due_at is not None and article.due_at <= now():
            advance_article(session, index_article, article)  # what is due may be held back, and a merge cannot
        before = take_snapshot(session, article)
        _move_article(session, article, merge)
        refresh_visibility(session, SYSTEM, index_article, article, before, [_FIELDS[merge.kind]])
        merge.done += 1
        if time.monotonic() > until and merge.total > MAX_ARTICLES_PER_STEP:
            return
    session.flush()
    MERGEABLE[merge.kind].lock_source(session, merge)
    if session.execute(_select_articles(merge.kind, merge.source_id).limit(1)).first() is None:
        MERGEABLE[merge.kind].end_merge(session, merge)


def _move_article(session: Session, article: Article, merge: TermMerge) -> None:
    if merge.kind == "series":
        article.series_id = merge.target_id
        return
    links, name = _LINKS[merge.kind], f"{merge.kind}_id"
    own = links.c.article_id == article.id
    has_target = sa.select(links.c.position).where(own, links.c[name] == merge.target_id)
    if merge.target_id is None or session.execute(has_target).first() is not None:
        session.execute(sa.delete(links).where(own, links.c[name] == merge.source_id))
    else:
        moved = sa.update(links).where(own, links.c[name] == merge.source_id)
        session.execute(moved.values({name: merge.target_id}))
