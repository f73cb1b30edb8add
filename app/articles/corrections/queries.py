"""Reading what corrections said before."""

from typing import Any

import sqlalchemy as sa

from app.articles.corrections.tables import CorrectionVersion
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.schema import table_of

_VERSION = table_of(CorrectionVersion)
NEWEST = Sort("-replaced_at", descending=True)


def list_versions(connection: sa.Connection, article_id: str, asked: PageQuery) -> dict[str, Any]:
    """Page through the former versions of an article's corrections, the last replaced first."""
    query = sa.select(_VERSION).where(_VERSION.c.article_id == article_id)
    return fetch(connection, query, NEWEST, _VERSION.c.replaced_at, asked, within=article_id)
