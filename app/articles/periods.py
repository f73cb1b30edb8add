"""The history of what was public: for each article the periods in which readers saw the same of it.

A period is written in the transaction that changes what readers see. Its text is a revision, which never changes. Names
of terms, notices and counts are not part of it: they are read as they are now.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import Article, ArticlePeriod
from app.core.clock import format_rfc3339
from app.core.ids import new_id
from app.db.columns import table_of
from app.db.rows import JsonObject

PERIOD = table_of(ArticlePeriod)
FACTS: Final = (
    "usage_terms copyright_holder territory syndication embargoed_until expires_at corrections seo seo_image_id "
    "canonical_url source"
).split()
"""Columns of an article beside its text that readers see; `PERIOD` has columns for others."""
TIME_FACTS: Final = ("embargoed_until", "expires_at")
_END = (
    sa.update(PERIOD)
    .where(PERIOD.c.article_id == sa.bindparam("article", type_=PERIOD.c.article_id.type), PERIOD.c.until_at.is_(None))
    .values(until_at=sa.bindparam("moment", type_=PERIOD.c.until_at.type))
)


def _format(value: object) -> object:
    return format_rfc3339(value) if isinstance(value, datetime) else value


def describe_period(article: Article) -> JsonObject:
    """Return what readers see of a public article, as the columns of a period."""
    return {
        "id": new_id(),
        "article_id": article.id,
        "revision": article.revision,
        "slug": article.slug,
        "featured": article.featured,
        "published_at": article.published_at,
        "listed_at": article.listed_at,
        "updated_at": article.updated_at,
        "facts": {name: _format(value) for name in FACTS if (value := getattr(article, name)) is not None},
    }


def write_periods(session: Session, periods: Mapping[str, JsonObject | None], moment: datetime) -> None:
    """End the periods of articles at a moment, and begin the next ones of those that are public."""
    connection = session.connection()
    connection.execute(_END, [{"article": article_id, "moment": moment} for article_id in periods])
    begun = [{**period, "from_at": moment, "until_at": None} for period in periods.values() if period]
    if begun:
        connection.execute(sa.insert(PERIOD), begun)


def was_public_at(moment: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    """Select the periods in which a moment lies."""
    return (PERIOD.c.from_at <= moment) & (PERIOD.c.until_at.is_(None) | (PERIOD.c.until_at > moment))
