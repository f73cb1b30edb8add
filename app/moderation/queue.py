"""The moderation queue, read by index walks whose cost does not depend on its length, and the leases of its
comments.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.reading import StoredComment
from app.comments.words import parse_question, select_matching
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Conflict, InvalidParameter, NotFound
from app.db.columns import count_affected, is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, Store, dialect_of, fetch_row, fetch_rows, insert_into
from app.identity.participants import PARTICIPANT
from app.identity.schemas import Actor
from app.moderation.comment_access import (
    COLUMNS,
    TABLES,
    A,
    C,
    JudgedComment,
    check_reach,
    is_in_reach,
    present_comment,
)
from app.moderation.events import emit_claimed
from app.moderation.schemas import ClaimIn, QueueFilters, QueueQuery
from app.moderation.tables import Appeal, ModerationCase, ModerationLease, ModerationLog, Report
from app.publication.section_tree import CLOSURE
from app.publication.tables import Section
from app.web.paging import Key, Page, Sort, bind_cursor, page_of


class Leased(Conflict, code="leased", title="Another moderator has claimed this comment"):
    """Another moderator has claimed the comment; `force=true` decides anyway."""


class CaseRow(TypedDict):
    """The moderation case of a comment."""

    comment_id: str
    commented_at: datetime
    reports: int
    weight: int
    appealed: bool
    waits: bool
    verdict: str | None
    risk: int


class CaseChange(TypedDict, total=False):
    """What may change in a moderation case."""

    reports: int
    weight: int
    appealed: bool
    verdict: str | None


class LeaseRow(TypedDict):
    """The lease of a comment."""

    comment_id: str
    key_id: str
    until: datetime


class QueuedReport(TypedDict):
    """An open report on a comment in the queue."""

    id: str
    comment_id: str
    reason: str
    text: str | None
    email: str | None
    created_at: datetime


class QueuedAppeal(TypedDict):
    """The open appeal of a comment in the queue."""

    comment_id: str
    text: str
    created_at: datetime


class _QueuedComment(JudgedComment):
    report_weight: int | None
    report_count: int | None
    case_risk: int | None
    lease_by: str | None
    lease_until: datetime | None


class _WaitingComment(TypedDict):
    id: str
    value: datetime | int  # the sort key


CASE, LEASE = table_of(ModerationCase), table_of(ModerationLease)
_SECTION = table_of(Section)
_LOG, _REPORT, _APPEAL = table_of(ModerationLog), table_of(Report), table_of(Appeal)
SORTS = {
    "oldest": Sort("oldest"),
    "newest": Sort("newest", descending=True),
    "most_reported": Sort("most_reported", descending=True, kind=int),
    "riskiest": Sort("riskiest", descending=True, kind=int),
}
MAX_SHOWN_REPORTS = 20
RISK_OF_WEIGHT = 10  # of a tenth of a report's weight
COMMENT_STATES = ("pending", "published", "rejected", "spam", "removed")
_LEASE_COLUMNS = [LEASE.c.key_id.label("lease_by"), LEASE.c.until.label("lease_until")]
_SELECT_ITEMS = (
    sa.select(
        *COLUMNS,
        CASE.c.weight.label("report_weight"),
        CASE.c.reports.label("report_count"),
        CASE.c.risk.label("case_risk"),
        *_LEASE_COLUMNS,
    )
    .select_from(
        TABLES.outerjoin(CASE, CASE.c.comment_id == C.c.id).outerjoin(
            LEASE, (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > sa.bindparam("now", type_=LEASE.c.until.type))
        )
    )
    .where(C.c.id.in_(sa.bindparam("ids", expanding=True)))
)


def is_in_section(section: str) -> ColumnElement[bool]:
    """Build the SQL condition for articles of a section, by id or slug, and of those inside of it."""
    named = sa.select(_SECTION.c.id).where((_SECTION.c.id if is_id(section) else _SECTION.c.slug) == section)
    inside = sa.select(CLOSURE.c.descendant_id).where(CLOSURE.c.ancestor_id.in_(named))
    return A.c.section_id.in_(inside)


def _is_matching(matching: Statement, dialect: str) -> ColumnElement[bool]:
    """Build the SQL condition for matching comments. As an array, PostgreSQL looks them up instead of joining them."""
    if dialect == "sqlite":
        return C.c.id.in_(matching)
    return C.c.id == sa.any_(sa.func.array(matching.scalar_subquery(), type_=sa.ARRAY(C.c.id.type)))


def _conditions(actor: Actor, filters: QueueFilters, dialect: str) -> list[ColumnElement[bool]]:
    """List the SQL conditions of the filters and of the caller's sections."""
    conditions: list[ColumnElement[bool]] = []
    if not actor.may_in("comments:moderate", None):
        conditions.append(C.c.article_id.in_(sa.select(A.c.id).where(is_in_reach(actor))))
    if filters.section is not None:
        conditions.append(C.c.article_id.in_(sa.select(A.c.id).where(is_in_section(filters.section))))
    if filters.q is not None:
        question = parse_question(filters.q, dialect)
        matching = select_matching(dialect, question) if question is not None else None
        conditions.append(_is_matching(matching, dialect) if matching is not None else sa.false())
    if filters.article is not None:
        by_slug = sa.select(A.c.id).where(A.c.slug == filters.article).scalar_subquery()
        conditions.append(C.c.article_id == (filters.article if is_id(filters.article) else by_slug))
    if filters.author is not None:
        writer = sa.select(PARTICIPANT.c.id).where(PARTICIPANT.c.public_id == filters.author)
        conditions.append(C.c.participant_id == writer.scalar_subquery())
    if filters.reason is not None:
        reasons = sa.func.replace(sa.cast(_LOG.c.reasons, sa.Text), '": "', '":"')  # JSON is written with or without it
        named = reasons.contains(f'"stage":"{filters.reason}"', autoescape=True)
        reported = (_REPORT.c.comment_id == C.c.id) & (_REPORT.c.state == "open") & (_REPORT.c.reason == filters.reason)
        conditions.append(
            sa.exists().where(reported).correlate(C)
            | sa.exists().where(_LOG.c.comment_id == C.c.id, named).correlate(C)
        )
    return conditions


def _index_walks(filters: QueueFilters) -> list[tuple[Statement, Column, Column]]:
    """List disjoint index walks that together give the requested comments: each a query, its sort key and its id."""
    if filters.sort in ("most_reported", "riskiest"):
        return _waiting_walks(filters)
    own = sa.select(C.c.id, C.c.created_at.label("value"))
    cases = sa.select(C.c.id, C.c.created_at.label("value")).join_from(CASE, C, C.c.id == CASE.c.comment_id)
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


_WAITING_STATES = {None, "pending", "reported", "appealed"}


def _waiting_walks(filters: QueueFilters) -> list[tuple[Statement, Column, Column]]:
    """List the index walks of the orders by reports and by risk, which only comments that wait have."""
    if filters.state not in _WAITING_STATES:
        raise InvalidParameter("sort", "sort: most_reported and riskiest are orders of comments that wait.")
    key = CASE.c.reports if filters.sort == "most_reported" else CASE.c.risk
    cases = sa.select(C.c.id, key.label("value")).join_from(CASE, C, C.c.id == CASE.c.comment_id).where(CASE.c.waits)
    if filters.state == "appealed":
        cases = cases.where(CASE.c.appealed)
    elif filters.state == "reported" or filters.sort == "most_reported":
        cases = cases.where(CASE.c.reports > 0)
    if filters.state == "pending":
        cases = cases.where(C.c.state == "pending")
    walks: list[tuple[Statement, Column, Column]] = [(cases, key, CASE.c.comment_id)]
    if filters.sort == "riskiest" and filters.state in (None, "pending"):
        waits = sa.exists().where(CASE.c.comment_id == C.c.id, CASE.c.waits).correlate(C)
        others = sa.select(C.c.id, C.c.risk.label("value")).where(C.c.state == sa.literal_column("'pending'"), ~waits)
        walks.append((others, C.c.risk, C.c.id))
    return walks


def select_waiting(
    actor: Actor,
    filters: QueueFilters,
    limit: int,
    dialect: str,
    page: tuple[Sort, Key | None] | None = None,
    *,
    free: bool = False,
) -> Statement:
    """Build the SELECT of ids and times of waiting comments, in order; `free` leaves out those leased by others."""
    sort, key = page or (SORTS[filters.sort], None)
    parts = []
    conditions = _conditions(actor, filters, dialect)
    if free:
        is_leased = (LEASE.c.comment_id == C.c.id) & (LEASE.c.until > now()) & (LEASE.c.key_id != actor.id)
        conditions.append(~sa.exists().where(is_leased).correlate(C))
    for walk, at, row_id in _index_walks(filters):
        query = walk.where(*conditions, *([sort.after(at, row_id)] if key else []))
        parts.append(query.order_by(*sort.order_by(at, row_id)).limit(limit))
    if len(parts) == 1:
        return parts[0]
    union = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return sa.select(union).order_by(*sort.order_by(union.c.value, union.c.id)).limit(limit)


def list_queue(connection: sa.Connection, actor: Actor, filters: QueueQuery) -> Page[JsonObject]:
    """List the queue."""
    total = None
    sort = SORTS[filters.sort].bound_to(filters)
    if filters.count == "exact":
        everything = select_waiting(actor, filters, 2**31 - 1, connection.dialect.name).subquery()
        total = connection.execute(sa.select(sa.func.count()).select_from(everything)).scalar_one()
    key = sort.decode(filters.cursor) if filters.cursor else None
    query = select_waiting(actor, filters, filters.limit + 1, connection.dialect.name, (sort, key))
    rows = fetch_rows(connection, query, _WaitingComment, bind_cursor(key))
    page = page_of(rows, filters.limit, sort, "value", total)
    return {"data": list_items(connection, [row["id"] for row in page["data"]]), "page": page["page"]}


def list_items(connection: sa.Connection, ids: Sequence[str]) -> list[JsonObject]:
    """Return comments in the shape of `QueueItemOut`, in this order, with four statements for any number."""
    if not ids:
        return []
    rows = fetch_rows(connection, _SELECT_ITEMS, _QueuedComment, {"ids": ids, "now": now()})
    row_by_id = {row["id"]: row for row in rows}
    reports, reasons = _list_open_reports(connection, ids), _list_reasons(connection, ids)
    appeals = _list_open_appeals(connection, ids)
    return [
        _present_item(
            row_by_id[comment_id], reports.get(comment_id, []), reasons.get(comment_id, []), appeals.get(comment_id)
        )
        for comment_id in ids
    ]


def _present_item(
    row: _QueuedComment, reports: list[QueuedReport], reasons: list[dict[str, str]], appeal: QueuedAppeal | None
) -> JsonObject:
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
        "risk": max(row["risk"], row["case_risk"] or 0),
    }


def _list_open_reports(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[QueuedReport]]:
    is_open = _REPORT.c.comment_id.in_(ids) & (_REPORT.c.state == "open")
    columns = [_REPORT.c[name] for name in "id comment_id reason text email created_at".split()]
    reports: dict[str, list[QueuedReport]] = {}
    query = sa.select(*columns).where(is_open).order_by(_REPORT.c.id.desc())
    for row in fetch_rows(connection, query, QueuedReport):
        reports.setdefault(row["comment_id"], []).append(row)
    return reports


def _list_reasons(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
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


def _list_open_appeals(connection: sa.Connection, ids: Sequence[str]) -> dict[str, QueuedAppeal]:
    columns = (_APPEAL.c.comment_id, _APPEAL.c.text, _APPEAL.c.created_at)
    query = sa.select(*columns).where(_APPEAL.c.comment_id.in_(ids), _APPEAL.c.state == "open")
    return {row["comment_id"]: row for row in fetch_rows(connection, query, QueuedAppeal)}


def find_lease(store: Store, comment_id: str, at: datetime) -> LeaseRow | None:
    """Return the lease of a comment at a time, or None."""
    query = sa.select(LEASE).where(LEASE.c.comment_id == comment_id, LEASE.c.until > at)
    return fetch_row(store, query, LeaseRow)


def find_case(store: Store, comment_id: str) -> CaseRow | None:
    """Return the moderation case of a comment, or None."""
    return fetch_row(store, sa.select(CASE).where(CASE.c.comment_id == comment_id), CaseRow)


def claim_comments(session: Session, actor: Actor, filters: ClaimIn) -> tuple[list[str], datetime]:
    """Lease waiting comments to the caller; return their ids and the end of the lease.

    Concurrent claims skip each other's locked rows; where one has already committed, the upsert respects its lease.
    """
    moment = now()
    until = moment + timedelta(minutes=filters.minutes)
    free = select_waiting(actor, filters, filters.limit * 5, dialect_of(session), free=True).subquery()
    query = sa.select(C.c.id).join_from(C, free, free.c.id == C.c.id).limit(filters.limit)
    query = query.order_by(*SORTS[filters.sort].order_by(free.c.value, C.c.id))
    ids = session.execute(query.with_for_update(of=C, skip_locked=True, key_share=True)).scalars().all()
    if not ids:
        return [], until
    rows = [{"comment_id": one, "key_id": actor.id, "until": until} for one in sorted(ids)]
    insert = insert_into(session, LEASE).values(rows)
    upsert = insert.on_conflict_do_update(
        index_elements=["comment_id"],
        set_={"key_id": insert.excluded.key_id, "until": insert.excluded.until},
        where=(LEASE.c.until <= moment) | (LEASE.c.key_id == actor.id),
    )
    claimed = set(session.execute(upsert.returning(LEASE.c.comment_id)).scalars())
    leased = [one for one in ids if one in claimed]
    articles = sa.select(C.c.id, C.c.article_id).where(C.c.id.in_(leased)).order_by(C.c.id)
    for row in session.execute(articles).all():
        emit_claimed(session, {"id": row.id, "article_id": row.article_id}, actor.id or "", until)
    return leased, until


def present_claim(connection: sa.Connection, result: tuple[list[str], datetime]) -> JsonObject:
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
    if not released and find_lease(session, comment_id, now()):
        raise Leased("Only the moderator who claimed it can release it.")
    if released:
        emit_claimed(session, {"id": comment_id, "article_id": article_id}, actor.id or "", None)


def end_lease(session: Session, actor: Actor, comment_id: str, *, force: bool) -> None:
    """End the lease of a comment that is being decided; 409 `leased` if another moderator holds it."""
    lease = find_lease(session, comment_id, now())
    if lease is not None and lease["key_id"] != actor.id and not force:
        raise Leased
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id))


def update_case(session: Session, comment: StoredComment, **changes: Unpack[CaseChange]) -> None:
    """Update the moderation case of a comment whose row is locked, and whether it waits in the queue."""
    former = find_case(session, comment["id"])
    unchanged: CaseRow = former or {
        "comment_id": comment["id"],
        "commented_at": comment["created_at"],
        "reports": 0,
        "weight": 0,
        "appealed": False,
        "waits": False,
        "verdict": None,
        "risk": 0,
    }
    case: CaseRow = {**unchanged, **changes}
    case["waits"] = case["reports"] > 0 or case["appealed"]
    case["risk"] = comment["risk"] + case["weight"] * RISK_OF_WEIGHT
    if former is None:
        session.execute(sa.insert(CASE), case)
    else:
        session.execute(sa.update(CASE).where(CASE.c.comment_id == comment["id"]).values(case))


def erase_cases(session: Session, comment_ids: list[str]) -> None:
    """Take erased comments out of the queue."""
    nothing = {"reports": 0, "weight": 0, "appealed": False, "waits": False, "risk": 0}
    session.execute(sa.update(CASE).where(CASE.c.comment_id.in_(comment_ids)).values(nothing))
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id.in_(comment_ids)))


class _CommentId(TypedDict):
    comment_id: str


_SETTLE: Prepared[JsonObject] = Prepared(
    lambda dialect: (
        sa.update(CASE)
        .where(is_among(dialect, CASE.c.comment_id, "ids"))
        .values({"reports": 0, "weight": 0, "waits": CASE.c.appealed, "risk": 0})
    )
)
_END_LEASES: Prepared[JsonObject] = Prepared(
    lambda dialect: sa.delete(LEASE).where(is_among(dialect, LEASE.c.comment_id, "ids"))
)
_WAITING_AMONG: Prepared[_CommentId] = Prepared(
    lambda dialect: sa.select(CASE.c.comment_id).where(is_among(dialect, CASE.c.comment_id, "ids"), CASE.c.waits)
)


def settle_cases(session: Session, comment_ids: list[str]) -> None:
    """Take comments out of the queue that were removed, except for those whose author has appealed."""
    _SETTLE.run(session, {"ids": comment_ids})
    _END_LEASES.run(session, {"ids": comment_ids})


def list_waiting_among(session: Session, comment_ids: list[str]) -> set[str]:
    """List those of some comments that wait in the queue because of reports or appeals."""
    return {row["comment_id"] for row in _WAITING_AMONG.rows(session, {"ids": comment_ids})}


def prune_leases(session: Session) -> int:
    """Delete expired leases and return their number."""
    return count_affected(session.execute(sa.delete(LEASE).where(LEASE.c.until <= now())))
