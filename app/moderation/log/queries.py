"""Reading the moderation log."""

from typing import Any

import sqlalchemy as sa

from app.articles.tables import Article
from app.identity.schemas import Actor
from app.kit.ids import is_id
from app.kit.paging import Sort, fetch
from app.kit.schema import table_of
from app.moderation.log.schemas import LogQuery
from app.moderation.log.tables import ModerationLog

LOG, _ARTICLE = table_of(ModerationLog), table_of(Article)
NEWEST = Sort("-at", descending=True)


def page(connection: sa.Connection, actor: Actor, asked: LogQuery) -> dict[str, Any]:
    """A page of the log, newest first; a key that is limited to sections reads only of their articles."""
    query = sa.select(LOG)
    if actor.sections is not None:
        within = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.section_id.in_(sorted(actor.sections)))
        query = query.where(LOG.c.article_id.in_(within))
    for column, value in (
        (LOG.c.comment_id, asked.comment),
        (LOG.c.article_id, asked.article),
        (LOG.c.actor_id, asked.actor),
    ):
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    if asked.action is not None:
        query = query.where(LOG.c.action == asked.action)
    return fetch(connection, query, NEWEST, LOG.c.at, asked)


def redaction_of(connection: sa.Connection, comment_id: str) -> sa.RowMapping | None:
    """The newest redaction of a comment, or None."""
    query = sa.select(LOG).where(LOG.c.comment_id == comment_id, LOG.c.action == "redact")
    return connection.execute(query.order_by(LOG.c.at.desc(), LOG.c.id.desc()).limit(1)).mappings().first()


def decision(connection: sa.Connection, comment_id: str) -> sa.RowMapping | None:
    """What decided the state that a comment has: the newest entry that changed it."""
    query = sa.select(LOG).where(LOG.c.comment_id == comment_id, LOG.c.state.is_not(None))
    return connection.execute(query.order_by(LOG.c.at.desc(), LOG.c.id.desc()).limit(1)).mappings().first()
