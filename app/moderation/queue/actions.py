"""Taking comments out of the queue, and keeping what the queue is made of."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.problems import Conflict, NotFound
from app.kit.schema import Row, affected
from app.moderation.queries import C, check_reach
from app.moderation.queue import queries
from app.moderation.queue.queries import CASE, LEASE
from app.moderation.queue.schemas import ClaimIn

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
    free = queries.waiting(actor, asked, asked.limit * 5, free=True).subquery()
    sort = queries.SORTS[asked.sort]
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
    return {"data": queries.items(connection, result[0]), "until": result[1]}


def release(session: Session, actor: Actor, comment_id: str) -> None:
    """Give a comment back to the queue: the moderator who took it may, and an admin."""
    query = sa.select(C.c.article_id).where(C.c.id == comment_id)
    article_id = session.execute(query).scalar_one_or_none()
    if article_id is None:
        raise NotFound
    check_reach(session.connection(), actor, article_id)
    mine = sa.true() if actor.may("admin") else LEASE.c.key_id == actor.id
    gone = affected(session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id, mine)))
    if not gone and queries.lease_of(session.connection(), comment_id, now()):
        raise Leased("Only who took it gives it back.")


def take_over(session: Session, actor: Actor, comment_id: str, *, force: bool) -> None:
    """End the lease of a comment that is being decided about; 409 where it is another moderator's."""
    held = queries.lease_of(session.connection(), comment_id, now())
    if held is not None and held["key_id"] != actor.id and not force:
        raise Leased
    session.execute(sa.delete(LEASE).where(LEASE.c.comment_id == comment_id))


def keep(session: Session, comment: Row, **values: Any) -> None:
    """Set what moderation keeps of a comment, whose row the caller has locked; the queue follows from it."""
    case = queries.case_of(session.connection(), comment["id"])
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
