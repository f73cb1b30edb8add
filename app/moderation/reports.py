"""Readers' reports on comments and articles, and the decisions on them."""

from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.lifecycle import set_state
from app.comments.reading import StoredComment, get_readable_article, is_author, lock_comment
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, NotFound, TooManyRequests
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, fetch_rows, get_row, insert_into
from app.identity.audit import record_action as audit
from app.identity.participants import PARTICIPANT, ParticipantRow, find_caller, get_or_create_participant
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.moderation.comment_access import A, check_reach, find_participant, is_in_reach
from app.moderation.events import emit_article_reported, emit_held, emit_reported
from app.moderation.log import log_decision
from app.moderation.pipeline import require_not_banned
from app.moderation.queue import find_case, update_case
from app.moderation.schemas import ReportData, ReportIn, ReportQuery
from app.moderation.tables import Report
from app.web.paging import Page, Sort, fetch_page, map_page

ClosedState = Literal["upheld", "dismissed"]


class ReportRow(ReportData):
    """All columns of a report."""

    target_id: str
    reporter: str
    participant_id: str | None
    address_hash: str | None
    weight: int
    decided_at: datetime | None


class ListedReport(ReportData):
    """A row of `SELECT_REPORTS`."""

    weight: int
    decided_at: datetime | None
    article_slug: str
    article_title: str
    reporter_id: str | None
    reporter_name: str | None
    reporter_kind: str | None


REPORT = table_of(Report)
NEWEST = Sort("-created_at", descending=True)
SELECT_REPORTS = (
    sa.select(
        *(
            REPORT.c[name]
            for name in "id comment_id article_id reason text email weight state created_at decided_at".split()
        ),
        A.c.slug.label("article_slug"),
        A.c.title.label("article_title"),
        PARTICIPANT.c.public_id.label("reporter_id"),
        PARTICIPANT.c.name.label("reporter_name"),
        PARTICIPANT.c.kind.label("reporter_kind"),
    )
    .select_from(REPORT)
    .join(A, A.c.id == REPORT.c.article_id)
    .outerjoin(PARTICIPANT, PARTICIPANT.c.id == REPORT.c.participant_id)
)


def present_report(row: ListedReport) -> JsonObject:
    """Return a row of reports in the shape of `ReportOut`."""
    out: JsonObject = dict(row)
    out["target"] = "comment" if row["comment_id"] else "article"
    out["article"] = {"id": row["article_id"], "slug": row["article_slug"], "title": row["article_title"]}
    reporter = {"id": row["reporter_id"], "name": row["reporter_name"], "kind": row["reporter_kind"]}
    out["reporter"] = reporter if row["reporter_id"] else None
    out["weight"] = row["weight"] / 10
    return out


def list_reports(connection: sa.Connection, actor: Actor, filters: ReportQuery) -> Page[JsonObject]:
    """List reports, newest first."""
    query = SELECT_REPORTS.where(is_in_reach(actor))
    if filters.target is not None:
        query = query.where(REPORT.c.comment_id.is_(None) == (filters.target == "article"))
    if filters.state is not None:
        query = query.where(REPORT.c.state == filters.state)
    if filters.reason is not None:
        query = query.where(REPORT.c.reason == filters.reason)
    for column, value in ((REPORT.c.article_id, filters.article), (REPORT.c.comment_id, filters.comment)):
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    page = fetch_page(connection, query, NEWEST, REPORT.c.created_at, filters, ListedReport)
    return map_page(page, present_report)


def get_report(connection: sa.Connection, report_id: str) -> JsonObject:
    """Return a report as moderators see it."""
    return present_report(get_row(connection, SELECT_REPORTS.where(REPORT.c.id == report_id), ListedReport))


def find_public_article(connection: sa.Connection, ref: str) -> str | None:
    """Return the id of a public article by id or slug, or None."""
    query = sa.select(A.c.id).where((A.c.id if is_id(ref) else A.c.slug) == ref, A.c.public)
    return connection.execute(query).scalar_one_or_none()


def find_former_report(connection: sa.Connection, target_id: str, reporters: list[str]) -> ReportRow | None:
    """Return an earlier report on the target by one of these reporters, or None."""
    query = sa.select(REPORT).where(REPORT.c.target_id == target_id, REPORT.c.reporter.in_(reporters))
    return fetch_row(connection, query.limit(1), ReportRow)


def count_sent(connection: sa.Connection, address_hashes: list[str], since: datetime) -> int:
    """Count the reports from a network address since a time."""
    query = sa.select(sa.func.count()).where(REPORT.c.address_hash.in_(address_hashes), REPORT.c.created_at > since)
    return connection.execute(query).scalar_one()


def count_dismissals(connection: sa.Connection, reporters: list[str]) -> int:
    """Count how many more reports of a reporter were dismissed than upheld, at least 0."""
    counts = sa.select(REPORT.c.state, sa.func.count()).where(REPORT.c.reporter.in_(reporters)).group_by(REPORT.c.state)
    by_state: dict[str, int] = {row[0]: row[1] for row in connection.execute(counts)}
    return max(0, by_state.get("dismissed", 0) - by_state.get("upheld", 0))


def list_reports_by(connection: sa.Connection, participant_ids: list[str], email: str | None) -> list[ReportData]:
    """List somebody's reports, for a copy of their personal data."""
    is_theirs: ColumnElement[bool] = REPORT.c.participant_id.in_(participant_ids)
    if email is not None:
        is_theirs = is_theirs | (REPORT.c.email == email.lower())
    columns = [REPORT.c[name] for name in "id comment_id article_id reason text email state created_at".split()]
    return fetch_rows(connection, sa.select(*columns).where(is_theirs).order_by(REPORT.c.id), ReportData)


MAX_REPORTS_PER_HOUR = 30
HOUR = timedelta(hours=1)
PROVEN_WEIGHT, KNOWN_WEIGHT, STRANGER_WEIGHT = 20, 10, 5  # of a report, in tenths


class ReportDecided(Conflict, code="report_decided", title="The report has already been decided"):
    """The report was decided the other way."""


def _identify_reporter(participant: ParticipantRow | None, addresses: tuple[str, ...]) -> tuple[list[str], int]:
    """Return the names under which a reporter counts once, newest first, and the weight of their report.

    Guest tokens are free, so all guests without a confirmed e-mail address behind one network address count as one
    reporter.
    """
    if participant is not None:
        if participant["kind"] == "staff" or participant["confirmed_at"] is not None:
            return [participant["id"]], PROVEN_WEIGHT
        if participant["kind"] == "reader" or not addresses:
            return [participant["id"]], KNOWN_WEIGHT
    names = [f"address:{address}" for address in addresses] or ["address:"]
    return names, STRANGER_WEIGHT if participant is None else KNOWN_WEIGHT


def register_reader(session: Session, actor: Actor, vault: Vault) -> None:
    """Create the participant of a reader who has none, so that their report counts as theirs."""
    if actor.kind == "reader" and find_caller(session, actor) is None:
        get_or_create_participant(session, vault, actor)


def _is_of_another_text(report: ReportRow, comment: StoredComment | None) -> bool:
    """Tell whether a report was decided before the comment's last edit, so that its reporter may report again."""
    edited, decided = comment["edited_at"] if comment else None, report["decided_at"]
    return edited is not None and decided is not None and decided < edited


def _save_report(
    session: Session,
    actor: Actor,
    data: ReportIn,
    addresses: tuple[str, ...],
    article_id: str,
    comment: StoredComment | None,
) -> int:
    """Save a report unless its reporter has one on the target. Return its weight, 0 if it was not counted."""
    connection, moment = session.connection(), now()
    participant = find_participant(connection, actor)
    require_not_banned(session, participant, addresses)
    names, weight = _identify_reporter(participant, addresses)
    target_id = comment["id"] if comment else article_id
    former = find_former_report(connection, target_id, names)
    if former is not None and not _is_of_another_text(former, comment):
        return 0
    if addresses and count_sent(connection, list(addresses), moment - HOUR) >= MAX_REPORTS_PER_HOUR:
        raise TooManyRequests(
            "Too many reports within an hour. Try again after the seconds in Retry-After.",
            headers={"Retry-After": str(HOUR.seconds)},
        )
    weight = max(1, weight // (1 + count_dismissals(connection, names)))
    content = {
        "reason": data.reason,
        "text": data.text,
        "email": data.email.lower() if data.email else None,
        "weight": weight,
        "state": "open",
        "created_at": moment,
        "decided_at": None,
    }
    if former is not None:
        session.execute(sa.update(REPORT).where(REPORT.c.id == former["id"]).values(content))
        return weight
    subject = {
        "id": new_id(),
        "target_id": target_id,
        "comment_id": comment["id"] if comment else None,
        "article_id": article_id,
        "reporter": names[0],
        "participant_id": participant["id"] if participant else None,
        "address_hash": addresses[0] if addresses else None,
    }
    insert = insert_into(session, REPORT).values(subject | content)
    inserted = session.execute(insert.on_conflict_do_nothing().returning(REPORT.c.id)).first()
    return weight if inserted else 0


def report_comment(
    session: Session, actor: Actor, comment_id: str, data: ReportIn, addresses: tuple[str, ...], threshold: int
) -> None:
    """Save a report on a comment. At the threshold the comment is hidden, unless a moderator approved its current
    text.
    """
    comment = lock_comment(session, comment_id)
    if comment["state"] != "published":
        raise NotFound
    get_readable_article(session, comment["article_id"])
    if is_author(session, actor, comment_id, comment["participant_id"]):
        return
    weight = _save_report(session, actor, data, addresses, comment["article_id"], comment)
    if not weight:
        return
    case = find_case(session, comment_id)
    total = (case["weight"] if case else 0) + weight
    update_case(session, comment, reports=(case["reports"] if case else 0) + 1, weight=total)
    emit_reported(session, comment, data.reason)
    if threshold and total >= threshold * 10 and not comment["approved_text"]:
        set_state(session, comment, "pending", by="system")
        reasons = [("reports", f"weight {total / 10:g}")]
        log_decision(session, comment_id, "system", None, "hide", "pending", reasons, article_id=comment["article_id"])
        emit_held(session, comment, ["reports"])


def report_article(session: Session, actor: Actor, ref: str, data: ReportIn, addresses: tuple[str, ...]) -> None:
    """Save a report on an article."""
    article_id = find_public_article(session.connection(), ref)
    if article_id is None:
        raise NotFound
    if _save_report(session, actor, data, addresses, article_id, None):
        emit_article_reported(session, article_id, data.reason)


def close_reports(session: Session, comment: StoredComment, state: ClosedState) -> None:
    """Close the open reports of a comment whose row is locked."""
    is_open = (REPORT.c.comment_id == comment["id"]) & (REPORT.c.state == "open")
    session.execute(sa.update(REPORT).where(is_open).values(state=state, decided_at=now()))
    update_case(session, comment, reports=0, weight=0)


def decide_report(session: Session, actor: Actor, report_id: str, state: ClosedState) -> str:
    """Uphold or dismiss a report without changing the comment. Return the report's id."""
    query = sa.select(REPORT).where(REPORT.c.id == report_id)
    report = fetch_row(session, query, ReportRow)
    if report is None:
        raise NotFound
    check_reach(session.connection(), actor, report["article_id"])
    comment = lock_comment(session, report["comment_id"]) if report["comment_id"] else None
    report = get_row(session, query.with_for_update(), ReportRow)
    if report["state"] == state:
        return report_id
    if report["state"] != "open":
        raise ReportDecided
    session.execute(sa.update(REPORT).where(REPORT.c.id == report_id).values(state=state, decided_at=now()))
    if comment is not None and (case := find_case(session, comment["id"])):
        weight = max(0, case["weight"] - report["weight"])
        update_case(session, comment, reports=max(0, case["reports"] - 1), weight=weight)
    action, why = f"report.{state}", [("reports", report["reason"])]
    article_id = report["article_id"]
    log_decision(session, report["comment_id"], actor.kind, actor.id, action, None, why, article_id=article_id)
    audit(session, actor, action, "report", report_id, {"target": report["target_id"]})
    return report_id


def uphold_reports(session: Session, comment_ids: list[str]) -> None:
    """Uphold the open reports of comments that their authors removed."""
    is_open = REPORT.c.comment_id.in_(comment_ids) & (REPORT.c.state == "open")
    session.execute(sa.update(REPORT).where(is_open).values(state="upheld", decided_at=now()))


def erase_reports(session: Session, participant_ids: list[str], email: str | None, comment_ids: list[str]) -> None:
    """Erase the identity of a reporter, and the texts of reports about erased comments."""
    blank: dict[str, None] = {"text": None, "email": None}
    is_theirs: ColumnElement[bool] = REPORT.c.participant_id.in_(participant_ids)
    if email is not None:
        is_theirs = is_theirs | (REPORT.c.email == email.lower())
    nobody = sa.literal("erased:").concat(sa.cast(REPORT.c.id, sa.Text))
    update = sa.update(REPORT).where(is_theirs)
    session.execute(update.values(**blank, participant_id=None, address_hash=None, reporter=nobody))
    session.execute(sa.update(REPORT).where(REPORT.c.comment_id.in_(comment_ids)).values(**blank))
