"""Notifications: the audience of an event, its fan-out to subscribers, and confirmation requests."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.articles.corrections import Correction
from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, ARTICLE_TAG
from app.articles.schemas import PAGE_TYPE
from app.comments.reading import C
from app.comments.visibility import read_visibility
from app.core.clock import now
from app.core.logs import get_logger
from app.db.base import is_full, is_unavailable
from app.db.columns import count_affected, table_of
from app.db.rows import fetch_row, insert_into
from app.deliveries.outbox import enqueue, enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.events.catalog import (
    ArticleCorrected,
    ArticlePublished,
    CommentEdited,
    CommentPublished,
    LoggedEvent,
)
from app.events.log import find_first_time
from app.events.schemas import Position
from app.events.staff_events import (
    ArticleApproved,
    ArticleHeld,
    ArticleReturned,
    ArticleSubmitted,
    CommentDecided,
    CommentsRemoved,
    NoteChanged,
    NoteCreated,
    ReleaseFailed,
    TaskChanged,
    TaskCreated,
    TaskDue,
)
from app.identity.participants import find_participant_by
from app.mail.digests import NewDigestItem, add_items
from app.mail.moderation import tell_author, tell_of_removal
from app.mail.schemas import CHANNEL, LANE, OPT_IN_LANE, Content
from app.mail.staff import tell_staff
from app.mail.tables import Fanout
from app.publication.section_tree import find_ancestors
from app.subscriptions import opt_ins
from app.subscriptions.opt_ins import RequestRow, apply_notify
from app.subscriptions.subscriptions import (
    CommentAuthor,
    Recipient,
    find_recipients,
    has_recipients,
    has_subscriptions,
)

FANOUT = table_of(Fanout)


class Audience(NamedTuple):
    """Who is notified of an event."""

    keys: list[tuple[str, str]]  # kinds and targets of subscriptions
    author: CommentAuthor | None


class _CommentRow(TypedDict):
    participant_id: str | None
    email: str | None
    article_id: str
    root_id: str
    parent_id: str | None


class _ArticleRow(TypedDict):
    section_id: str | None
    series_id: str | None
    public: bool
    type: str


class FanoutRow(TypedDict):
    """A fan-out as stored."""

    event: str
    what: str
    content: Content
    at: datetime
    xid: int
    seq: int
    after: str | None
    due_at: datetime | None
    created_at: datetime


def _comment_audience(connection: sa.Connection, content: Content) -> Audience | None:
    """Return the followers of a comment's discussion, of its thread, and of the comment it replies to."""
    columns = (C.c.participant_id, C.c.email, C.c.article_id, C.c.root_id, C.c.parent_id)
    row = fetch_row(connection, sa.select(*columns).where(C.c.id == content["comment"]), _CommentRow)
    if row is None or not is_comment_shown(connection, row["article_id"], content["comment"]):
        return None
    keys = [("comments.all", f"article:{row['article_id']}"), ("comments.thread", f"comment:{row['root_id']}")]
    if row["parent_id"] is not None:
        answered = sa.select(C.c.participant_id).where(C.c.id == row["parent_id"])
        keys.append(("comments.replies_to_me", f"comment:{row['parent_id']}"))
        if (writer := connection.execute(answered).scalar_one_or_none()) is not None:
            keys.append(("comments.replies_to_me", f"participant:{writer}"))
    person = find_participant_by(connection, "id", row["participant_id"])
    emails = {row["email"], person["email"] if person else None}
    return Audience(keys, CommentAuthor(row["participant_id"], sorted(email for email in emails if email)))


def is_comment_shown(connection: sa.Connection, article_id: str, comment_id: str) -> bool:
    """Whether readers see a comment on an article."""
    visibility = read_visibility(connection, articles=[article_id], comments=[comment_id])
    return visibility.has_comment(article_id, comment_id)


def _article_audience(connection: sa.Connection, content: Content) -> Audience | None:
    """Return the followers of the site and of the article's section, series, authors and tags; None for pages."""
    columns = (ARTICLE.c.section_id, ARTICLE.c.series_id, ARTICLE.c.public, ARTICLE.c.type)
    row = fetch_row(connection, sa.select(*columns).where(ARTICLE.c.id == content["article"]), _ArticleRow)
    if row is None or not row["public"] or row["type"] == PAGE_TYPE:
        return None
    keys = [f"series:{row['series_id']}"] if row["series_id"] else []
    if row["section_id"]:
        keys += [f"section:{section_id}" for section_id in find_ancestors(connection, row["section_id"])]
    for name, links in (("author", ARTICLE_AUTHOR), ("tag", ARTICLE_TAG)):
        term_ids = sa.select(links.c[f"{name}_id"]).where(links.c.article_id == content["article"])
        keys += [f"{name}:{one}" for one in connection.execute(term_ids).scalars()]
    return Audience([("articles.new", key) for key in ("site", *keys)], None)


def find_correction(corrections: Sequence[Correction], content: Content) -> Correction | None:
    """Return the correction of a notification, or None if it was withdrawn.

    Notifications of former releases contain its index from 0, in the same order.
    """
    number = content["correction_n"] if "correction_n" in content else content["correction"] + 1
    return next((one for one in corrections if one["n"] == number), None)


def _correction_audience(connection: sa.Connection, content: Content) -> Audience | None:
    columns = sa.select(ARTICLE.c.public, ARTICLE.c.corrections).where(ARTICLE.c.id == content["article"])
    row = connection.execute(columns).first()
    if row is None or not row.public or find_correction(row.corrections, content) is None:
        return None
    return Audience([("article.updated", f"article:{content['article']}")], None)


AUDIENCES: dict[str, Callable[[sa.Connection, Content], Audience | None]] = {
    "comment.published": _comment_audience,
    "article.published": _article_audience,
    "article.corrected": _correction_audience,
}
"""Audience by type of event; None if it is no longer public."""


NEXT_FANOUT = sa.select(sa.func.min(FANOUT.c.due_at)).where(FANOUT.c.due_at.is_not(None))
"""Selects when the next fan-out is due."""

BATCH_SIZE: Final = 200  # recipients at a time, so that other writers do not wait long
MAX_FAN_OUT_SECONDS: Final = 0.02  # after which a transaction notifies no more recipients
RETRY_DELAY = timedelta(minutes=1)
RETENTION = timedelta(days=100)  # as long as the event log
log = get_logger("broadsheet.notifications")


def _run_guarded(
    session: Session, work: Callable[[], object], postpone: Callable[[], object], **fields: object
) -> None:
    """Run a piece of work in a savepoint; if it fails, log that and postpone it, so that it does not block others."""
    try:
        with session.begin_nested():
            work()
    except Exception as error:
        if isinstance(error, DBAPIError) and (is_unavailable(error) or is_full(error)):
            raise  # a database failure: the whole transaction is retried
        log.exception("notification failed", **fields)
        postpone()


def process_requests(session: Session, most_in_hour: int) -> int:
    """Process due subscription requests and enqueue confirmation mails; return the number of requests."""
    requests = opt_ins.list_due_requests(session)
    for request in requests:
        _run_guarded(
            session,
            partial(_process_request, session, request, most_in_hour),
            partial(opt_ins.postpone_request, session, request),
            request=request["id"],
        )
    return len(requests)


def _process_request(session: Session, request: RequestRow, most_in_hour: int) -> None:
    opt_in = opt_ins.process_request(session, request, most_in_hour)
    if opt_in is not None:
        delivery = NewDelivery(
            channel=CHANNEL,
            lane=OPT_IN_LANE,
            endpoint=opt_in.subscriber_id,
            event=f"opt_in:{opt_in.id}",
            what="opt_in",
            content={"opt_in": opt_in.id},
        )
        enqueue(session, delivery)


def fan_out(session: Session) -> int:
    """Notify the next recipients of due events, the oldest first, for a short time; return the number of batches."""
    until, batches = time.monotonic() + MAX_FAN_OUT_SECONDS, 0
    while (not batches or time.monotonic() < until) and _fan_out_next(session):
        batches += 1
    return batches


def _fan_out_next(session: Session) -> bool:
    """Notify the next recipients of the oldest due event; tell whether there was one."""
    due = sa.select(FANOUT).where(FANOUT.c.due_at <= now())
    due = due.order_by(FANOUT.c.due_at, FANOUT.c.xid, FANOUT.c.seq).limit(1)
    row = fetch_row(session, due.with_for_update(skip_locked=True), FanoutRow)
    if row is None:
        return False
    is_fanout = FANOUT.c.event == row["event"]
    postpone = sa.update(FANOUT).where(is_fanout).values(due_at=now() + RETRY_DELAY)
    _run_guarded(
        session, partial(_fan_out_batch, session, row), partial(session.execute, postpone), fanout=row["event"]
    )
    return True


def _fan_out_batch(session: Session, row: FanoutRow) -> None:
    is_fanout = FANOUT.c.event == row["event"]
    connection = session.connection()
    audience = AUDIENCES[row["what"]](connection, row["content"])
    if audience is None:  # no longer public; if it is published again, that event is fanned out
        session.execute(sa.delete(FANOUT).where(is_fanout))
        return
    recipients, horizon = find_recipients(
        connection, audience.keys, row["at"], row["after"], BATCH_SIZE, audience.author
    )
    _notify_recipients(session, row, recipients)
    done = {"due_at": None} if horizon is None else {"after": horizon}
    session.execute(sa.update(FANOUT).where(is_fanout).values(done))


def _notify_recipients(session: Session, row: FanoutRow, recipients: list[Recipient]) -> None:
    """Notify each recipient once, immediately if any matching subscription says so, else in a digest."""
    at_once, later = list[NewDelivery](), list[NewDigestItem]()
    for recipient in recipients:
        ids = [one["id"] for one in recipient.subscriptions]
        frequencies = {one["frequency"] for one in recipient.subscriptions}
        content: Content = {**row["content"], "subscriptions": ids}
        if "immediate" in frequencies:
            at_once.append(
                NewDelivery(
                    channel=CHANNEL,
                    lane=LANE,
                    endpoint=recipient.subscriber_id,
                    event=row["event"],
                    what=row["what"],
                    content=content,
                    position=Position(row["xid"], row["seq"]),
                )
            )
        else:
            frequency = "daily" if "daily" in frequencies else "weekly"
            later.append(
                {
                    "subscriber_id": recipient.subscriber_id,
                    "event": row["event"],
                    "what": row["what"],
                    "content": content,
                    "frequency": frequency,
                }
            )
    if at_once:
        enqueue_deliveries(session, at_once)
    if later:
        add_items(session, later)


def prune_fanouts(session: Session) -> int:
    """Delete finished fan-outs older than `RETENTION`, and expired opt-ins."""
    delete = sa.delete(FANOUT).where(FANOUT.c.due_at.is_(None), FANOUT.c.created_at < now() - RETENTION)
    return count_affected(session.execute(delete)) + opt_ins.prune_opt_ins(session)


MAX_NEWS_AGE = timedelta(days=2)  # older articles are not announced, such as imported ones


def on_event(session: Session, entry: LoggedEvent) -> None:
    """Handle an event as the consumer `notifications`."""
    match entry.event:
        case CommentPublished(subject_id=comment_id):
            apply_notify(session, comment_id, entry.at)
            _add_fanout(session, entry, f"{entry.type}:{comment_id}", {"comment": comment_id})
        case CommentEdited(subject_id=comment_id):
            apply_notify(session, comment_id, entry.at)
        case ArticlePublished(subject_id=article_id) if _is_news(session, entry):
            _add_fanout(session, entry, f"{entry.type}:{article_id}", {"article": article_id})
        case ArticleCorrected() as event:
            _on_correction(session, entry, event)
        case ArticleSubmitted() | ArticleApproved() | ArticleReturned() | ArticleHeld() | ReleaseFailed():
            tell_staff(session, entry)
        case NoteCreated() | NoteChanged() | TaskCreated() | TaskChanged() | TaskDue():
            tell_staff(session, entry)
        case CommentDecided() as event:
            tell_author(session, event)
        case CommentsRemoved(subject_id=action_id):
            tell_of_removal(session, action_id)


def _add_fanout(session: Session, entry: LoggedEvent, event: str, content: Content) -> None:
    """Add the fan-out of an event, unless it has no recipients.

    What is published again counts as of the first time: those who have subscribed since are not notified.
    """
    connection, moment = session.connection(), now()
    if not has_subscriptions(connection):
        return
    audience = AUDIENCES[entry.type](connection, content)
    at = entry.at if isinstance(entry.event, ArticleCorrected) else find_first_time(connection, entry)
    if audience is None or not has_recipients(connection, audience.keys, at):
        return
    row: FanoutRow = {
        "event": event,
        "what": entry.type,
        "content": content,
        "at": at,
        "xid": entry.position.xid,
        "seq": entry.position.seq,
        "after": None,
        "due_at": moment,
        "created_at": moment,
    }
    session.execute(insert_into(session, FANOUT).on_conflict_do_nothing(), {**row})


def _is_news(session: Session, entry: LoggedEvent) -> bool:
    row = session.execute(
        sa.select(ARTICLE.c.published_at, ARTICLE.c.type).where(ARTICLE.c.id == entry.subject_id)
    ).first()
    if row is None or row.published_at is None or row.type == PAGE_TYPE:
        return False
    return bool(row.published_at > entry.at - MAX_NEWS_AGE)


def _on_correction(session: Session, entry: LoggedEvent, event: ArticleCorrected) -> None:
    """Add the fan-out of a correction, unless it was withdrawn meanwhile.

    Events of former releases have no number: their correction is the last one with the same kind and text.
    """
    query = sa.select(ARTICLE.c.corrections).where(ARTICLE.c.id == entry.subject_id)
    corrections = session.execute(query).scalar_one_or_none() or []
    correction = (event.kind, event.text)
    number = event.n or max((one["n"] for one in corrections if (one["kind"], one["text"]) == correction), default=0)
    if any(one["n"] == number for one in corrections):
        key = f"{entry.type}:{entry.subject_id}:{number}"
        _add_fanout(session, entry, key, {"article": event.subject_id, "correction_n": number})
