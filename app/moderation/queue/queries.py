"""Reading the queue: two walks along indexes, however much waits and however deep the page is."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.identity.participants.queries import PARTICIPANT
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import is_id
from app.kit.paging import Key, Sort, bindings, page_of
from app.kit.schema import Row, table_of
from app.moderation.appeals.tables import Appeal
from app.moderation.log.tables import ModerationLog
from app.moderation.queries import COLUMNS, TABLES, A, C, present, within
from app.moderation.queue.schemas import QueueFilters, QueueQuery
from app.moderation.queue.tables import ModerationCase, ModerationLease
from app.moderation.reports.tables import Report

CASE, LEASE = table_of(ModerationCase), table_of(ModerationLease)
_LOG, _REPORT, _APPEAL = table_of(ModerationLog), table_of(Report), table_of(Appeal)
SORTS = {"oldest": Sort("oldest"), "newest": Sort("newest", descending=True)}
SHOWN_REPORTS = 20
COMMENT_STATES = ("pending", "published", "rejected", "spam", "removed")
_LEASED = [LEASE.c.key_id.label("lease_by"), LEASE.c.until.label("lease_until")]
_WHOLE = (
    sa.select(*COLUMNS, CASE.c.weight.label("report_weight"), CASE.c.reports.label("report_count"), *_LEASED)
    .select_from(
        TABLES.outerjoin(CASE, CASE.c.comment_id == C.c.id).outerjoin(
            LEASE, (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > sa.bindparam("now", type_=LEASE.c.until.type))
        )
    )
    .where(C.c.id.in_(sa.bindparam("ids", expanding=True)))
)


def _chosen(actor: Actor, asked: QueueFilters) -> list[ColumnElement[bool]]:
    """What the filters and the key's sections ask of a comment."""
    wanted: list[ColumnElement[bool]] = []
    if actor.sections is not None:
        wanted.append(C.c.article_id.in_(sa.select(A.c.id).where(within(actor))))
    if asked.article is not None:
        by_slug = sa.select(A.c.id).where(A.c.slug == asked.article).scalar_subquery()
        wanted.append(C.c.article_id == (asked.article if is_id(asked.article) else by_slug))
    if asked.author is not None:
        writer = sa.select(PARTICIPANT.c.id).where(PARTICIPANT.c.public_id == asked.author)
        wanted.append(C.c.participant_id == writer.scalar_subquery())
    if asked.reason is not None:
        named = sa.cast(_LOG.c.reasons, sa.Text).contains(f'"stage": "{asked.reason}"', autoescape=True)
        reported = (_REPORT.c.comment_id == C.c.id) & (_REPORT.c.state == "open") & (_REPORT.c.reason == asked.reason)
        wanted.append(
            sa.exists().where(reported).correlate(C)
            | sa.exists().where(_LOG.c.comment_id == C.c.id, named).correlate(C)
        )
    return wanted


def _walks(asked: QueueFilters) -> list[tuple[sa.Select[Any], ColumnElement[Any], ColumnElement[Any]]]:
    """The index walks that give what is asked for, no comment in two of them: a query, its key and its id."""
    own = sa.select(C.c.id, C.c.created_at)
    cases = sa.select(C.c.id, C.c.created_at).join_from(CASE, C, C.c.id == CASE.c.comment_id)
    case_keys = (CASE.c.commented_at, CASE.c.comment_id)
    if asked.state == "reported":
        return [(cases.where(CASE.c.waits, CASE.c.reports > 0), *case_keys)]
    if asked.state == "appealed":
        return [(cases.where(CASE.c.waits, CASE.c.appealed), *case_keys)]
    if asked.state == "any":
        return [(own.where(C.c.state == state), C.c.created_at, C.c.id) for state in COMMENT_STATES]
    first = (own.where(C.c.state == (asked.state or "pending")), C.c.created_at, C.c.id)
    if asked.state is not None:
        return [first]
    return [first, (cases.where(CASE.c.waits, C.c.state != "pending"), *case_keys)]


def waiting(actor: Actor, asked: QueueFilters, limit: int, key: Key | None = None, *, free: bool = False) -> Any:
    """SELECT of id and created_at of what waits, in order; `free` leaves out what another moderator works on."""
    sort, parts = SORTS[asked.sort], []
    wanted = _chosen(actor, asked)
    if free:
        held = (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > now()) & (LEASE.c.key_id != actor.id)
        wanted.append(~sa.exists().where(held).correlate(C))
    for walk, at, row_id in _walks(asked):
        query = walk.where(*wanted, *([sort.after(at, row_id)] if key else []))
        parts.append(query.order_by(*sort.order_by(at, row_id)).limit(limit))
    if len(parts) == 1:
        return parts[0]
    both = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return sa.select(both).order_by(*sort.order_by(both.c.created_at, both.c.id)).limit(limit)


def page(connection: sa.Connection, actor: Actor, asked: QueueQuery) -> dict[str, Any]:
    """A page of the queue."""
    total = None
    sort = SORTS[asked.sort].bound_to(asked)
    if asked.count == "exact":
        everything = waiting(actor, asked, 2**31 - 1).subquery()
        total = connection.execute(sa.select(sa.func.count()).select_from(everything)).scalar_one()
    key = sort.decode(asked.cursor) if asked.cursor else None
    rows = connection.execute(waiting(actor, asked, asked.limit + 1, key), bindings(key)).mappings().all()
    found = page_of(rows, asked.limit, sort, "created_at", total)
    found["data"] = items(connection, [row["id"] for row in found["data"]])
    return found


def items(connection: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """These comments as `QueueItemOut` has them, in this order: four statements for any number."""
    if not ids:
        return []
    rows = {row["id"]: row for row in connection.execute(_WHOLE, {"ids": ids, "now": now()}).mappings()}
    reports, reasons, appeals = _reports(connection, ids), _reasons(connection, ids), _appeals(connection, ids)
    return [_item(rows[one], reports.get(one, []), reasons.get(one, []), appeals.get(one)) for one in ids]


def _item(row: Row, reports: list[Row], reasons: list[Any], appeal: Row | None) -> dict[str, Any]:
    counts = Counter(report["reason"] for report in reports)
    return {
        "id": row["id"],
        "comment": present(row),
        "reasons": reasons,
        "reports": {
            "count": row["report_count"] or 0,
            "weight": (row["report_weight"] or 0) / 10,
            "by_reason": dict(counts),
            "latest": reports[:SHOWN_REPORTS],
        },
        "appeal": appeal,
        "lease": {"by": row["lease_by"], "until": row["lease_until"]} if row["lease_by"] else None,
    }


def _grouped(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["comment_id"], []).append(row)
    return found


def _reports(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    here = _REPORT.c.comment_id.in_(ids) & (_REPORT.c.state == "open")
    return _grouped(connection, sa.select(_REPORT).where(here).order_by(_REPORT.c.id.desc()))


def _reasons(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Why each has its state: the newest entry of the log that gives reasons, one step of its index for each."""
    newest = (
        sa.select(_LOG.c.id)
        .where(_LOG.c.comment_id == C.c.id, _LOG.c.state.is_not(None))
        .order_by(_LOG.c.at.desc(), _LOG.c.id.desc())
        .limit(1)
        .correlate(C)
        .scalar_subquery()
    )
    query = sa.select(C.c.id, _LOG.c.reasons).join_from(C, _LOG, _LOG.c.id == newest).where(C.c.id.in_(ids))
    return {row.id: row.reasons for row in connection.execute(query)}


def _appeals(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Row]:
    query = sa.select(_APPEAL).where(_APPEAL.c.comment_id.in_(ids), _APPEAL.c.state == "open")
    return {row["comment_id"]: row for row in connection.execute(query).mappings()}


def lease_of(connection: sa.Connection, comment_id: str, at: datetime) -> sa.RowMapping | None:
    """Who works on a comment at a time, or None."""
    query = sa.select(LEASE).where(LEASE.c.comment_id == comment_id, LEASE.c.until > at)
    return connection.execute(query).mappings().first()


def case_of(connection: sa.Connection, comment_id: str) -> sa.RowMapping | None:
    """What moderation keeps of a comment, or None."""
    return connection.execute(sa.select(CASE).where(CASE.c.comment_id == comment_id)).mappings().first()
