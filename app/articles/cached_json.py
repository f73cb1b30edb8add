"""Keeping cached JSON of articles fresh: marking it as stale after changes, and rebuilding it in the background."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE
from app.articles.rendering import CURRENT_GENERATION, build_articles, cache_key_of, select_generation
from app.db.columns import PAST
from app.publication.generations import adopt_cache_key
from app.publication.site import Site

MAX_REBUILT = 50  # a batch holds SQLite's writer for about 20 ms


def select_stale(site: Site) -> sa.Select[datetime]:
    """Select that a rebuild is due, while any article's cached JSON is stale; reads one index entry."""
    generation = select_generation(sa.literal(cache_key_of(site))).scalar_subquery()
    return sa.select(PAST).where(generation.is_(None) | sa.exists().where(ARTICLE.c.card_stamp < generation))


def find_stale(connection: sa.Connection, site: Site, limit: int) -> tuple[int, list[str]]:
    """Find the current generation and up to `limit` ids of articles whose cached JSON is older."""
    generation = connection.execute(CURRENT_GENERATION, {"cache_key": cache_key_of(site)}).scalar_one()
    query = sa.select(ARTICLE.c.id).where(ARTICLE.c.card_stamp < generation).order_by(ARTICLE.c.card_stamp).limit(limit)
    return generation, list(connection.execute(query).scalars())


def rebuild_stale(session: Session, site: Site) -> int:
    """Rebuild a batch of stale cached JSON; returns how many articles it had.

    The generation is read before the tables, and an article that changed meanwhile keeps its mark. So fresh JSON may
    be taken for stale, but never stale JSON for fresh.
    """
    adopt_cache_key(session, cache_key_of(site))
    session.flush()
    connection = session.connection()
    generation, ids = find_stale(connection, site, MAX_REBUILT)
    unchanged = sa.update(ARTICLE).where(
        ARTICLE.c.id == sa.bindparam("article"),
        ARTICLE.c.version == sa.bindparam("seen"),
        ARTICLE.c.card_stamp == sa.bindparam("mark"),
    )
    filled = unchanged.values(card=sa.bindparam("json"), card_discussion=sa.bindparam("rules"), card_stamp=generation)
    rows = [
        {"article": article_id, "seen": built.version, "mark": built.mark, "json": built.json, "rules": built.rules}
        for article_id, built in build_articles(connection, ids, site).items()
    ]
    if rows:
        connection.execute(filled, rows)
    return len(ids)


def invalidate(session: Session, article_id: str) -> None:
    """Mark an article's cached JSON as stale after a change that does not raise the article's version.

    Each mark is used once, so that a rebuild under way does not overwrite it.
    """
    unique_mark = sa.case((ARTICLE.c.card_stamp > 0, 0), else_=ARTICLE.c.card_stamp) - 1
    session.execute(sa.update(ARTICLE).where(ARTICLE.c.id == article_id).values(card_stamp=unique_mark))
