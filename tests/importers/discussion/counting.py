"""Comments as they are stored, and every counter reckoned anew."""

from collections import Counter
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from app.articles.counters import ACTIVITY
from app.articles.tables import ArticleTally
from app.comments.tables import Comment
from app.core.clock import now
from app.db import Database
from app.db.columns import table_of

C, TALLY = table_of(Comment), table_of(ArticleTally)


def stored(db: Database) -> list[dict[str, Any]]:
    """All comments, in the order of their time."""
    with db.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(C).order_by(C.c.created_at, C.c.id)).mappings()]


def by_text(db: Database) -> dict[str, dict[str, Any]]:
    """All comments by their text."""
    return {row["text"]: row for row in stored(db)}


def check_counters(db: Database) -> None:
    """What stands on each row must be what counting gives."""
    rows = stored(db)
    ids = {row["id"]: row for row in rows}
    for row in rows:
        parent = ids.get(row["parent_id"])
        assert row["root_id"] == (parent["root_id"] if parent else row["id"])
        assert row["depth"] == (parent["depth"] + 1 if parent else 0)
        assert row["under_id"] == (row["parent_id"] or row["article_id"])
        children = [child for child in rows if child["parent_id"] == row["id"] and child["listed"]]
        assert row["replies"] == len(children)
        assert row["listed"] == (row["state"] == "published" or (row["state"] == "removed" and bool(children)))
        if row["state"] == "published":
            assert parent is None or parent["listed"]
    with db.connect() as connection:
        tallies = {row.article_id: row.comments for row in connection.execute(sa.select(TALLY)) if row.comments}
    public = [row["article_id"] for row in rows if row["state"] == "published"]
    assert tallies == {article: public.count(article) for article in public}
    begin = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=30)
    recent = Counter(row["article_id"] for row in rows if row["state"] == "published" and row["created_at"] >= begin)
    with db.connect() as connection:
        sums = {row.article_id: row.comments_30d for row in connection.execute(sa.select(ACTIVITY)) if row.comments_30d}
    assert sums == recent
