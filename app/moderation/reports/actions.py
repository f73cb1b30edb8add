"""Taking reports, hiding what too many report, and closing them."""

from datetime import timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.actions import set_state
from app.comments.queries import is_author, locked, readable
from app.identity.audit.actions import record as audit
from app.identity.participants.actions import join
from app.identity.participants.queries import find
from app.identity.schemas import Actor
from app.identity.secrets.actions import Vault
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.problems import Conflict, NotFound, TooManyRequests
from app.kit.schema import Row
from app.moderation.bans.queries import require_not_banned
from app.moderation.emitting import emit_article_reported, emit_held, emit_reported
from app.moderation.log.actions import record
from app.moderation.queries import check_reach, participant_of
from app.moderation.queue.actions import keep
from app.moderation.queue.queries import case_of
from app.moderation.reports import queries
from app.moderation.reports.queries import REPORT
from app.moderation.reports.schemas import ReportIn

Closed = Literal["upheld", "dismissed"]
MOST_AN_HOUR = 30
HOUR = timedelta(hours=1)
PROVEN, KNOWN, STRANGER = 20, 10, 5  # weights, in tenths
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class ReportDecided(Conflict):
    """The report has been decided the other way."""

    code, title = "report_decided", "The report is decided"


def _reporter(participant: Row | None, addresses: tuple[str, ...]) -> tuple[list[str], int]:
    """Who counts once, under the names they may be known by, newest first; and how much.

    A guest token costs nothing, so that a guest without a proven e-mail is one with all others behind the address.
    """
    if participant is not None:
        if participant["kind"] == "staff" or participant["confirmed_at"] is not None:
            return [participant["id"]], PROVEN
        if participant["kind"] == "reader" or not addresses:
            return [participant["id"]], KNOWN
    names = [f"address:{address}" for address in addresses] or ["address:"]
    return names, STRANGER if participant is None else KNOWN


def introduce(session: Session, actor: Actor, vault: Vault) -> None:
    """Let a reader of the site take part who never did before, so that their report counts as theirs."""
    if actor.kind == "reader" and find(session, actor) is None:
        join(session, vault, actor)


def _is_of_another_text(report: Row, comment: Row | None) -> bool:
    """Whether a report was decided before the comment became what it is now: then its reporter may speak again."""
    edited, decided = comment["edited_at"] if comment else None, report["decided_at"]
    return edited is not None and decided is not None and bool(decided < edited)


def _file(
    session: Session, actor: Actor, data: ReportIn, addresses: tuple[str, ...], article_id: str, comment: Row | None
) -> int:
    """Keep a report unless its reporter has one on the target; returns its weight, 0 for one that does not count."""
    connection, moment = session.connection(), now()
    participant = participant_of(connection, actor)
    require_not_banned(session, participant, addresses)
    names, weight = _reporter(participant, addresses)
    target_id = comment["id"] if comment else article_id
    before = queries.standing(connection, target_id, names)
    if before is not None and not _is_of_another_text(before, comment):
        return 0
    if addresses and queries.sent(connection, list(addresses), moment - HOUR) >= MOST_AN_HOUR:
        raise TooManyRequests("Too many reports within the hour.", headers={"Retry-After": str(HOUR.seconds)})
    weight = max(1, weight // (1 + queries.dismissals(connection, names)))
    said = {
        "reason": data.reason,
        "text": data.text,
        "email": data.email.lower() if data.email else None,
        "weight": weight,
        "state": "open",
        "created_at": moment,
        "decided_at": None,
    }
    if before is not None:
        session.execute(sa.update(REPORT).where(REPORT.c.id == before["id"]).values(said))
        return weight
    about = {
        "id": new_id(),
        "target_id": target_id,
        "comment_id": comment["id"] if comment else None,
        "article_id": article_id,
        "reporter": names[0],
        "participant_id": participant["id"] if participant else None,
        "address_hash": addresses[0] if addresses else None,
    }
    fresh = _INSERT[session.get_bind().dialect.name](REPORT).values(about | said)
    made = session.execute(fresh.on_conflict_do_nothing().returning(REPORT.c.id)).first()
    return weight if made else 0


def report_comment(
    session: Session, actor: Actor, comment_id: str, data: ReportIn, addresses: tuple[str, ...], threshold: int
) -> None:
    """Take a report on a comment; at the threshold it waits for a moderator, unless one approved that very text."""
    comment = locked(session, comment_id)
    if comment["state"] != "published":
        raise NotFound
    readable(session, comment["article_id"])
    if is_author(session.connection(), actor, comment):
        return
    weight = _file(session, actor, data, addresses, comment["article_id"], comment)
    if not weight:
        return
    case = case_of(session.connection(), comment_id) or {"reports": 0, "weight": 0}
    total = case["weight"] + weight
    keep(session, comment, reports=case["reports"] + 1, weight=total)
    emit_reported(session, comment, data.reason)
    if threshold and total >= threshold * 10 and not comment["approved_text"]:
        set_state(session, comment, "pending", by="system")
        why = [("reports", f"weight {total / 10:g}")]
        record(session, comment_id, "system", None, "hide", "pending", why, article_id=comment["article_id"])
        emit_held(session, comment, ["reports"])


def report_article(session: Session, actor: Actor, ref: str, data: ReportIn, addresses: tuple[str, ...]) -> None:
    """Take a report on an article, for its editors to read."""
    article_id = queries.public_article(session.connection(), ref)
    if article_id is None:
        raise NotFound
    if _file(session, actor, data, addresses, article_id, None):
        emit_article_reported(session, article_id, data.reason)


def close(session: Session, comment: Row, state: Closed) -> None:
    """Close the open reports of a comment that is decided about; its row is locked."""
    here = (REPORT.c.comment_id == comment["id"]) & (REPORT.c.state == "open")
    session.execute(sa.update(REPORT).where(here).values(state=state, decided_at=now()))
    keep(session, comment, reports=0, weight=0)


def decide(session: Session, actor: Actor, report_id: str, state: Closed) -> str:
    """Uphold or dismiss one report; the comment itself is left as it is. Returns the report's id."""
    first = sa.select(REPORT).where(REPORT.c.id == report_id)
    found = session.execute(first).mappings().first()
    if found is None:
        raise NotFound
    check_reach(session.connection(), actor, found["article_id"])
    comment = locked(session, found["comment_id"]) if found["comment_id"] else None
    found = session.execute(first.with_for_update()).mappings().one()
    if found["state"] == state:
        return report_id
    if found["state"] != "open":
        raise ReportDecided
    session.execute(sa.update(REPORT).where(REPORT.c.id == report_id).values(state=state, decided_at=now()))
    if comment is not None and (case := case_of(session.connection(), comment["id"])):
        left = {"reports": case["reports"] - 1, "weight": case["weight"] - found["weight"]}
        keep(session, comment, **{name: max(0, value) for name, value in left.items()})
    action, why = f"report.{state}", [("reports", found["reason"])]
    about = found["article_id"]
    record(session, found["comment_id"], actor.kind, actor.id, action, None, why, article_id=about)
    audit(session, actor, action, "report", report_id, {"target": found["target_id"]})
    return report_id


def settle(session: Session, comment_ids: list[str]) -> None:
    """Close the open reports of comments that are gone: nobody was wrong to send them."""
    here = REPORT.c.comment_id.in_(comment_ids) & (REPORT.c.state == "open")
    session.execute(sa.update(REPORT).where(here).values(state="upheld", decided_at=now()))


def forget(session: Session, participant_ids: list[str], email: str | None, comment_ids: list[str]) -> None:
    """Blank what tells who reported, and words that may quote comments which are erased."""
    blank: dict[str, Any] = {"text": None, "email": None}
    theirs: ColumnElement[bool] = REPORT.c.participant_id.in_(participant_ids)
    if email is not None:
        theirs = theirs | (REPORT.c.email == email.lower())
    nobody = sa.literal("erased:").concat(sa.cast(REPORT.c.id, sa.Text))
    gone = sa.update(REPORT).where(theirs)
    session.execute(gone.values(**blank, participant_id=None, address_hash=None, reporter=nobody))
    session.execute(sa.update(REPORT).where(REPORT.c.comment_id.in_(comment_ids)).values(**blank))
