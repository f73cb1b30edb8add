"""Taking requests, and doing what was asked once the callback has confirmed it."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.deliveries.actions import cancel, enqueue
from app.identity.schemas import Actor
from app.kit.addresses import Guard
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.outgoing import Refused, check
from app.kit.problems import Invalid, Problem, Unavailable
from app.kit.schema import affected
from app.syndication.hub.queries import REQUEST, SUBSCRIPTION, target
from app.syndication.hub.schemas import Wish, topic_of
from app.syndication.schemas import Publication

CHANNEL = "websub"
MOST_WAITING, MOST = 1_000, 20_000  # requests that wait for their callbacks, and subscriptions
PATIENCE = timedelta(days=1)  # with callbacks that neither confirm nor refuse
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KEPT = "pair topic callback kind target_id form secret".split()


def _count(session: Session, table: sa.Table) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def ask(session: Session, _actor: Actor, wish: Wish, here: Publication, guard: Guard) -> str:
    """Note a request and have its callback asked; nothing changes before that has answered."""
    try:
        check(wish.callback, guard)
    except Refused as error:
        raise Invalid(f"The callback is {error}.", pointer="/hub.callback", code="callback_refused") from error
    topic = topic_of(wish.topic, here)
    try:
        target_id = target(session.connection(), topic) if topic else None
    except Problem:
        topic = None
    if topic is None:
        raise Invalid("That is no feed of this server.", pointer="/hub.topic", code="unknown_topic")
    if _count(session, REQUEST) >= MOST_WAITING or _count(session, SUBSCRIPTION) >= MOST:
        raise Unavailable("The hub has as many subscribers as it takes.", retry_after=600)
    request_id = new_id()
    row = {
        "id": request_id,
        "mode": wish.mode,
        "pair": sha256(f"{wish.topic}\n{wish.callback}".encode()).hexdigest(),
        "topic": wish.topic,
        "callback": wish.callback,
        "kind": topic.kind,
        "target_id": target_id,
        "form": topic.form,
        "secret": wish.secret,
        "lease_seconds": wish.lease,
        "created_at": now(),
    }
    session.execute(sa.insert(REQUEST).values(row))
    enqueue(session, channel=CHANNEL, endpoint=request_id, event=f"verify:{request_id}", what="verify", content={})
    return request_id


def confirm(session: Session, request_id: str) -> None:
    """Do what a request asked for: its callback wants it. A new lease takes the place of the one before."""
    row = session.execute(sa.select(REQUEST).where(REQUEST.c.id == request_id).with_for_update()).mappings().first()
    if row is None:
        return
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))
    if row["mode"] == "unsubscribe":
        there = sa.select(SUBSCRIPTION.c.id).where(SUBSCRIPTION.c.pair == row["pair"])
        if found := session.execute(there).scalar_one_or_none():
            end(session, found)
        return
    moment = now()
    until = moment + timedelta(seconds=row["lease_seconds"])
    values = {**{name: row[name] for name in _KEPT}, "verified_at": moment, "expires_at": until}
    new = _INSERT[session.get_bind().dialect.name](SUBSCRIPTION).values({"id": new_id(), **values})
    session.execute(new.on_conflict_do_update(index_elements=[SUBSCRIPTION.c.pair], set_=values))


def refuse(session: Session, request_id: str) -> None:
    """Forget a request that its callback does not want, or never answered to."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == request_id))


def end(session: Session, subscription_id: str) -> None:
    """End a subscription."""
    session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id))
    cancel(session, channel=CHANNEL, endpoint=subscription_id)


def prune(session: Session) -> int:
    """Forget leases that have ended, and requests that nobody confirmed."""
    moment = now()
    ended = session.execute(sa.delete(SUBSCRIPTION).where(SUBSCRIPTION.c.expires_at <= moment))
    stale = session.execute(sa.delete(REQUEST).where(REQUEST.c.created_at <= moment - PATIENCE))
    return affected(ended) + affected(stale)
