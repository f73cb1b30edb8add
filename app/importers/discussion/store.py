"""Writing many comments of an article at once, with all counters that they change."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import counters
from app.articles.counters import adjust_tally
from app.comments.lifecycle import index_comment
from app.comments.tables import Comment
from app.comments.words import reindex_comment
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_rows

COMMENT = table_of(Comment)


class TreeRow(TypedDict):
    """The place, state and counters of a comment."""

    id: str
    parent_id: str | None
    root_id: str
    depth: int
    state: str
    listed: bool
    replies: int
    anchor_id: str | None
    created_at: datetime


class NewComment(NamedTuple):
    """A comment to insert; `values` are the columns that do not depend on its place."""

    id: str
    parent_id: str | None
    state: str
    created_at: datetime
    values: JsonObject


class ChangedComment(NamedTuple):
    """A comment to update."""

    id: str
    state: str
    values: JsonObject
    moves: bool  # whether it gets the parent `parent_id`
    parent_id: str | None


_SELECT_TREE = sa.select(*(COMMENT.c[name] for name in TreeRow.__annotations__)).where(
    COMMENT.c.article_id == sa.bindparam("article")
)
_UPDATE_COUNTERS = (
    sa.update(COMMENT)
    .where(COMMENT.c.id == sa.bindparam("this"))
    .values(listed=sa.bindparam("is_listed"), replies=COMMENT.c.replies + sa.bindparam("more"))
)
_UPDATE_PLACE = (
    sa.update(COMMENT)
    .where(COMMENT.c.id == sa.bindparam("this"))
    .values(root_id=sa.bindparam("to_root"), depth=sa.bindparam("to_depth"), under_id=sa.bindparam("to_under"))
)
_INSERT = sa.insert(COMMENT)


def read_tree(connection: sa.Connection, article_id: str) -> dict[str, TreeRow]:
    """Read the places, states and counters of an article's comments, by id."""
    return {row["id"]: row for row in fetch_rows(connection, _SELECT_TREE, TreeRow, {"article": article_id})}


def write_comments(
    session: Session, article_id: str, new: Sequence[NewComment], changes: Sequence[ChangedComment]
) -> None:
    """Insert comments, which must be sorted parents first, and update others; then adjust all counters.

    Counters change by differences, so that comments posted meanwhile stay counted.
    """
    connection = session.connection()
    before = read_tree(connection, article_id)
    after = {key: row.copy() for key, row in before.items()}
    for change in changes:
        after[change.id]["state"] = change.state
    for comment in new:
        after[comment.id] = _place_new(after, comment)
    moved = _move_comments(after, [change for change in changes if change.moves])
    counts = count_replies(after.values())
    if new:
        connection.execute(_INSERT, [_insert_values(comment, after, counts, article_id) for comment in new])
        for comment in new:
            index_comment(session, comment.id, str(comment.values["author_name"]), str(comment.values["text"]))
    for change in changes:
        parent = {"parent_id": after[change.id]["parent_id"]} if change.moves else {}
        values = {**change.values, "state": change.state, **parent}
        connection.execute(sa.update(COMMENT).where(COMMENT.c.id == change.id).values(values))
        reindex_comment(session, change.id)
    places = [
        {
            "this": key,
            "to_root": after[key]["root_id"],
            "to_depth": after[key]["depth"],
            "to_under": after[key]["parent_id"] or article_id,
        }
        for key in moved
        if key in before
    ]
    if places:
        connection.execute(_UPDATE_PLACE, places)
    counters = [
        {"this": key, "is_listed": counts[key][0], "more": counts[key][1] - row["replies"]}
        for key, row in before.items()
        if counts[key] != (row["listed"], row["replies"])
    ]
    if counters:
        connection.execute(_UPDATE_COUNTERS, counters)
    _adjust_article(session, article_id, before.values(), after.values())


def _place_new(comments: Mapping[str, TreeRow], comment: NewComment) -> TreeRow:
    parent = comments.get(comment.parent_id) if comment.parent_id else None
    return {
        "id": comment.id,
        "parent_id": parent["id"] if parent else None,
        "root_id": parent["root_id"] if parent else comment.id,
        "depth": parent["depth"] + 1 if parent else 0,
        "state": comment.state,
        "listed": False,
        "replies": 0,
        "anchor_id": None,
        "created_at": comment.created_at,
    }


def _insert_values(
    comment: NewComment, comments: Mapping[str, TreeRow], counts: Mapping[str, tuple[bool, int]], article_id: str
) -> JsonObject:
    place = comments[comment.id]
    listed, replies = counts[comment.id]
    under_id = place["parent_id"] or article_id
    return {
        **comment.values,
        **place,
        "article_id": article_id,
        "under_id": under_id,
        "listed": listed,
        "replies": replies,
    }


def _move_comments(comments: Mapping[str, TreeRow], changes: Sequence[ChangedComment]) -> list[str]:
    """Attach comments to their new parents, and return the ids of all comments whose place has changed.

    A change that would make a cycle keeps the former parent.
    """
    below: dict[str | None, list[str]] = defaultdict(list)
    for change in changes:
        above = change.parent_id
        while above and above != change.id:
            above = comments[above]["parent_id"] if above in comments else None
        if not above:
            comments[change.id]["parent_id"] = change.parent_id
    if changes:
        for row in comments.values():
            below[row["parent_id"]].append(row["id"])
    moved, pending = list[str](), [change.id for change in changes]
    while pending:
        row = comments[pending.pop()]
        parent = comments.get(row["parent_id"]) if row["parent_id"] else None
        row["root_id"] = parent["root_id"] if parent else row["id"]
        row["depth"] = parent["depth"] + 1 if parent else 0
        moved.append(row["id"])
        pending += below[row["id"]]
    return moved


def _adjust_article(session: Session, article_id: str, before: Iterable[TreeRow], after: Iterable[TreeRow]) -> None:
    """Adjust the tally and the activity of the article."""
    old = [row for row in before if row["state"] == "published"]
    new = [row for row in after if row["state"] == "published"]
    comments, inline = len(new) - len(old), _count_anchored(new) - _count_anchored(old)
    if comments or inline:
        adjust_tally(session, article_id, comments=comments, inline=inline)
    written = _count_by_hour(new)
    written.subtract(_count_by_hour(old))
    for hour, more in sorted(written.items()):
        if more:
            counters.count_activity(session, article_id, hour, comments=more)


def _count_anchored(comments: Iterable[TreeRow]) -> int:
    return sum(row["anchor_id"] is not None for row in comments)


def _count_by_hour(comments: Iterable[TreeRow]) -> Counter[datetime]:
    return Counter(row["created_at"].replace(minute=0, second=0, microsecond=0) for row in comments)


def count_replies(comments: Iterable[TreeRow]) -> dict[str, tuple[bool, int]]:
    """Return for each comment whether it is listed, and its number of listed replies."""
    replies: Counter[str] = Counter()
    counts = {}
    for row in sorted(comments, key=lambda row: -row["depth"]):
        count = replies[row["id"]]
        listed = row["state"] == "published" or (row["state"] == "removed" and count > 0)
        counts[row["id"]] = (listed, count)
        if listed and row["parent_id"]:
            replies[row["parent_id"]] += 1
    return counts
