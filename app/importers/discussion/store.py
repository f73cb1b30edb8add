"""Comments of one article into the store, many at once, with every counter that they move."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import activity
from app.articles.discussions import adjust_tally
from app.comments.tables import Comment
from app.db.columns import Row, table_of

C = table_of(Comment)
_TREE = sa.select(
    *(C.c[name] for name in "id parent_id root_id depth state listed replies anchor_id created_at".split())
).where(C.c.article_id == sa.bindparam("article"))
_CHANGE = (
    sa.update(C)
    .where(C.c.id == sa.bindparam("this"))
    .values(listed=sa.bindparam("is_listed"), replies=C.c.replies + sa.bindparam("more"))
)
_PLACE = (
    sa.update(C)
    .where(C.c.id == sa.bindparam("this"))
    .values(root_id=sa.bindparam("is_root"), depth=sa.bindparam("is_deep"), under_id=sa.bindparam("is_under"))
)
_INSERT = sa.insert(C)


def tree(connection: sa.Connection, article_id: str) -> dict[str, Row]:
    """What stands under an article, by id: places, states and counters only."""
    return {row["id"]: row for row in connection.execute(_TREE, {"article": article_id}).mappings()}


def lay(session: Session, article_id: str, rows: Sequence[dict[str, Any]], changes: Sequence[dict[str, Any]]) -> None:
    """Insert comments, parents first, and change others; then move the counters above them and of the article.

    Counters are moved by the difference, so that what readers write meanwhile stays counted.
    """
    connection = session.connection()
    before = tree(connection, article_id)
    after: dict[str, Any] = {key: dict(row) for key, row in before.items()}
    for change in changes:
        after[change["id"]]["state"] = change["state"]
    for row in rows:
        parent = after.get(row["parent_id"]) if row["parent_id"] else None
        row["parent_id"] = parent and parent["id"]
        row["root_id"] = parent["root_id"] if parent else row["id"]
        row["under_id"] = row["parent_id"] or article_id
        row["depth"] = parent["depth"] + 1 if parent else 0
        after[row["id"]] = row
    placed = _move(after, article_id, [change for change in changes if "parent_id" in change])
    wanted = reckoned(after)
    for row in rows:
        row["listed"], row["replies"] = wanted[row["id"]]
    if rows:
        connection.execute(_INSERT, list(rows))
    for change in changes:
        connection.execute(sa.update(C).where(C.c.id == change["id"]).values(change))
    if placed := [row for row in placed if row["this"] in before]:
        connection.execute(_PLACE, placed)
    moved = [
        {"this": key, "is_listed": wanted[key][0], "more": wanted[key][1] - row["replies"]}
        for key, row in before.items()
        if wanted[key] != (row["listed"], row["replies"])
    ]
    if moved:
        connection.execute(_CHANGE, moved)
    old, new = (_public(comments) for comments in (before, after))
    if old != new:
        adjust_tally(session, article_id, comments=new[0] - old[0], inline=new[1] - old[1])
    written = _hours(after)
    written.subtract(_hours(before))
    for hour, more in sorted(written.items()):
        if more:
            activity.count_activity(session, article_id, hour, comments=more)


def _move(comments: dict[str, Any], article_id: str, changes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hang comments under the parents that the changes name, and give the new places of all that hangs below them.

    A change that would close a circle loses its parent.
    """
    below: dict[str | None, list[str]] = defaultdict(list)
    for change in changes:
        above = change["parent_id"]
        while above and above != change["id"]:
            above = comments[above]["parent_id"] if above in comments else None
        if above:
            change["parent_id"] = comments[change["id"]]["parent_id"]
        comments[change["id"]]["parent_id"] = change["parent_id"]
    if changes:
        for row in comments.values():
            below[row["parent_id"]].append(row["id"])
    placed, waiting = list[dict[str, Any]](), [change["id"] for change in changes]
    while waiting:
        row = comments[waiting.pop()]
        parent = comments.get(row["parent_id"]) if row["parent_id"] else None
        row["root_id"] = parent["root_id"] if parent else row["id"]
        row["depth"] = parent["depth"] + 1 if parent else 0
        row["under_id"] = row["parent_id"] or article_id
        placed.append(
            {"this": row["id"], "is_root": row["root_id"], "is_deep": row["depth"], "is_under": row["under_id"]}
        )
        waiting += below[row["id"]]
    return placed


def _public(comments: dict[str, Any]) -> tuple[int, int]:
    public = [row for row in comments.values() if row["state"] == "published"]
    return len(public), sum(row.get("anchor_id") is not None for row in public)


def _hours(comments: dict[str, Any]) -> Counter[datetime]:
    """How many public comments were written in each hour."""
    public = (row["created_at"] for row in comments.values() if row["state"] == "published")
    return Counter(at.replace(minute=0, second=0, microsecond=0) for at in public)


def reckoned(comments: dict[str, Any]) -> dict[str, tuple[bool, int]]:
    """Whether each comment is listed, and how many listed replies it has: from the deepest up."""
    replies: Counter[str] = Counter()
    found = {}
    for row in sorted(comments.values(), key=lambda row: -row["depth"]):
        count = replies[row["id"]]
        listed = row["state"] == "published" or (row["state"] == "removed" and count > 0)
        found[row["id"]] = (listed, count)
        if listed and row["parent_id"]:
            replies[row["parent_id"]] += 1
    return found
