"""Making cards anew, a few at a time, beside everything else."""

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import made, made_for, stale
from app.articles.tables import Article
from app.kit.schema import table_of
from app.publication.stamps.actions import adopt

_ARTICLE = table_of(Article)
MOST = 50  # a batch holds SQLite's writer for about 20 ms


def refresh(session: Session, site: Site) -> int:
    """Make a batch of cards that are out of date; returns how many there were.

    The stamp is read before what the cards are made of, and an article that has changed meanwhile keeps its old mark: a
    card can be thought stale that is good, never the other way round.
    """
    adopt(session, made_for(site))
    session.flush()
    connection = session.connection()
    n, ids = stale(connection, site, MOST)
    own = sa.update(_ARTICLE).where(
        _ARTICLE.c.id == sa.bindparam("article"),
        _ARTICLE.c.version == sa.bindparam("seen"),
        _ARTICLE.c.card_stamp == sa.bindparam("stamp"),
    )
    filled = own.values(card=sa.bindparam("json"), card_discussion=sa.bindparam("kept"), card_stamp=n)
    rows = [
        {"article": article, "seen": found.version, "stamp": found.stamp, "json": found.card, "kept": found.discussion}
        for article, found in made(connection, ids, site).items()
    ]
    if rows:
        connection.execute(filled, rows)
    return len(ids)


def spoil(session: Session, article_id: str) -> None:
    """What an article shows has changed, though not the article: its card is no longer good.

    No mark is given twice, so that whoever is making the card of what was before notices it.
    """
    bad = sa.case((_ARTICLE.c.card_stamp > 0, 0), else_=_ARTICLE.c.card_stamp) - 1
    session.execute(sa.update(_ARTICLE).where(_ARTICLE.c.id == article_id).values(card_stamp=bad))
