"""Telling: mails that ask back, and facts given to their subscribers a few hundred at a time."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.deliveries.actions import enqueue, enqueue_all
from app.deliveries.schemas import NewDelivery
from app.events.schemas import Position
from app.kit.clock import now
from app.kit.db.base import is_full, is_unavailable
from app.kit.schema import Row, affected
from app.notifications.digests.actions import gather
from app.notifications.queries import CIRCLES, FANOUT
from app.notifications.schemas import ASKING, CHANNEL, LANE
from app.subscriptions.opt_ins import actions as opt_ins
from app.subscriptions.queries import Hearer, hearers

AT_ONCE: Final = 200  # subscribers who are told in one transaction: others want to write, too
PUT_BACK = timedelta(minutes=1)
KEPT = timedelta(days=100)  # as long as the log
log = structlog.get_logger("broadsheet.notifications")


def _guarded(session: Session, work: Callable[[], object], put_back: Callable[[], object], **about: Any) -> None:
    """Do a piece of work; one that cannot be done is logged, put back and stands in nobody's way."""
    try:
        with session.begin_nested():
            work()
    except Exception as error:
        if isinstance(error, DBAPIError) and (is_unavailable(error) or is_full(error)):
            raise  # the store's fault: all of it is tried again
        log.exception("could not be told", **about)
        put_back()


def ask_back(session: Session, most_in_hour: int) -> int:
    """Look at what was asked for, and have mails sent that ask for a confirmation; returns how much that was."""
    requests = opt_ins.next_requests(session)
    for request in requests:
        _guarded(
            session,
            partial(_ask_back, session, request, most_in_hour),
            partial(opt_ins.put_back, session, request),
            request=request["id"],
        )
    return len(requests)


def _ask_back(session: Session, request: Row, most_in_hour: int) -> None:
    opt_in = opt_ins.take(session, request, most_in_hour)
    if opt_in is not None:
        enqueue(
            session,
            channel=CHANNEL,
            lane=ASKING,
            endpoint=opt_in["subscriber_id"],
            event=f"opt_in:{opt_in['id']}",
            what="opt_in",
            content={"opt_in": opt_in["id"]},
        )


def spread(session: Session) -> int:
    """Tell a fact to its next subscribers; returns whether there was one."""
    due = sa.select(FANOUT).where(FANOUT.c.due_at <= now()).order_by(FANOUT.c.due_at).limit(1)
    row = session.execute(due.with_for_update(skip_locked=True)).mappings().first()
    if row is None:
        return 0
    here = FANOUT.c.event == row["event"]
    later = sa.update(FANOUT).where(here).values(due_at=now() + PUT_BACK)
    _guarded(session, partial(_step, session, row), partial(session.execute, later), fact=row["event"])
    return 1


def _step(session: Session, row: Row) -> None:
    here = FANOUT.c.event == row["event"]
    connection = session.connection()
    circle = CIRCLES[row["what"]](connection, row["content"])
    if circle is None:  # readers see it no more; should it come back, it is told then
        session.execute(sa.delete(FANOUT).where(here))
        return
    found, horizon = hearers(connection, circle.keys, row["at"], row["after"], AT_ONCE, circle.author)
    _tell(session, row, found)
    done = {"due_at": None} if horizon is None else {"after": horizon}
    session.execute(sa.update(FANOUT).where(here).values(done))


def _tell(session: Session, row: Row, found: list[Hearer]) -> None:
    """One notification for each, however many of their subscriptions it concerns: at once if any of them says so."""
    at_once, later = list[NewDelivery](), list[dict[str, Any]]()
    for hearer in found:
        ids = [one["id"] for one in hearer.subscriptions]
        frequencies = {one["frequency"] for one in hearer.subscriptions}
        content = {**row["content"], "subscriptions": ids}
        if "immediate" in frequencies:
            at_once.append(
                NewDelivery(
                    channel=CHANNEL,
                    lane=LANE,
                    endpoint=hearer.subscriber_id,
                    event=row["event"],
                    what=row["what"],
                    content=content,
                    position=Position(row["xid"], row["seq"]),
                )
            )
        else:
            frequency = "daily" if "daily" in frequencies else "weekly"
            item = {"subscriber_id": hearer.subscriber_id, "event": row["event"], "what": row["what"]}
            later.append(item | {"frequency": frequency, "content": content})
    if at_once:
        enqueue_all(session, at_once)
    if later:
        gather(session, later)


def prune(session: Session) -> int:
    """Forget facts that nobody can bring back."""
    gone = sa.delete(FANOUT).where(FANOUT.c.due_at.is_(None), FANOUT.c.created_at < now() - KEPT)
    return affected(session.execute(gone)) + opt_ins.prune(session)
