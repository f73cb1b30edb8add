"""Checking a release: everything that keeps it from being published, found by carrying it out and undoing that."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import NotFound, Problem
from app.db.rows import JsonObject
from app.identity.schemas import Actor
from app.releases.applying import Tools, apply_item, list_items, lock_articles
from app.releases.items import ARTICLE_OPS, ITEM
from app.releases.reach import RELEASE
from app.releases.releases import EDITABLE_STATES, find_release, lock_release

CHECK_BATCH_SIZE: Final = 40  # articles in one transaction of a check, which holds up other writes
_OPEN_STATES: Final = ("open", "scheduled", "failed")


class CheckDone(Exception):
    """Ends the transaction of a check, which changes nothing; `problems` are those that were found."""

    def __init__(self, problems: list[JsonObject]) -> None:
        super().__init__("checked")
        self.problems = problems


def _describe(item_id: str, op: str, problem: Problem, severity: str = "error") -> JsonObject:
    return {"item": item_id, "op": op, "code": problem.code, "detail": problem.detail, "severity": severity}


def check_items(session: Session, actor: Actor, tools: Tools, release_id: str, part: int) -> None:
    """Carry out a part of the items and raise `CheckDone`, so that nothing is kept; its problems are complete.

    The articles come in parts, which do not depend on each other; all other items are in the part after the last.
    """
    lock_release(session, release_id, None, *EDITABLE_STATES, "scheduled")
    items = list_items(session, release_id)
    about_articles = [item for item in items if item.op in ARTICLE_OPS]
    batch = about_articles[part * CHECK_BATCH_SIZE : (part + 1) * CHECK_BATCH_SIZE]
    if not batch:
        batch = items[len(about_articles) :]
    lock_articles(session, batch)
    problems, moment = list[JsonObject](), now()
    for item in batch:
        try:
            with session.begin_nested():
                apply_item(session, actor, tools, item, moment)
                session.flush()
        except Problem as error:
            problems.append(_describe(item.id, item.op, error))
    raise CheckDone(problems)


def count_check_parts(connection: sa.Connection, actor: Actor, release_id: str) -> int:
    """Return in how many parts a release is checked; 404 without it."""
    if find_release(connection, actor, release_id) is None:
        raise NotFound
    about_articles = (ITEM.c.release_id == release_id) & ITEM.c.op.in_(ARTICLE_OPS)
    number = connection.execute(sa.select(sa.func.count()).where(about_articles)).scalar_one()
    return -(-number // CHECK_BATCH_SIZE) + 1


def list_warnings(connection: sa.Connection, release_id: str) -> list[JsonObject]:
    """List items whose article another release changes, too, that is not published yet."""
    other = ITEM.alias("other")
    shared = (other.c.subject == ITEM.c.subject) & (other.c.release_id != ITEM.c.release_id)
    query = (
        sa.select(ITEM.c.id, ITEM.c.op, sa.func.count().label("number"))
        .select_from(ITEM.join(other, shared).join(RELEASE, RELEASE.c.id == other.c.release_id))
        .where(ITEM.c.release_id == release_id, RELEASE.c.state.in_(_OPEN_STATES))
        .group_by(ITEM.c.id, ITEM.c.op, ITEM.c.position)
        .order_by(ITEM.c.position)
    )
    detail = "Another release that is not published yet changes the same."
    warning = {"code": "in_another_release", "detail": detail, "severity": "warning"}
    return [{"item": row.id, "op": row.op, **warning} for row in connection.execute(query)]
