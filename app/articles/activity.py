"""Which articles readers are busy with."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.articles.events import ActivityAged
from app.articles.tables import DAYS, KINDS, SITE, ActivityHour, ArticleActivity
from app.core.clock import now
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.events.log import emit

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


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SUMS = [f"{kind}_{days}d" for kind in KINDS for days in DAYS]
_THIS = (HOUR.c.article_id == sa.bindparam("article", type_=HOUR.c.article_id.type)) & (
    HOUR.c.hour == sa.bindparam("of", type_=HOUR.c.hour.type)
)


def _adding(insert: Any, table: sa.Table, names: list[str]) -> Any:
    new = insert(table)
    more = {name: table.c[name] + new.excluded[name] for name in names}
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=more)


_ADD_HOUR = Prepared(
    {name: _adding(insert, HOUR, list(KINDS)).returning(HOUR.c.passed) for name, insert in _INSERT.items()},
    HOUR.c.keys(),
)
_ADD = Prepared({name: _adding(insert, ACTIVITY, _SUMS) for name, insert in _INSERT.items()}, ("article_id", *_SUMS))
_MORE = {kind: sa.bindparam(f"more_{kind}", type_=sa.Integer()) for kind in KINDS}
_TAKE = (
    sa.update(HOUR)
    .where(_THIS, *(HOUR.c[kind] + _MORE[kind] >= 0 for kind in KINDS))
    .values({kind: HOUR.c[kind] + _MORE[kind] for kind in KINDS})
    .returning(HOUR.c.passed)
)
_CHANGE = (
    sa.update(ACTIVITY)
    .where(ACTIVITY.c.article_id == sa.bindparam("article", type_=ACTIVITY.c.article_id.type))
    .values({name: ACTIVITY.c[name] + sa.bindparam(f"more_{name}", type_=sa.Integer()) for name in _SUMS})
)
_QUIET = sa.delete(ACTIVITY).where(
    ACTIVITY.c.article_id == sa.bindparam("article", type_=ACTIVITY.c.article_id.type),
    *(ACTIVITY.c[f"{kind}_{DAYS[-1]}d"] <= 0 for kind in KINDS),
)
_LEAVE = sa.update(HOUR).where(_THIS).values(passed=sa.bindparam("to"), due_at=sa.bindparam("due"))
_FORGET = sa.delete(HOUR).where(_THIS)


def _due(hour: datetime, passed: int) -> datetime:
    """When what happened in an hour leaves the next window."""
    return hour + timedelta(hours=1, days=DAYS[passed])


def _sums(passed: int, comments: int, reactions: int) -> dict[str, int]:
    """What is to be added to the sums of the windows that an hour has not left."""
    more = {"comments": comments, "reactions": reactions}
    return {f"{kind}_{days}d": more[kind] if at >= passed else 0 for kind in KINDS for at, days in enumerate(DAYS)}


def count(session: Session, article_id: str, at: datetime, *, comments: int = 0, reactions: int = 0) -> None:
    """Count what was written or chosen at a moment, or with a number below zero take it back.

    What is older than the last window is not counted, nor is taken back what never was.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    moment = now()
    passed = sum(_due(hour, step) <= moment for step in range(len(DAYS)))
    if passed == len(DAYS):
        return
    connection = session.connection()
    if comments < 0 or reactions < 0:
        asked = {"article": article_id, "of": hour, "more_comments": comments, "more_reactions": reactions}
        found = connection.execute(_TAKE, asked).scalar_one_or_none()
        if found is not None:
            sums = {f"more_{name}": more for name, more in _sums(found, comments, reactions).items()}
            connection.execute(_CHANGE, {"article": article_id, **sums})
        return
    row = {"article_id": article_id, "hour": hour, "comments": comments, "reactions": reactions}
    (found,) = _ADD_HOUR.one(connection, {**row, "passed": passed, "due_at": _due(hour, passed)})
    _ADD.run(connection, {"article_id": article_id, **_sums(found, comments, reactions)})


def age(session: Session, most: int = 200) -> int:
    """Let hours leave the windows that they are too old for; returns how many there were."""
    connection = session.connection()
    due = sa.select(HOUR).where(HOUR.c.due_at <= now()).order_by(HOUR.c.due_at).limit(most)
    rows = connection.execute(due.with_for_update(skip_locked=True)).mappings().all()
    less: dict[str, dict[str, int]] = {}
    for row in rows:
        here = {"article": row["article_id"], "of": row["hour"]}
        sums = less.setdefault(row["article_id"], dict.fromkeys(_SUMS, 0))
        for kind in KINDS:
            sums[f"{kind}_{DAYS[row['passed']]}d"] -= row[kind]
        if (passed := row["passed"] + 1) == len(DAYS):
            connection.execute(_FORGET, here)
        else:
            connection.execute(_LEAVE, {**here, "to": passed, "due": _due(row["hour"], passed)})
    for article_id in sorted(less):
        sums = {f"more_{name}": more for name, more in less[article_id].items()}
        connection.execute(_CHANGE, {"article": article_id, **sums})
        connection.execute(_QUIET, {"article": article_id})
    if rows:
        emit(session, ActivityAged(subject_id=SITE))
    return len(rows)
