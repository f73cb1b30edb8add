"""Reading the queue: two walks along indexes, however much waits and however deep the page is."""

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
from app.db.columns import Row, affected, table_of
from app.identity.participants import PARTICIPANT
from app.identity.schemas import Actor
from app.moderation.comment_access import COLUMNS, TABLES, A, C, check_reach, present, within
from app.moderation.schemas import ClaimIn, QueueFilters, QueueQuery
from app.moderation.tables import Appeal, ModerationCase, ModerationLease, ModerationLog, Report
from app.web.paging import Key, Sort, bindings, page_of

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


_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Leased(Conflict):
    """Another moderator is working on the comment; `force=true` decides all the same."""

    code, title = "leased", "Another moderator is working on this"


def _insert(session: Session, table: sa.Table) -> Any:
    return _INSERT[session.get_bind().dialect.name](table)


def claim(session: Session, actor: Actor, asked: ClaimIn) -> tuple[list[str], datetime]:
    """Take what waits and is nobody's; returns the comments' ids, and until when they are the caller's.

    Two who ask at once pass by each other's rows; where one has already committed, the upsert finds its lease.
    """
    moment = now()
    until = moment + timedelta(minutes=asked.minutes)
    free = waiting(actor, asked, asked.limit * 5, free=True).subquery()
    sort = SORTS[asked.sort]
    query = sa.select(C.c.id).where(C.c.id.in_(sa.select(free.c.id))).limit(asked.limit)
    query = query.order_by(*sort.order_by(C.c.created_at, C.c.id))
    found = session.execute(query.with_for_update(of=C, skip_locked=True, key_share=True)).scalars().all()
    if not found:
        return [], until
    rows = [{"comment_id": one, "key_id": actor.id, "until": until} for one in sorted(found)]
    fresh = _insert(session, LEASE).values(rows)
    mine = fresh.on_conflict_do_update(
        index_elements=["comment_id"],
        set_={"key_id": fresh.excluded.key_id, "until": fresh.excluded.until},
        where=(LEASE.c.until <= moment) | (LEASE.c.key_id == actor.id),
    )
    taken = set(session.execute(mine.returning(LEASE.c.comment_id)).scalars())
    return [one for one in found if one in taken], until


def claimed(connection: sa.Connection, result: tuple[list[str], datetime]) -> dict[str, Any]:
    """What `claim` took, as `ClaimedOut` has it."""
    return {"data": items(connection, result[0]), "until": result[1]}


def release(session: Session, actor: Actor, comment_id: str) -> None:
    """Give a comment back to the queue: the moderator who took it may, and an admin."""
    query = sa.select(C.c.article_id).where(C.c.id == comment_id)
    article_id = session.execute(query).scalar_one_or_none()
    if article_id is None:
        raise NotFound
    check_reach(session.connection(), actor, article_id)
    mine = sa.true() if actor.may("admin") else LEASE.c.key_id == actor.id
    gone = affected(session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id, mine)))
    if not gone and lease_of(session.connection(), comment_id, now()):
        raise Leased("Only who took it gives it back.")


def take_over(session: Session, actor: Actor, comment_id: str, *, force: bool) -> None:
    """End the lease of a comment that is being decided about; 409 where it is another moderator's."""
    held = lease_of(session.connection(), comment_id, now())
    if held is not None and held["key_id"] != actor.id and not force:
        raise Leased
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id))


def keep(session: Session, comment: Row, **values: Any) -> None:
    """Set what moderation keeps of a comment, whose row the caller has locked; the queue follows from it."""
    case = case_of(session.connection(), comment["id"])
    now_kept = {**(case or {"reports": 0, "weight": 0, "appealed": False, "verdict": None}), **values}
    now_kept["waits"] = now_kept["reports"] > 0 or now_kept["appealed"]
    if case is None:
        now_kept |= {"comment_id": comment["id"], "commented_at": comment["created_at"]}
        session.execute(sa.insert(CASE).values(now_kept))
    else:
        session.execute(sa.update(CASE).where(CASE.c.comment_id == comment["id"]).values(now_kept))


def forget(session: Session, comment_ids: list[str]) -> None:
    """Take comments that are erased out of the queue: there is nothing left to decide about."""
    nothing = {"reports": 0, "weight": 0, "appealed": False, "waits": False}
    session.execute(sa.update(CASE).where(CASE.c.comment_id.in_(comment_ids)).values(nothing))
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id.in_(comment_ids)))


def prune(session: Session) -> int:
    """Forget leases that have run out; returns how many."""
    return affected(session.execute(sa.delete(LEASE).where(LEASE.c.until <= now())))
