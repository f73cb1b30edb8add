"""Whom a fact concerns: the kinds and targets that it touches, and who wrote it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.queries import BY, TAGGED, A
from app.articles.schemas import PAGE
from app.comments.queries import C, readable
from app.identity.participants.queries import by
from app.kit.clock import now
from app.kit.problems import NotFound
from app.kit.schema import Row, table_of
from app.notifications.tables import Fanout
from app.publication.sections.closure import find_ancestors

FANOUT = table_of(Fanout)
Content = Mapping[str, Any]


class Circle(NamedTuple):
    """Who hears of a fact."""

    keys: list[tuple[str, str]]  # kinds and targets of subscriptions
    author: Row | None  # `participant_id` and `emails` of who wrote it


def _comment(connection: sa.Connection, content: Content) -> Circle | None:
    """A comment concerns who follows its discussion, its thread, or what it answers."""
    columns = (C.c.participant_id, C.c.email, C.c.article_id, C.c.root_id, C.c.parent_id, C.c.state)
    row = connection.execute(sa.select(*columns).where(C.c.id == content["comment"])).mappings().first()
    if row is None or row["state"] != "published" or not is_readable(connection, row["article_id"]):
        return None
    keys = [("comments.all", f"article:{row['article_id']}"), ("comments.thread", f"comment:{row['root_id']}")]
    if row["parent_id"] is not None:
        answered = sa.select(C.c.participant_id).where(C.c.id == row["parent_id"])
        keys.append(("comments.replies_to_me", f"comment:{row['parent_id']}"))
        if (writer := connection.execute(answered).scalar_one_or_none()) is not None:
            keys.append(("comments.replies_to_me", f"participant:{writer}"))
    person = by(connection, "id", row["participant_id"])
    emails = sorted({row["email"], person["email"] if person else None} - {None})
    return Circle(keys, {"participant_id": row["participant_id"], "emails": emails})


def is_readable(connection: sa.Connection, article_id: str) -> bool:
    """Whether readers see an article and its discussion."""
    try:
        readable(connection, article_id)
    except NotFound:
        return False
    return True


def _article(connection: sa.Connection, content: Content) -> Circle | None:
    """A new article concerns who follows the site, or anything that it stands under; a page is no news."""
    columns = (A.c.section_id, A.c.series_id, A.c.public, A.c.type)
    row = connection.execute(sa.select(*columns).where(A.c.id == content["article"])).mappings().first()
    if row is None or not row["public"] or row["type"] == PAGE:
        return None
    keys = [f"series:{row['series_id']}"] if row["series_id"] else []
    if row["section_id"]:
        keys += [f"section:{section_id}" for section_id in find_ancestors(connection, row["section_id"])]
    for name, links in (("author", BY), ("tag", TAGGED)):
        found = sa.select(links.c[f"{name}_id"]).where(links.c.article_id == content["article"])
        keys += [f"{name}:{one}" for one in connection.execute(found).scalars()]
    return Circle([("articles.new", key) for key in ("site", *keys)], None)


def find_correction(corrections: Sequence[Row], content: Content) -> Row | None:
    """The correction that a notification is about; None once it was withdrawn.

    What was noted by former releases names its place, from 0: such corrections were numbered in that order.
    """
    number = content["correction_n"] if "correction_n" in content else content["correction"] + 1
    return next((one for one in corrections if one["n"] == number), None)


def _correction(connection: sa.Connection, content: Content) -> Circle | None:
    columns = sa.select(A.c.public, A.c.corrections).where(A.c.id == content["article"])
    row = connection.execute(columns).first()
    if row is None or not row.public or find_correction(row.corrections, content) is None:
        return None
    return Circle([("article.updated", f"article:{content['article']}")], None)


CIRCLES: dict[str, Callable[[sa.Connection, Content], Circle | None]] = {
    "comment.published": _comment,
    "article.published": _article,
    "article.corrected": _correction,
}
"""By type of fact; None where readers see it no more."""


def has_fanouts(connection: sa.Connection) -> bool:
    """Whether a fact is to be told to more subscribers."""
    return connection.execute(sa.select(FANOUT.c.event).where(FANOUT.c.due_at <= now()).limit(1)).first() is not None
