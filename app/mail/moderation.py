"""Mails about moderation: statements of reasons to authors (DSA Art. 17), outcomes of appeals, digests of the queue.

Authors are told of decisions about their comments if they have confirmed their address, never who decided, and nothing
by which they could notice a shadow ban. All contents are read when a mail is sent.
"""

from datetime import UTC, datetime
from typing import Final, Literal, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE
from app.comments.reading import C
from app.core.clock import now
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, insert_into
from app.deliveries.outbox import enqueue, enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.events.staff_events import CommentDecided
from app.identity.participants import PARTICIPANT
from app.identity.schemas import SYSTEM
from app.mail.digests import RUN, DigestSchedule, find_run
from app.mail.schemas import CHANNEL, LANE, Content, Letter
from app.moderation.appeals import APPEAL, AppealRow, get_decision
from app.moderation.bans import BAN
from app.moderation.canned import find_reason
from app.moderation.log import find_decision
from app.moderation.person_actions import ACTION
from app.moderation.queue_counts import count_queue
from app.people.grants import find_person
from app.people.tables import Person
from app.subscriptions.suppressions import find_suppression
from app.text.inputs import make_excerpt
from app.text.names import strip_bidi_controls

STATEMENT: Final = "statement"
APPEAL_ANSWER: Final = "appeal"
REMOVAL: Final = "removal"
QUEUE: Final = "queue"
MODERATION_MAILS: Final = (STATEMENT, APPEAL_ANSWER, REMOVAL, QUEUE)
"""The mails of this module, by their templates."""
STATED_ACTIONS: Final = ("reject", "remove")  # spam is what Art. 17 (2) leaves out
QUEUE_RUN: Final = "moderation"
Frequency = Literal["hourly", "daily"]
_PERSON = table_of(Person)


class _CommentRow(TypedDict):
    id: str
    article_id: str
    participant_id: str | None
    shadow: bool
    text: str
    created_at: datetime
    removed_in: str | None
    title: str | None


_SELECT_COMMENT = sa.select(
    *(C.c[name] for name in _CommentRow.__annotations__ if name != "title"),
    sa.case((ARTICLE.c.public, ARTICLE.c.title)).label("title"),
).join(ARTICLE, ARTICLE.c.id == C.c.article_id)


def _find_comment(connection: sa.Connection, comment_id: str) -> _CommentRow | None:
    """Return a comment whose author may be told of decisions about it."""
    row = fetch_row(connection, _SELECT_COMMENT.where(C.c.id == comment_id), _CommentRow)
    return None if row is None or row["shadow"] else row


def _find_address(connection: sa.Connection, participant_id: str | None) -> str | None:
    """Return the confirmed address of an author; None if nothing may be sent to it."""
    confirmed = sa.select(PARTICIPANT.c.email).where(
        PARTICIPANT.c.id == participant_id, PARTICIPANT.c.confirmed_at.is_not(None), PARTICIPANT.c.email.is_not(None)
    )
    address: str | None = connection.execute(confirmed).scalar_one_or_none()
    if address is None or find_suppression(connection, address):
        return None
    is_hidden = sa.select(BAN.c.id).where(
        BAN.c.value == f"identity:{participant_id}", BAN.c.shadow, BAN.c.until.is_(None) | (BAN.c.until > now())
    )
    return None if connection.execute(is_hidden).first() is not None else address


def _delivery_to(endpoint: str, what: str, key: str, content: Content) -> NewDelivery:
    return NewDelivery(channel=CHANNEL, lane=LANE, endpoint=endpoint, event=f"{what}:{key}", what=what, content=content)


def tell_author(session: Session, event: CommentDecided) -> None:
    """Enqueue the mail about a decision: the answer to an appeal, or else the statement of reasons, each once."""
    connection = session.connection()
    comment = _find_comment(connection, event.subject_id)
    if comment is None or _find_address(connection, comment["participant_id"]) is None:
        return
    author = str(comment["participant_id"])
    if (appeal := _find_answered(connection, comment["id"])) is not None:
        content: Content = {"comment": comment["id"], "appeal": appeal["id"]}
        enqueue(session, _delivery_to(author, APPEAL_ANSWER, appeal["id"], content))
    decision = find_decision(connection, comment["id"])
    is_stated = event.action in STATED_ACTIONS and comment["removed_in"] is None  # else told of once for all
    if decision is not None and is_stated and decision["action"] == event.action:
        content = {"comment": comment["id"], "decision": decision["id"]}
        enqueue(session, _delivery_to(author, STATEMENT, decision["id"], content))


def tell_of_removal(session: Session, action_id: str) -> None:
    """Enqueue the one mail about the removal of all comments of a person."""
    query = sa.select(ACTION.c.participant_id).where(ACTION.c.id == action_id)
    author = session.execute(query).scalar_one_or_none()
    if author is not None and _find_address(session.connection(), author) is not None:
        enqueue(session, _delivery_to(author, REMOVAL, action_id, {"action": action_id}))


def _find_answered(connection: sa.Connection, comment_id: str) -> AppealRow | None:
    """Return the newest appeal of a comment that a moderator has answered."""
    query = sa.select(APPEAL).where(APPEAL.c.comment_id == comment_id, APPEAL.c.answered_at.is_not(None))
    return fetch_row(connection, query.order_by(APPEAL.c.answered_at.desc()).limit(1), AppealRow)


def find_moderation_letter(connection: sa.Connection, what: str, endpoint: str, content: Content) -> Letter | None:
    """Return the letter of a delivery, or None if it should no longer be sent."""
    if what == QUEUE:
        return _queue_letter(connection, endpoint)
    address = _find_address(connection, endpoint)
    if address is None:
        return None
    if what == REMOVAL:
        values = _describe_removal(connection, content["action"])
        return None if values is None else Letter(address, endpoint, what, values, "decisions")
    comment = _find_comment(connection, content["comment"])
    if comment is None or comment["participant_id"] != endpoint:
        return None
    decision = get_decision(connection, comment["id"], SYSTEM)
    values = {
        "comment": {
            "id": comment["id"],
            "article": comment["article_id"],
            "excerpt": strip_bidi_controls(make_excerpt(comment["text"], 280)),
            "created_at": comment["created_at"],
        },
        "title": comment["title"],
    }
    if what == APPEAL_ANSWER:
        appeal = _find_answered(connection, comment["id"])
        if appeal is None or appeal["id"] != content["appeal"]:
            return None
        values |= {"granted": appeal["state"] == "granted", "answer": appeal["answer"]}
        return Letter(address, endpoint, what, values, "decisions", thread=_thread_of(appeal))
    newest = find_decision(connection, comment["id"])
    if newest is None or newest["id"] != content["decision"] or decision["statement"] is None:
        return None  # decided otherwise meanwhile
    values |= {"reason": decision["reason"], "statement": decision["statement"]}
    return Letter(address, endpoint, what, values, "decisions")


def _thread_of(appeal: AppealRow) -> tuple[str, ...]:
    """Return the event of the statement that an appeal was about."""
    return (f"{STATEMENT}:{appeal['decision_id']}",)


class _ActionRow(TypedDict):
    state: str
    ban: str | None
    removed: int
    reason: str | None
    ground: str | None
    canned_id: str | None


def _describe_removal(connection: sa.Connection, action_id: str) -> JsonObject | None:
    columns = [ACTION.c[name] for name in _ActionRow.__annotations__]
    row = fetch_row(connection, sa.select(*columns).where(ACTION.c.id == action_id), _ActionRow)
    if row is None or row["state"] != "done" or row["ban"] == "shadow" or not row["removed"]:
        return None
    canned = find_reason(connection, row["canned_id"]) if row["canned_id"] else None
    basis = canned["basis"] if canned else None
    return {"number": row["removed"], "reason": row["reason"], "ground": row["ground"], "basis": basis}


def _queue_letter(connection: sa.Connection, person_id: str) -> Letter | None:
    """Return what waits where a person moderates; None where nothing does."""
    person = find_person(connection, person_id)
    query = sa.select(_PERSON.c.email).where(_PERSON.c.id == person_id, _PERSON.c.mails)
    address: str | None = connection.execute(query).scalar_one_or_none()
    if person is None or address is None or not person.may("comments:moderate"):
        return None
    counts = count_queue(connection, person, None)
    states = counts["states"]
    assert isinstance(states, dict)
    waiting = {state: states[state] for state in ("pending", "reported", "appealed")}
    if find_suppression(connection, address) or not any(waiting.values()):
        return None
    values: JsonObject = {name: counts[name] for name in ("reasons", "reports", "oldest", "limit")}
    return Letter(address, person_id, QUEUE, {**values, **waiting, "total": sum(waiting.values())}, "moderation")


def _find_period(schedule: DigestSchedule, frequency: Frequency) -> str:
    """Return the hour or day of the last digest of the queue that was due."""
    moment = now()
    return moment.astimezone(UTC).strftime("%Y%m%d%H") if frequency == "hourly" else schedule.latest("daily", moment)[0]


def is_queue_digest_due(connection: sa.Connection, schedule: DigestSchedule, frequency: Frequency) -> bool:
    """Whether digests of the queue must be sent."""
    run = find_run(connection, QUEUE_RUN)
    return run is None or run["period"] != _find_period(schedule, frequency)


def send_queue_digests(session: Session, schedule: DigestSchedule, frequency: Frequency) -> int:
    """Enqueue the digest of the queue for each person who moderates; return how many. The first is the next one due."""
    period = _find_period(schedule, frequency)
    run = find_run(session, QUEUE_RUN, lock=True)
    values = {"frequency": QUEUE_RUN, "period": period, "cut_at": now(), "finished": True}
    if run is None:
        session.execute(insert_into(session, RUN).on_conflict_do_nothing(), values)
        return 0
    if run["period"] == period:
        return 0
    session.execute(sa.update(RUN).where(RUN.c.frequency == QUEUE_RUN).values(values))
    is_there = (
        _PERSON.c.mails
        & _PERSON.c.email.is_not(None)
        & _PERSON.c.accepted_at.is_not(None)
        & _PERSON.c.suspended_at.is_(None)
    )
    people = session.execute(sa.select(_PERSON.c.id).where(is_there).order_by(_PERSON.c.id)).scalars().all()
    moderators = [
        one for one in people if (person := find_person(session.connection(), one)) and person.may("comments:moderate")
    ]
    return enqueue_deliveries(session, [_delivery_to(one, QUEUE, f"{frequency}:{period}", {}) for one in moderators])
