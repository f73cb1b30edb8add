"""What the clock has made due."""

import sqlalchemy as sa

from app.articles.tables import Article
from app.kit.clock import now
from app.kit.schema import table_of

_ARTICLE = table_of(Article)


def is_due(connection: sa.Connection) -> bool:
    """Whether any article waits for the clock's hand: one look at an index."""
    due = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.due_at <= now()).limit(1)
    return connection.execute(due).first() is not None
