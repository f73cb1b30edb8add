"""Discussions as they stand in the store, laid there at once: what is counted is what the rows say."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.tables import ArticleTally
from app.comments.reading import C
from app.comments.schemas import controversy_score, wilson_score
from app.core.ids import new_id
from app.db import Database
from app.db.columns import table_of
from app.identity.tables import Participant

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITER = "01990000-0000-7000-8000-000000000001"


class Twig(NamedTuple):
    """One comment of a tree: the place of its parent among those before it, None at the top."""

    under: int | None = None
    second: int = 0  # after FIRST
    ups: int = 0
    downs: int = 0
    state: str = "published"


def _rows(article_id: str, twigs: Iterable[Twig]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for n, twig in enumerate(twigs):
        parent = None if twig.under is None else rows[twig.under]
        row = {"id": new_id(), "article_id": article_id, "state": twig.state, "parent_id": None, "anchor_id": None}
        row |= {
            "root_id": row["id"],
            "under_id": article_id,
            "depth": 0,
            "created_at": FIRST + timedelta(seconds=twig.second),
        }
        if parent is not None:
            row |= {"parent_id": parent["id"], "under_id": parent["id"], "root_id": parent["root_id"]}
            row["depth"] = parent["depth"] + 1
        row |= {"upvotes": twig.ups, "downvotes": twig.downs, "source": f"Comment {n}.", "text": f"Comment {n}."}
        row |= {"best": wilson_score(twig.ups, twig.downs), "controversy": controversy_score(twig.ups, twig.downs)}
        row |= {"participant_id": WRITER, "author_id": "writer", "author_name": "Ida", "author_kind": "guest"}
        row |= {"badges": [], "html": f"<p>Comment {n}.</p>", "fingerprint": f"{n:032x}", "notify": "none"}
        row |= {"featured": False, "approved_text": False, "version": 1, "replies": 0}
        rows.append(row)
    below: Counter[str] = Counter()
    for row in reversed(rows):  # children stand after their parents
        row["replies"] = below[row["id"]]
        row["listed"] = row["state"] == "published" or row["replies"] > 0
        if row["listed"] and row["parent_id"]:
            below[row["parent_id"]] += 1
    return rows


def grown(db: Database, article_id: str, twigs: Iterable[Twig]) -> list[dict[str, Any]]:
    """Lay a discussion under an article in place of what was there; its rows, in the order of the twigs."""
    rows, participant, tally = _rows(article_id, twigs), table_of(Participant), table_of(ArticleTally)
    writer = {"id": WRITER, "kind": "guest", "public_id": "writer", "name": "Ida", "created_at": FIRST}
    public = sum(row["state"] == "published" for row in rows)
    with db.transaction() as session:
        session.execute(sa.delete(C).where(C.c.article_id == article_id))
        session.execute(sa.delete(tally).where(tally.c.article_id == article_id))
        if session.execute(sa.select(participant.c.id).where(participant.c.id == WRITER)).first() is None:
            session.execute(sa.insert(participant).values({**writer, "approved": 0, "rejected": 0}))
        if rows:
            session.execute(sa.insert(C), rows)
        counted = {"article_id": article_id, "comments": public, "inline": 0, "reactions": {}}
        session.execute(sa.insert(tally).values(counted))
    return rows
