"""The transparency report of a period (Regulation (EU) 2022/2065, Art. 15 and 24), from the moderation log."""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final, TypedDict

import sqlalchemy as sa

from app.core.clock import now, start_of
from app.core.problems import InvalidParameter
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement, fetch_rows
from app.identity.schemas import Actor
from app.identity.tables import Audit
from app.moderation.tables import Appeal, Ban, CannedReason, ModerationLog, Report
from app.publication.terms import require_all_sections

MAX_PERIOD: Final = timedelta(days=400)
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
MAX_MEASURED: Final = 10_000  # the newest notices and appeals, of which median times are computed
_LOG, _REPORT, _APPEAL = table_of(ModerationLog), table_of(Report), table_of(Appeal)
_BAN, _CANNED, _AUDIT = table_of(Ban), table_of(CannedReason), table_of(Audit)
_REPORT_STATES: Final = ("open", "upheld", "dismissed")
_IS_AUTOMATED: Final = _LOG.c.actor_kind == "system"


class _Action(TypedDict):
    action: str
    ground: str | None
    automated: bool
    number: int


class _Notice(TypedDict):
    reason: str
    target: str
    state: str
    number: int


class _Counted(TypedDict):
    name: str
    number: int


class _Taken(TypedDict):
    begun: datetime
    ended: datetime | None


class Period(TypedDict):
    """The period of a report; `until` is not in it."""

    since: datetime
    until: datetime


def read_period(begin: datetime | date, end: datetime | date, zone: str) -> Period:
    """Return the period that is asked for; 400 unless it has an end after its beginning, at most `MAX_PERIOD` later."""
    since, until = start_of(begin, zone), start_of(end, zone)
    if not since < until <= since + MAX_PERIOD:
        raise InvalidParameter("until", f"until: must be later than from, at most {MAX_PERIOD.days} days.")
    return {"since": since, "until": until}


def _is_within(column: sa.Column[datetime], period: Period) -> sa.ColumnElement[bool]:
    return (column >= period["since"]) & (column < period["until"])


def _median_seconds(connection: sa.Connection, query: Statement) -> float | None:
    times = [
        (row["ended"] - row["begun"]).total_seconds()
        for row in fetch_rows(connection, query.limit(MAX_MEASURED), _Taken)
        if row["ended"] is not None
    ]
    return round(statistics.median(times), 1) if times else None


def _count_actions(connection: sa.Connection, period: Period) -> list[_Action]:
    """Count the decisions of the log, which change the state of a comment, redact it or ban somebody."""
    query = sa.select(
        _LOG.c.action, _LOG.c.ground, _IS_AUTOMATED.label("automated"), sa.func.count().label("number")
    ).where(_is_within(_LOG.c.at, period), _LOG.c.action != "appeal")
    grouped = query.group_by(_LOG.c.action, _LOG.c.ground, _IS_AUTOMATED)
    return fetch_rows(connection, grouped.order_by(_LOG.c.action, _LOG.c.ground, _IS_AUTOMATED), _Action)


def _count_notices(connection: sa.Connection, period: Period) -> list[JsonObject]:
    target = sa.case((_REPORT.c.comment_id.is_(None), "article"), else_="comment").label("target")
    query = sa.select(_REPORT.c.reason, target, _REPORT.c.state, sa.func.count().label("number"))
    query = query.where(_REPORT.c.state.in_(_REPORT_STATES), _is_within(_REPORT.c.created_at, period))
    notices: dict[tuple[str, str], dict[str, int]] = {}
    for row in fetch_rows(connection, query.group_by(_REPORT.c.reason, target, _REPORT.c.state), _Notice):
        states = notices.setdefault((row["reason"], row["target"]), dict.fromkeys(_REPORT_STATES, 0))
        states[row["state"]] += row["number"]
    return [
        {"reason": reason, "target": kind, "received": sum(states.values()), **states}
        for (reason, kind), states in sorted(notices.items())
    ]


def _count_by(connection: sa.Connection, query: Statement) -> dict[str, int]:
    return {row["name"]: row["number"] for row in fetch_rows(connection, query, _Counted)}


def make_report(connection: sa.Connection, actor: Actor, period: Period) -> JsonObject:
    """Return the report of a period in the shape of `TransparencyOut`, by a fixed number of statements."""
    require_all_sections(actor, "comments:moderate")
    number = sa.func.count().label("number")
    actions = _count_actions(connection, period)
    decided = sum(row["number"] for row in actions)
    canned = sa.select(_CANNED.c.title.label("name"), number).join(_LOG, _LOG.c.canned_id == _CANNED.c.id)
    canned = canned.where(_is_within(_LOG.c.at, period)).group_by(_CANNED.c.title)
    appeals = sa.select(_APPEAL.c.state.label("name"), number).where(_is_within(_APPEAL.c.created_at, period))
    outcomes = _count_by(connection, appeals.group_by(_APPEAL.c.state))
    changes = sa.select(_AUDIT.c.action.label("name"), number)
    changes = changes.where(_is_within(_AUDIT.c.at, period), _AUDIT.c.action.in_(("ban.create", "ban.lift")))
    bans = _count_by(connection, changes.group_by(_AUDIT.c.action))
    in_force = sa.select(sa.func.count()).where(_BAN.c.until.is_(None) | (_BAN.c.until > now()))
    handled = sa.select(_REPORT.c.created_at.label("begun"), _REPORT.c.decided_at.label("ended")).where(
        _REPORT.c.state.in_(("upheld", "dismissed")), _is_within(_REPORT.c.created_at, period)
    )
    answered = sa.select(_APPEAL.c.created_at.label("begun"), _APPEAL.c.answered_at.label("ended")).where(
        _APPEAL.c.state != "open", _is_within(_APPEAL.c.created_at, period)
    )
    return {
        "since": period["since"],
        "until": period["until"],
        "notices": _count_notices(connection, period),
        "notice_seconds": _median_seconds(connection, handled.order_by(_REPORT.c.created_at.desc())),
        "actions": actions,
        "automated_share": (
            round(sum(row["number"] for row in actions if row["automated"]) / decided, 4) if decided else None
        ),
        "reasons": _count_by(connection, canned),
        "appeals": {state: outcomes.get(state, 0) for state in ("open", "granted", "declined")},
        "appeal_seconds": _median_seconds(connection, answered.order_by(_APPEAL.c.created_at.desc())),
        "bans": {
            "created": bans.get("ban.create", 0),
            "lifted": bans.get("ban.lift", 0),
            "in_force": connection.execute(in_force).scalar_one(),
        },
    }


def _iterate_lines(report: Mapping[str, object]) -> Iterable[tuple[object, ...]]:
    yield "category", "name", "detail", "number"
    for category, value in report.items():
        if isinstance(value, list):
            for row in value:
                named = [part for part in row.values() if isinstance(part, str)]
                if "automated" in row:
                    named.append("automated" if row["automated"] else "by people")
                for name, part in row.items():
                    if isinstance(part, int) and not isinstance(part, bool):
                        yield category, " ".join(named), name, part
        elif isinstance(value, dict):
            yield from ((category, name, "", part) for name, part in value.items())
        else:
            yield category, "", "", value.isoformat() if isinstance(value, datetime) else value


def _escape_formula(cell: object) -> object:
    """Keep spreadsheets from running a text as a formula (OWASP ASVS 5, 1.2.10)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def write_csv(report: Mapping[str, object]) -> bytes:
    """Return a report as CSV (RFC 4180), a line for each number."""
    text = io.StringIO()
    csv.writer(text).writerows(map(_escape_formula, line) for line in _iterate_lines(report))
    return text.getvalue().encode()
