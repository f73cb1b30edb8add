"""Making, changing and ending subscriptions; who may is decided before."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.schema import Row, affected
from app.subscriptions.queries import SUBSCRIBER, SUBSCRIPTION, subscriber_with
from app.subscriptions.schemas import Wish, address_hash

MOST: Final = 1000  # subscriptions of one subscriber
CHANNEL: Final = "mail"
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def subscriber_for(session: Session, email: str, *, proven: bool) -> Row:
    """The subscriber with an address, made if there is none; `proven` notes that it is theirs."""
    row = {"id": new_id(), "email": email.lower(), "address": address_hash(email), "generation": 1}
    row |= {"created_at": now(), "confirmed_at": None}
    session.execute(_INSERT[session.get_bind().dialect.name](SUBSCRIBER).on_conflict_do_nothing(), row)
    found = subscriber_with(session, email)
    if found is None:
        raise RuntimeError("a subscriber vanished while being made")
    if proven:
        prove(session, found["id"])
    return found


def prove(session: Session, subscriber_id: str) -> None:
    """Note that an address is its subscriber's."""
    fresh = (SUBSCRIBER.c.id == subscriber_id) & SUBSCRIBER.c.confirmed_at.is_(None)
    session.execute(sa.update(SUBSCRIBER).where(fresh).values(confirmed_at=now()))


def wanted(session: Session, subscriber_id: str, wish: Wish) -> Row | None:
    """The subscription that somebody wishes for, made as one that waits if there is none; None: they have too many."""
    this = {"subscriber_id": subscriber_id, "kind": wish.kind, "target": wish.target, "channel": CHANNEL}
    here = sa.and_(*(SUBSCRIPTION.c[name] == value for name, value in this.items()))
    query = sa.select(SUBSCRIPTION).where(here).with_for_update()
    if (found := session.execute(query).mappings().first()) is not None:
        return found
    mine = sa.select(sa.func.count()).where(SUBSCRIPTION.c.subscriber_id == subscriber_id)
    if session.execute(mine).scalar_one() >= MOST:
        return None
    row = this | {
        "id": new_id(),
        "frequency": wish.frequency,
        "article_id": wish.article_id,
        "participant_id": wish.participant_id,
        "created_at": now(),
        "confirmed_at": None,
    }
    session.execute(_INSERT[session.get_bind().dialect.name](SUBSCRIPTION).on_conflict_do_nothing(), row)
    return session.execute(query).mappings().first()


def settle(session: Session, subscription: Row, frequency: str, since: datetime) -> None:
    """Let a subscription hold from a moment on, as it was asked for; one that holds already keeps its beginning."""
    since = subscription["confirmed_at"] or since
    here = SUBSCRIPTION.c.id == subscription["id"]
    session.execute(sa.update(SUBSCRIPTION).where(here).values(frequency=frequency, confirmed_at=since))


def renew(session: Session, subscription: Row) -> None:
    """Let a subscription that was asked for again wait as long as a new one."""
    here = (SUBSCRIPTION.c.id == subscription["id"]) & SUBSCRIPTION.c.confirmed_at.is_(None)
    session.execute(sa.update(SUBSCRIPTION).where(here).values(created_at=now()))


def change(session: Session, subscription_id: str, frequency: str) -> None:
    """Set how often somebody hears of it."""
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id).values(frequency=frequency))


def end(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    """End subscriptions, and forget subscribers who have none left; returns how many ended."""
    gone = sa.delete(SUBSCRIPTION).where(*conditions).returning(SUBSCRIPTION.c.subscriber_id)
    ended = list(session.execute(gone).scalars())
    forget_idle(session, set(ended))
    return len(ended)


def forget_idle(session: Session, subscriber_ids: Collection[str]) -> None:
    """Forget those of these subscribers who have no subscription left, confirmed or not: nobody needs their address."""
    left = sa.exists().where(SUBSCRIPTION.c.subscriber_id == SUBSCRIBER.c.id)
    for one in sorted(subscriber_ids):
        here = SUBSCRIBER.c.id == one
        session.execute(sa.select(SUBSCRIBER.c.id).where(here).with_for_update())  # what is being added is seen below
        session.execute(sa.delete(SUBSCRIBER).where(here, ~left))


def forget_subscriber(session: Session, subscriber_id: str) -> bool:
    """Forget an address and its subscriptions; what waits to be sent to it finds nobody."""
    return affected(session.execute(sa.delete(SUBSCRIBER).where(SUBSCRIBER.c.id == subscriber_id))) == 1


def rotate(session: Session, subscriber_id: str) -> int:
    """End every manage token that was given out; returns the generation of the next."""
    here = SUBSCRIBER.c.id == subscriber_id
    turned = sa.update(SUBSCRIBER).where(here).values(generation=SUBSCRIBER.c.generation + 1)
    return int(session.execute(turned.returning(SUBSCRIBER.c.generation)).scalar_one())


def forget_participants(session: Session, participant_ids: Sequence[str]) -> None:
    """End what somebody asked for with their comments, when they are erased."""
    if participant_ids:
        end(session, SUBSCRIPTION.c.participant_id.in_(participant_ids))


def forget_article(session: Session, article_id: str) -> None:
    """End every subscription to an article that is purged, and to what was said there."""
    end(session, (SUBSCRIPTION.c.article_id == article_id) | (SUBSCRIPTION.c.target == f"article:{article_id}"))
