"""Counters of articles: comments and reactions, in total and in the last day, week and month."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.articles.discussion_settings import offered_reactions
from app.articles.tables import ACTIVITY_KINDS, SITE_ID, WINDOW_DAYS, ActivityHour, ArticleActivity, ArticleTally
from app.core.clock import now
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.row_lists import ROWS, select_rows
from app.db.rows import Insert, JsonObject, begin_insert, insert_into
from app.events.catalog import ActivityAged
from app.events.log import emit

ACTIVITY, HOUR = table_of(ArticleActivity), table_of(ActivityHour)
_KIND_OF_VERB = {"discussed": "comments", "reacted": "reactions"}


def activity_column(order: str) -> ColumnElement[int] | None:
    """Return the column of an order such as `-discussed_7d`; None for any other order."""
    verb, _, days = order.lstrip("-").partition("_")
    return ACTIVITY.c[f"{_KIND_OF_VERB[verb]}_{days}"] if verb in _KIND_OF_VERB else None


NEXT_HOUR = sa.select(sa.func.min(HOUR.c.due_at))
"""Selects when the next hour has to leave a window."""

_SUMS = [f"{kind}_{days}d" for kind in ACTIVITY_KINDS for days in WINDOW_DAYS]
_IS_HOUR = (HOUR.c.article_id == sa.bindparam("article", type_=HOUR.c.article_id.type)) & (
    HOUR.c.hour == sa.bindparam("of", type_=HOUR.c.hour.type)
)


def _add_to_sums(dialect: str, table: sa.Table, names: list[str]) -> Insert:
    new = begin_insert(dialect, table)
    more = {name: table.c[name] + new.excluded[name] for name in names}
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=more)


_ADD_HOUR: Prepared[JsonObject] = Prepared(
    lambda dialect: _add_to_sums(dialect, HOUR, list(ACTIVITY_KINDS)).returning(HOUR.c.passed),
    HOUR.c.keys(),
)
_ADD_SUMS: Prepared[JsonObject] = Prepared(
    lambda dialect: _add_to_sums(dialect, ACTIVITY, _SUMS), ("article_id", *_SUMS)
)
_MORE = {kind: sa.bindparam(f"more_{kind}", type_=sa.Integer()) for kind in ACTIVITY_KINDS}
_SUBTRACT: Prepared[JsonObject] = Prepared(
    sa.update(HOUR)
    .where(_IS_HOUR, *(HOUR.c[kind] + _MORE[kind] >= 0 for kind in ACTIVITY_KINDS))
    .values({kind: HOUR.c[kind] + _MORE[kind] for kind in ACTIVITY_KINDS})
    .returning(HOUR.c.passed)
)
_ADJUST: Prepared[JsonObject] = Prepared(
    sa.update(ACTIVITY)
    .where(ACTIVITY.c.article_id == sa.bindparam("article", type_=ACTIVITY.c.article_id.type))
    .values({name: ACTIVITY.c[name] + sa.bindparam(f"more_{name}", type_=sa.Integer()) for name in _SUMS})
)
_DELETE_INACTIVE = sa.delete(ACTIVITY).where(
    ACTIVITY.c.article_id == sa.bindparam("article", type_=ACTIVITY.c.article_id.type),
    *(ACTIVITY.c[f"{kind}_{WINDOW_DAYS[-1]}d"] <= 0 for kind in ACTIVITY_KINDS),
)
_LEAVE_WINDOW = sa.update(HOUR).where(_IS_HOUR).values(passed=sa.bindparam("to"), due_at=sa.bindparam("due"))
_DELETE_HOUR = sa.delete(HOUR).where(_IS_HOUR)


_WINDOWS = [timedelta(hours=1, days=days) for days in WINDOW_DAYS]  # from the beginning of an hour


def _due_at(hour: datetime, passed: int) -> datetime:
    """Return when an hour leaves its next window."""
    return hour + _WINDOWS[passed]


def _sums_of(passed: int, comments: int, reactions: int) -> dict[str, int]:
    """Return what to add to the sums of the windows that still contain an hour."""
    more = {"comments": comments, "reactions": reactions}
    return {
        f"{kind}_{days}d": more[kind] if at >= passed else 0
        for kind in ACTIVITY_KINDS
        for at, days in enumerate(WINDOW_DAYS)
    }


def count_activity(session: Session, article_id: str, at: datetime, *, comments: int = 0, reactions: int = 0) -> None:
    """Count comments or reactions of a moment; negative numbers take them back.

    Moments before the last window are not counted, and counts that were never added are not taken back.
    """
    hour = at.replace(minute=0, second=0, microsecond=0)
    moment = now()
    passed = sum(_due_at(hour, step) <= moment for step in range(len(WINDOW_DAYS)))
    if passed == len(WINDOW_DAYS):
        return
    connection = session.connection()
    if comments < 0 or reactions < 0:
        parameters = {"article": article_id, "of": hour, "more_comments": comments, "more_reactions": reactions}
        subtracted = _SUBTRACT.first(connection, parameters)
        if subtracted is not None:
            sums = {f"more_{name}": more for name, more in _sums_of(subtracted[0], comments, reactions).items()}
            _ADJUST.run(connection, {"article": article_id, **sums})
        return
    row = {"article_id": article_id, "hour": hour, "comments": comments, "reactions": reactions}
    (windows_left,) = _ADD_HOUR.one(connection, {**row, "passed": passed, "due_at": _due_at(hour, passed)})
    _ADD_SUMS.run(connection, {"article_id": article_id, **_sums_of(windows_left, comments, reactions)})


def _add_rows(dialect: str, table: sa.Table, added: Sequence[str]) -> Insert:
    """Add rows to those that are there, in the order of their keys, in which all transactions lock them."""
    names, keys = table.c.keys(), list(table.primary_key)
    rows = select_rows(dialect, **{name: table.c[name].type for name in names})
    query = sa.select(*(rows.c[name] for name in names)).order_by(*(rows.c[key.name] for key in keys))
    new = begin_insert(dialect, table).from_select(names, query)
    return new.on_conflict_do_update(
        index_elements=keys, set_={name: table.c[name] + new.excluded[name] for name in added}
    )


def _add_to_rows(dialect: str, table: sa.Table, added: Sequence[str], least: int | None = None) -> sa.Update:
    """Add to rows that are there, except for those in which a number would be less than `least`."""
    keys = list(table.primary_key)
    names = [*(key.name for key in keys), *added]
    rows = select_rows(dialect, **{name: table.c[name].type for name in names})
    update = sa.update(table).where(*(key == rows.c[key.name] for key in keys))
    if least is not None:
        update = update.where(*(table.c[name] + rows.c[name] >= least for name in added))
    return update.values({name: table.c[name] + rows.c[name] for name in added})


_ADD_HOURS: Prepared[JsonObject] = Prepared(
    lambda dialect: _add_rows(dialect, HOUR, ACTIVITY_KINDS).returning(HOUR.c.article_id, HOUR.c.hour, HOUR.c.passed)
)
_SUBTRACT_HOURS: Prepared[JsonObject] = Prepared(
    lambda dialect: _add_to_rows(dialect, HOUR, ["comments"], least=0).returning(
        HOUR.c.article_id, HOUR.c.hour, HOUR.c.passed
    )
)
_ADD_ALL_SUMS: Prepared[JsonObject] = Prepared(lambda dialect: _add_rows(dialect, ACTIVITY, _SUMS))
_ADJUST_ALL_SUMS: Prepared[JsonObject] = Prepared(lambda dialect: _add_to_rows(dialect, ACTIVITY, _SUMS))


def count_comments(session: Session, changes: Mapping[tuple[str, datetime], int]) -> None:
    """Count comments of many hours of many articles as `count_activity` does, in few statements.

    Either all numbers are to be added, or all are negative and to be taken back.
    """
    moment, hours = now(), list[JsonObject]()
    for (article_id, hour), number in changes.items():
        passed = sum(_due_at(hour, step) <= moment for step in range(len(WINDOW_DAYS)))
        if passed < len(WINDOW_DAYS):
            row: JsonObject = {"article_id": article_id, "hour": hour, "comments": number, "reactions": 0}
            hours.append({**row, "passed": passed, "due_at": _due_at(hour, passed)})
    if not hours:
        return
    is_added = next(iter(changes.values())) > 0
    sums: dict[str, dict[str, int]] = {}
    for each in (_ADD_HOURS if is_added else _SUBTRACT_HOURS).rows(session, {ROWS: hours}):
        article_id, hour = str(each["article_id"]), cast(datetime, each["hour"])
        total = sums.setdefault(article_id, dict.fromkeys(_SUMS, 0))
        for name, more in _sums_of(cast(int, each["passed"]), changes[article_id, hour], 0).items():
            total[name] += more
    if sums:
        rows = [{"article_id": article_id, **more} for article_id, more in sorted(sums.items())]
        (_ADD_ALL_SUMS if is_added else _ADJUST_ALL_SUMS).run(session, {ROWS: rows})


def age_activity(session: Session, limit: int = 200) -> int:
    """Move up to `limit` due hours out of their windows; returns how many there were."""
    connection = session.connection()
    due = sa.select(HOUR).where(HOUR.c.due_at <= now()).order_by(HOUR.c.due_at).limit(limit)
    rows = connection.execute(due.with_for_update(skip_locked=True)).mappings().all()
    adjustments: dict[str, dict[str, int]] = {}
    for row in rows:
        hour = {"article": row["article_id"], "of": row["hour"]}
        sums = adjustments.setdefault(row["article_id"], dict.fromkeys(_SUMS, 0))
        for kind in ACTIVITY_KINDS:
            sums[f"{kind}_{WINDOW_DAYS[row['passed']]}d"] -= row[kind]
        if (passed := row["passed"] + 1) == len(WINDOW_DAYS):
            connection.execute(_DELETE_HOUR, hour)
        else:
            connection.execute(_LEAVE_WINDOW, {**hour, "to": passed, "due": _due_at(row["hour"], passed)})
    for article_id in sorted(adjustments):
        sums = {f"more_{name}": more for name, more in adjustments[article_id].items()}
        _ADJUST.run(connection, {"article": article_id, **sums})
        connection.execute(_DELETE_INACTIVE, {"article": article_id})
    if rows:
        emit(session, ActivityAged(subject_id=SITE_ID))
    return len(rows)


_TALLY = table_of(ArticleTally)


def _add_to_tally(dialect: str) -> Insert:
    new = begin_insert(dialect, _TALLY)
    more = {name: _TALLY.c[name] + new.excluded[name] for name in ("comments", "inline")}
    return new.on_conflict_do_update(index_elements=[_TALLY.c.article_id], set_=more)


_ADD_COUNTS: Prepared[JsonObject] = Prepared(
    _add_to_tally,
    ("article_id", "comments", "inline", "reactions"),
)
_IS_TALLY = _TALLY.c.article_id == sa.bindparam("article", type_=_TALLY.c.article_id.type)
_LOCK_REACTIONS: Prepared[JsonObject] = Prepared(sa.select(_TALLY.c.reactions).where(_IS_TALLY).with_for_update())
_UPDATE_REACTIONS: Prepared[JsonObject] = Prepared(
    sa.update(_TALLY).where(_IS_TALLY).values(reactions=sa.bindparam("totals", type_=_TALLY.c.reactions.type))
)


def adjust_tally(session: Session, article_id: str, comments: int = 0, inline: int = 0) -> None:
    """Add to the numbers of published comments of an article: all, and those on passages."""
    values = {"article_id": article_id, "comments": comments, "inline": inline, "reactions": {}}
    _ADD_COUNTS.run(session, values)


def _add_to_tallies(dialect: str) -> Insert:
    names = ("article_id", "comments", "inline")
    rows = select_rows(dialect, **{name: _TALLY.c[name].type for name in names})
    empty = sa.literal_column("'{}'", sa.JSON())
    query = sa.select(*(rows.c[name] for name in names), empty).order_by(rows.c.article_id)
    new = begin_insert(dialect, _TALLY).from_select([*names, "reactions"], query)
    more = {name: _TALLY.c[name] + new.excluded[name] for name in ("comments", "inline")}
    return new.on_conflict_do_update(index_elements=[_TALLY.c.article_id], set_=more)


_ADD_ALL_COUNTS: Prepared[JsonObject] = Prepared(_add_to_tallies)


def adjust_tallies(session: Session, comments: Mapping[str, int], inline: Mapping[str, int]) -> None:
    """Add to the numbers of published comments of many articles, by their ids, as `adjust_tally` does for one."""
    rows = [
        {"article_id": article_id, "comments": number, "inline": inline.get(article_id, 0)}
        for article_id, number in comments.items()
    ]
    if rows:
        _ADD_ALL_COUNTS.run(session, {ROWS: rows})


def change_reaction(
    session: Session, article_id: str, old: str | None, new: str | None, names: Sequence[str]
) -> dict[str, int]:
    """Move a reader's reaction from `old` to `new`; returns the counts of the reactions `names`.

    Reactions that the publication no longer offers keep their count, in case they are offered again.
    """
    connection, parameters = session.connection(), {"article": article_id}
    row = _LOCK_REACTIONS.first(connection, parameters)
    if row is None:  # a concurrent first reaction waits for this insert
        empty = {"article_id": article_id, "comments": 0, "inline": 0, "reactions": {}}
        connection.execute(insert_into(connection, _TALLY).on_conflict_do_nothing(), empty)
        row = _LOCK_REACTIONS.one(connection, parameters)
    totals = dict(row[0])
    if old != new:
        if old is not None:
            totals[old] = max(0, totals.get(old, 0) - 1)
        if new is not None:
            totals[new] = totals.get(new, 0) + 1
        _UPDATE_REACTIONS.run(connection, {**parameters, "totals": totals})
    return offered_reactions(totals, names)
