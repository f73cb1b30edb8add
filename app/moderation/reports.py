"""Reading reports, and what may be reported."""

from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.lifecycle import set_state
from app.comments.reading import is_author, locked, readable
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, NotFound, TooManyRequests
from app.db.columns import Row, table_of
from app.identity.audit import record as audit
from app.identity.participants import PARTICIPANT, find, join
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.moderation.bans import require_not_banned
from app.moderation.comment_access import A, check_reach, participant_of, within
from app.moderation.events import emit_article_reported, emit_held, emit_reported
from app.moderation.log import record
from app.moderation.queue import case_of, keep
from app.moderation.schemas import ReportIn, ReportQuery
from app.moderation.tables import Report
from app.web.paging import Sort, fetch

REPORT = table_of(Report)
NEWEST = Sort("-created_at", descending=True)
_SHOWN = (
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


def present(row: Row) -> dict[str, Any]:
    """A row of reports in the shape of `ReportOut`."""
    out = dict(row)
    out["target"] = "comment" if row["comment_id"] else "article"
    out["article"] = {"id": row["article_id"], "slug": row["article_slug"], "title": row["article_title"]}
    known = {name: row[f"reporter_{name}"] for name in ("id", "name", "kind")}
    out["reporter"] = known if row["reporter_id"] else None
    out["weight"] = row["weight"] / 10
    return out


def page(connection: sa.Connection, actor: Actor, asked: ReportQuery) -> dict[str, Any]:
    """A page of reports, newest first."""
    query = _SHOWN.where(within(actor))
    if asked.target is not None:
        query = query.where(REPORT.c.comment_id.is_(None) == (asked.target == "article"))
    if asked.state is not None:
        query = query.where(REPORT.c.state == asked.state)
    if asked.reason is not None:
        query = query.where(REPORT.c.reason == asked.reason)
    for column, value in ((REPORT.c.article_id, asked.article), (REPORT.c.comment_id, asked.comment)):
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    found = fetch(connection, query, NEWEST, REPORT.c.created_at, asked)
    found["data"] = [present(row) for row in found["data"]]
    return found


def shown(connection: sa.Connection, report_id: str) -> dict[str, Any]:
    """One report as moderators see it."""
    return present(connection.execute(_SHOWN.where(REPORT.c.id == report_id)).mappings().one())


def public_article(connection: sa.Connection, ref: str) -> str | None:
    """The id of an article that readers see, by id or slug; None for all others."""
    query = sa.select(A.c.id).where((A.c.id if is_id(ref) else A.c.slug) == ref, A.c.public)
    return connection.execute(query).scalar_one_or_none()


def standing(connection: sa.Connection, target_id: str, reporters: list[str]) -> sa.RowMapping | None:
    """What one of these has reported of the target before, or None."""
    query = sa.select(REPORT).where(REPORT.c.target_id == target_id, REPORT.c.reporter.in_(reporters))
    return connection.execute(query.limit(1)).mappings().first()


def sent(connection: sa.Connection, address_hashes: list[str], since: datetime) -> int:
    """How many reports came from an address since a time."""
    query = sa.select(sa.func.count()).where(REPORT.c.address_hash.in_(address_hashes), REPORT.c.created_at > since)
    return connection.execute(query).scalar_one()


def dismissals(connection: sa.Connection, reporters: list[str]) -> int:
    """How many more reports of a reporter were dismissed than upheld; not below 0."""
    counts = sa.select(REPORT.c.state, sa.func.count()).where(REPORT.c.reporter.in_(reporters)).group_by(REPORT.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(counts)}
    return max(0, found.get("dismissed", 0) - found.get("upheld", 0))


def written_by(connection: sa.Connection, participant_ids: list[str], email: str | None) -> list[Row]:
    """The reports that somebody sent: what is told to those who ask what is stored about them."""
    mine: ColumnElement[bool] = REPORT.c.participant_id.in_(participant_ids)
    if email is not None:
        mine = mine | (REPORT.c.email == email.lower())
    columns = [REPORT.c[name] for name in "id comment_id article_id reason text email state created_at".split()]
    return list(connection.execute(sa.select(*columns).where(mine).order_by(REPORT.c.id)).mappings())


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
    before = standing(connection, target_id, names)
    if before is not None and not _is_of_another_text(before, comment):
        return 0
    if addresses and sent(connection, list(addresses), moment - HOUR) >= MOST_AN_HOUR:
        raise TooManyRequests("Too many reports within the hour.", headers={"Retry-After": str(HOUR.seconds)})
    weight = max(1, weight // (1 + dismissals(connection, names)))
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
    article_id = public_article(session.connection(), ref)
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
