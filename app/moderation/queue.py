"""The moderation queue, read by index walks whose cost does not depend on its length, and the leases of its
comments.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Conflict, NotFound
from app.db.columns import Row, count_affected, table_of
from app.identity.participants import PARTICIPANT
from app.identity.schemas import Actor
from app.moderation.comment_access import COLUMNS, TABLES, A, C, check_reach, is_in_reach, present_comment
from app.moderation.schemas import ClaimIn, QueueFilters, QueueQuery
from app.moderation.tables import Appeal, ModerationCase, ModerationLease, ModerationLog, Report
from app.web.paging import Key, Sort, bind_cursor, page_of

CASE, LEASE = table_of(ModerationCase), table_of(ModerationLease)
_LOG, _REPORT, _APPEAL = table_of(ModerationLog), table_of(Report), table_of(Appeal)
SORTS = {"oldest": Sort("oldest"), "newest": Sort("newest", descending=True)}
MAX_SHOWN_REPORTS = 20
COMMENT_STATES = ("pending", "published", "rejected", "spam", "removed")
_LEASE_COLUMNS = [LEASE.c.key_id.label("lease_by"), LEASE.c.until.label("lease_until")]
_SELECT_ITEMS = (
    sa.select(*COLUMNS, CASE.c.weight.label("report_weight"), CASE.c.reports.label("report_count"), *_LEASE_COLUMNS)
    .select_from(
        TABLES.outerjoin(CASE, CASE.c.comment_id == C.c.id).outerjoin(
            LEASE, (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > sa.bindparam("now", type_=LEASE.c.until.type))
        )
    )
    .where(C.c.id.in_(sa.bindparam("ids", expanding=True)))
)


def _conditions(actor: Actor, filters: QueueFilters) -> list[ColumnElement[bool]]:
    """List the SQL conditions of the filters and of the key's sections."""
    conditions: list[ColumnElement[bool]] = []
    if actor.sections is not None:
        conditions.append(C.c.article_id.in_(sa.select(A.c.id).where(is_in_reach(actor))))
    if filters.article is not None:
        by_slug = sa.select(A.c.id).where(A.c.slug == filters.article).scalar_subquery()
        conditions.append(C.c.article_id == (filters.article if is_id(filters.article) else by_slug))
    if filters.author is not None:
        writer = sa.select(PARTICIPANT.c.id).where(PARTICIPANT.c.public_id == filters.author)
        conditions.append(C.c.participant_id == writer.scalar_subquery())
    if filters.reason is not None:
        named = sa.cast(_LOG.c.reasons, sa.Text).contains(f'"stage": "{filters.reason}"', autoescape=True)
        reported = (_REPORT.c.comment_id == C.c.id) & (_REPORT.c.state == "open") & (_REPORT.c.reason == filters.reason)
        conditions.append(
            sa.exists().where(reported).correlate(C)
            | sa.exists().where(_LOG.c.comment_id == C.c.id, named).correlate(C)
        )
    return conditions


def _index_walks(filters: QueueFilters) -> list[tuple[sa.Select[Any], ColumnElement[Any], ColumnElement[Any]]]:
    """List disjoint index walks that together give the requested comments: each a query, its sort key and its id."""
    own = sa.select(C.c.id, C.c.created_at)
    cases = sa.select(C.c.id, C.c.created_at).join_from(CASE, C, C.c.id == CASE.c.comment_id)
    case_keys = (CASE.c.commented_at, CASE.c.comment_id)
    if filters.state == "reported":
        return [(cases.where(CASE.c.waits, CASE.c.reports > 0), *case_keys)]
    if filters.state == "appealed":
        return [(cases.where(CASE.c.waits, CASE.c.appealed), *case_keys)]
    if filters.state == "any":
        return [(own.where(C.c.state == state), C.c.created_at, C.c.id) for state in COMMENT_STATES]
    first = (own.where(C.c.state == (filters.state or "pending")), C.c.created_at, C.c.id)
    if filters.state is not None:
        return [first]
    return [first, (cases.where(CASE.c.waits, C.c.state != "pending"), *case_keys)]


def select_waiting(
    actor: Actor, filters: QueueFilters, limit: int, key: Key | None = None, *, free: bool = False
) -> Any:
    """Build the SELECT of ids and times of waiting comments, in order; `free` leaves out those leased by others."""
    sort, parts = SORTS[filters.sort], []
    conditions = _conditions(actor, filters)
    if free:
        is_leased = (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > now()) & (LEASE.c.key_id != actor.id)
        conditions.append(~sa.exists().where(is_leased).correlate(C))
    for walk, at, row_id in _index_walks(filters):
        query = walk.where(*conditions, *([sort.after(at, row_id)] if key else []))
        parts.append(query.order_by(*sort.order_by(at, row_id)).limit(limit))
    if len(parts) == 1:
        return parts[0]
    union = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return sa.select(union).order_by(*sort.order_by(union.c.created_at, union.c.id)).limit(limit)


def list_queue(connection: sa.Connection, actor: Actor, filters: QueueQuery) -> dict[str, Any]:
    """List the queue."""
    total = None
    sort = SORTS[filters.sort].bound_to(filters)
    if filters.count == "exact":
        everything = select_waiting(actor, filters, 2**31 - 1).subquery()
        total = connection.execute(sa.select(sa.func.count()).select_from(everything)).scalar_one()
    key = sort.decode(filters.cursor) if filters.cursor else None
    rows = connection.execute(select_waiting(actor, filters, filters.limit + 1, key), bind_cursor(key)).mappings().all()
    page = page_of(rows, filters.limit, sort, "created_at", total)
    page["data"] = list_items(connection, [row["id"] for row in page["data"]])
    return page


def list_items(connection: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return comments in the shape of `QueueItemOut`, in this order, with four statements for any number."""
    if not ids:
        return []
    rows = {row["id"]: row for row in connection.execute(_SELECT_ITEMS, {"ids": ids, "now": now()}).mappings()}
    reports, reasons, appeals = (
        _open_reports(connection, ids),
        _reasons_of(connection, ids),
        _open_appeals(connection, ids),
    )
    return [_present_item(rows[one], reports.get(one, []), reasons.get(one, []), appeals.get(one)) for one in ids]


def _present_item(row: Row, reports: list[Row], reasons: list[Any], appeal: Row | None) -> dict[str, Any]:
    counts = Counter(report["reason"] for report in reports)
    return {
        "id": row["id"],
        "comment": present_comment(row),
        "reasons": reasons,
        "reports": {
            "count": row["report_count"] or 0,
            "weight": (row["report_weight"] or 0) / 10,
            "by_reason": dict(counts),
            "latest": reports[:MAX_SHOWN_REPORTS],
        },
        "appeal": appeal,
        "lease": {"by": row["lease_by"], "until": row["lease_until"]} if row["lease_by"] else None,
    }


def _group_by_comment(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in connection.execute(query).mappings():
        groups.setdefault(row["comment_id"], []).append(row)
    return groups


def _open_reports(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    is_open = _REPORT.c.comment_id.in_(ids) & (_REPORT.c.state == "open")
    return _group_by_comment(connection, sa.select(_REPORT).where(is_open).order_by(_REPORT.c.id.desc()))


def _reasons_of(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Return the reasons of each comment's state, from the newest log entry that set it."""
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


def _open_appeals(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Row]:
    query = sa.select(_APPEAL).where(_APPEAL.c.comment_id.in_(ids), _APPEAL.c.state == "open")
    return {row["comment_id"]: row for row in connection.execute(query).mappings()}


def find_lease(connection: sa.Connection, comment_id: str, at: datetime) -> sa.RowMapping | None:
    """Return the lease of a comment at a time, or None."""
    query = sa.select(LEASE).where(LEASE.c.comment_id == comment_id, LEASE.c.until > at)
    return connection.execute(query).mappings().first()


def find_case(connection: sa.Connection, comment_id: str) -> sa.RowMapping | None:
    """Return the moderation case of a comment, or None."""
    return connection.execute(sa.select(CASE).where(CASE.c.comment_id == comment_id)).mappings().first()


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Leased(Conflict):
    """Another moderator has claimed the comment; `force=true` decides anyway."""

    code, title = "leased", "Another moderator has claimed this comment"


def _insert(session: Session, table: sa.Table) -> Any:
    return _INSERT[session.get_bind().dialect.name](table)


def claim_comments(session: Session, actor: Actor, filters: ClaimIn) -> tuple[list[str], datetime]:
    """Lease waiting comments to the caller; return their ids and the end of the lease.

    Concurrent claims skip each other's locked rows; where one has already committed, the upsert respects its lease.
    """
    moment = now()
    until = moment + timedelta(minutes=filters.minutes)
    free = select_waiting(actor, filters, filters.limit * 5, free=True).subquery()
    sort = SORTS[filters.sort]
    query = sa.select(C.c.id).where(C.c.id.in_(sa.select(free.c.id))).limit(filters.limit)
    query = query.order_by(*sort.order_by(C.c.created_at, C.c.id))
    ids = session.execute(query.with_for_update(of=C, skip_locked=True, key_share=True)).scalars().all()
    if not ids:
        return [], until
    rows = [{"comment_id": one, "key_id": actor.id, "until": until} for one in sorted(ids)]
    insert = _insert(session, LEASE).values(rows)
    upsert = insert.on_conflict_do_update(
        index_elements=["comment_id"],
        set_={"key_id": insert.excluded.key_id, "until": insert.excluded.until},
        where=(LEASE.c.until <= moment) | (LEASE.c.key_id == actor.id),
    )
    claimed = set(session.execute(upsert.returning(LEASE.c.comment_id)).scalars())
    return [one for one in ids if one in claimed], until


def present_claim(connection: sa.Connection, result: tuple[list[str], datetime]) -> dict[str, Any]:
    """Return the result of `claim_comments` in the shape of `ClaimedOut`."""
    return {"data": list_items(connection, result[0]), "until": result[1]}


def release_comment(session: Session, actor: Actor, comment_id: str) -> None:
    """Release the lease of a comment, as its holder or an admin."""
    query = sa.select(C.c.article_id).where(C.c.id == comment_id)
    article_id = session.execute(query).scalar_one_or_none()
    if article_id is None:
        raise NotFound
    check_reach(session.connection(), actor, article_id)
    is_releasable = sa.true() if actor.may("admin") else LEASE.c.key_id == actor.id
    released = count_affected(session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id, is_releasable)))
    if not released and find_lease(session.connection(), comment_id, now()):
        raise Leased("Only the moderator who claimed it can release it.")


def end_lease(session: Session, actor: Actor, comment_id: str, *, force: bool) -> None:
    """End the lease of a comment that is being decided; 409 `leased` if another moderator holds it."""
    lease = find_lease(session.connection(), comment_id, now())
    if lease is not None and lease["key_id"] != actor.id and not force:
        raise Leased
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id))


def update_case(session: Session, comment: Row, **values: Any) -> None:
    """Update the moderation case of a comment whose row is locked, and whether it waits in the queue."""
    case = find_case(session.connection(), comment["id"])
    row = {**(case or {"reports": 0, "weight": 0, "appealed": False, "verdict": None}), **values}
    row["waits"] = row["reports"] > 0 or row["appealed"]
    if case is None:
        row |= {"comment_id": comment["id"], "commented_at": comment["created_at"]}
        session.execute(sa.insert(CASE).values(row))
    else:
        session.execute(sa.update(CASE).where(CASE.c.comment_id == comment["id"]).values(row))


def erase_cases(session: Session, comment_ids: list[str]) -> None:
    """Take erased comments out of the queue."""
    nothing = {"reports": 0, "weight": 0, "appealed": False, "waits": False}
    session.execute(sa.update(CASE).where(CASE.c.comment_id.in_(comment_ids)).values(nothing))
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id.in_(comment_ids)))


def prune_leases(session: Session) -> int:
    """Delete expired leases and return their number."""
    return count_affected(session.execute(sa.delete(LEASE).where(LEASE.c.until <= now())))
