"""Which articles readers are busy with."""

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.activity.tables import ActivityHour, ArticleActivity
from app.kit.clock import now
from app.kit.schema import table_of

ACTIVITY, HOUR = table_of(ArticleActivity), table_of(ActivityHour)
_KINDS = {"discussed": "comments", "reacted": "reactions"}


def column_of(order: str) -> ColumnElement[int] | None:
    """The column of an order such as `-discussed_7d`, None for any other."""
    verb, _, days = order.lstrip("-").partition("_")
    return ACTIVITY.c[f"{_KINDS[verb]}_{days}"] if verb in _KINDS else None


def is_due(connection: sa.Connection) -> bool:
    """Whether anything is too old for the window that it counts in: one look at an index."""
    due = sa.select(HOUR.c.due_at).where(HOUR.c.due_at <= now()).limit(1)
    return connection.execute(due).first() is not None
