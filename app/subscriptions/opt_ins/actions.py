"""Asking, being asked back by mail, and confirming."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.comments.queries import C
from app.events.schemas import Entry
from app.identity.participants.actions import confirm as prove_participant
from app.identity.participants.queries import by
from app.identity.schemas import Actor
from app.identity.secrets.actions import CONFIRM, Vault
from app.kit.clock import now
from app.kit.ids import as_id, new_id
from app.kit.problems import Invalid
from app.kit.schema import Row, affected
from app.publication.actions import alone
from app.subscriptions import actions
from app.subscriptions.opt_ins.queries import (
    COMMENT_ASK,
    EXPIRES,
    OPT_IN,
    REQUEST,
    may_mail,
    proven_email,
    target_of,
    waiting,
)
from app.subscriptions.opt_ins.schemas import SubscriptionIn
from app.subscriptions.queries import SUBSCRIPTION, subscriber_with
from app.subscriptions.schemas import Wish, mailbox_hash
from app.subscriptions.suppressions.actions import welcome_back
from app.subscriptions.suppressions.queries import of as suppression_of

AT_ONCE: Final = 50  # requests that one transaction looks at
PUT_BACK = timedelta(minutes=1)
FORGOTTEN = timedelta(hours=1)  # requests that cannot be looked at for so long are given up
_WISH = (
    "email",
    "kind",
    "target",
    "frequency",
    "article_id",
    "participant_id",
    "comment_id",
    "confirm_url",
    "network",
    "near_range",
    "far_range",
)
_REMEMBER: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Places(NamedTuple):
    """Hashes of the network address that something is asked from, and of the ranges that it is in."""

    network: str | None = None
    near_range: str | None = None
    far_range: str | None = None


class TokenInvalid(Invalid):
    """The token is unknown, has expired, or what it stood for has ended."""

    code, title = "token_invalid", "The token is unknown or has expired"


def request(session: Session, actor: Actor, data: SubscriptionIn, places: Places) -> None:
    """Note what is asked for; the worker does the rest, so that the answer tells nothing of the address.

    Whose address is proven knows all that there is to know of it: for them it holds at once.
    """
    connection = session.connection()
    target, article_id = target_of(connection, actor, data)
    proven = proven_email(connection, actor)
    email = data.email or proven
    if email is None:
        raise Invalid("Send an `email`: no token of the request proves one.", pointer="/email", code="required")
    wish = Wish(
        email=email,
        kind=data.kind,
        target=target,
        frequency=data.frequency,
        article_id=article_id,
        participant_id=target.partition(":")[2] if target.startswith("participant:") else None,
        confirm_url=data.confirm_url,
        **places._asdict(),
    )
    if email == proven:
        _at_once(session, wish, now())
    else:
        _note(session, wish, proven=False)


def _note(session: Session, wish: Wish, proven: bool) -> None:
    moment = now()
    row = wish._asdict() | {"id": new_id(), "proven": proven, "created_at": moment, "due_at": moment}
    session.execute(sa.insert(REQUEST), row)


def next_requests(session: Session) -> list[Row]:
    """What was asked for and is to be looked at now; on PostgreSQL by nobody else meanwhile."""
    due = sa.select(REQUEST).where(REQUEST.c.due_at <= now()).order_by(REQUEST.c.due_at, REQUEST.c.id).limit(AT_ONCE)
    return list(session.execute(due.with_for_update(skip_locked=True)).mappings())


def put_back(session: Session, row: Row) -> None:
    """Look at a request again later, or no more."""
    here = REQUEST.c.id == row["id"]
    if row["created_at"] < now() - FORGOTTEN:
        session.execute(sa.delete(REQUEST).where(here))
    else:
        session.execute(sa.update(REQUEST).where(here).values(due_at=now() + PUT_BACK))


def take(session: Session, row: Row, most_in_hour: int) -> Row | None:
    """Do what was asked for; returns what a mail has to ask back, or None if there is to be no mail."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == row["id"]))
    wish = Wish(**{name: row[name] for name in _WISH})
    if row["proven"]:
        _at_once(session, wish, row["created_at"])
        return None
    return _ask(session, wish, most_in_hour)


def _at_once(session: Session, wish: Wish, since: datetime) -> None:
    if not welcome_back(session, wish.email, since):
        return
    subscriber = actions.subscriber_for(session, wish.email, proven=True)
    subscription = actions.wanted(session, subscriber["id"], wish)
    if subscription is not None:
        actions.settle(session, subscription, wish.frequency, since)


def _ask(session: Session, wish: Wish, most_in_hour: int) -> Row | None:
    """What a mail has to ask back, within the limits; beyond them nothing is kept at all."""
    alone(session, "opt_in")  # or two would count what the other is about to add to
    mailbox = mailbox_hash(wish.email)
    if suppression_of(session, wish.email):
        return None
    known = subscriber_with(session, wish.email)
    is_subscriber = known is not None and known["confirmed_at"] is not None
    if not may_mail(session, mailbox, wish, most_in_hour, is_subscriber=is_subscriber):
        return None
    subscriber = actions.subscriber_for(session, wish.email, proven=False)
    subscription = actions.wanted(session, subscriber["id"], wish)
    if subscription is None:
        return None
    actions.renew(session, subscription)
    row: dict[str, Any] = {
        "id": new_id(),
        "subscription_id": subscription["id"],
        "frequency": wish.frequency,
        "confirm_url": wish.confirm_url,
        "participant_id": wish.participant_id if wish.comment_id else None,
        "comment_id": wish.comment_id,
        "mailbox": mailbox,
        "network": wish.network,
        "near_range": wish.near_range,
        "far_range": wish.far_range,
        "used": None,
        "created_at": now(),
    }
    session.execute(sa.insert(OPT_IN), row)
    return row | {"subscriber_id": subscriber["id"]}


def heed(session: Session, entry: Entry) -> None:
    """Do what a comment's author asked for in `notify`, now that it is public.

    Each wish is acted on once: a comment that comes back, or is edited, brings nothing back that was ended since.
    Where the address is proven for this very author, it holds from the comment on; an address that was only typed is
    asked back, whoever else may have proven it.
    """
    comment = session.execute(sa.select(C).where(C.c.id == entry.subject_id)).mappings().first()
    if comment is None or comment["state"] != "published" or comment["participant_id"] is None:
        return
    if comment["notify"] == _remembered(session, comment):
        return
    _stop(session, comment)
    email, person = comment["email"], by(session, "id", comment["participant_id"])
    if comment["notify"] == "none" or email is None or person is None:
        return
    is_all = comment["notify"] == "all"
    near, far = (comment["address_ranges"] or "").split() or (None, None)
    wish = Wish(
        email=email,
        kind="comments.all" if is_all else "comments.replies_to_me",
        target=f"article:{comment['article_id']}" if is_all else f"comment:{comment['id']}",
        article_id=comment["article_id"],
        participant_id=person["id"],
        comment_id=comment["id"],
        network=comment["address_hash"],
        near_range=near,
        far_range=far,
    )
    if person["confirmed_at"] is None or person["email"] != email:
        if entry.at > now() - EXPIRES:  # nobody expects to be asked about it later than that
            _note(session, wish, proven=False)
    elif suppression_of(session, email) is None:
        _at_once(session, wish, entry.at)


def _remembered(session: Session, comment: Row) -> str:
    """What the comment's author wished when that was last acted on; what they wish now is remembered."""
    query = sa.select(COMMENT_ASK.c.notify).where(COMMENT_ASK.c.comment_id == comment["id"])
    before: str = session.execute(query).scalar_one_or_none() or "none"
    if before != comment["notify"]:
        insert = _REMEMBER[session.get_bind().dialect.name](COMMENT_ASK)
        row = {"comment_id": comment["id"], "notify": comment["notify"]}
        kept = insert.on_conflict_do_update(index_elements=["comment_id"], set_={"notify": comment["notify"]})
        session.execute(kept, row)
    return before


def _stop(session: Session, comment: Row) -> None:
    """End what this comment's author asked for with it before."""
    mine = SUBSCRIPTION.c.participant_id == comment["participant_id"]
    asked = ("comments.replies_to_me", f"comment:{comment['id']}"), ("comments.all", f"article:{comment['article_id']}")
    these = sa.or_(*((SUBSCRIPTION.c.kind == kind) & (SUBSCRIPTION.c.target == target) for kind, target in asked))
    actions.end(session, mine, these)


def confirm_token(vault: Vault, opt_in_id: str) -> str:
    """The token that confirms; it is made when the mail is, and stored nowhere."""
    return vault.sealed(CONFIRM, opt_in_id.replace("-", ""))


def confirm(session: Session, _actor: Actor, vault: Vault, token: str) -> str:
    """Let a subscription hold; returns its id. Confirming again changes nothing: it only leads back to what holds, and
    no longer than the manage token that was given the first time.

    A comment's author who asked for it has proven their e-mail with it: they, and nobody else who typed it.
    """
    body = vault.unsealed(CONFIRM, token)
    row = waiting(session, as_id(body)) if body and len(body) == 32 else None
    if row is None or row["used"] not in (None, row["generation"]) or suppression_of(session, row["email"]):
        raise TokenInvalid(pointer="/token", code="token_invalid")
    subscription = (
        session.execute(sa.select(SUBSCRIPTION).where(SUBSCRIPTION.c.id == row["subscription_id"]).with_for_update())
        .mappings()
        .first()
    )
    if subscription is None:
        raise TokenInvalid(pointer="/token", code="token_invalid")
    if row["used"] is not None:
        return str(row["subscription_id"])
    session.execute(sa.update(OPT_IN).where(OPT_IN.c.id == row["id"]).values(used=row["generation"]))
    actions.settle(session, subscription, row["frequency"], now())
    actions.prove(session, row["subscriber_id"])
    if row["participant_id"] is not None:
        prove_participant(session, row["participant_id"], row["email"])
    return str(row["subscription_id"])


def forget(session: Session, email: str) -> None:
    """Drop what was asked for with an address and not looked at yet."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.email == email))


def prune(session: Session) -> int:
    """Forget what nobody confirmed in time, and subscribers who have nothing else; what limits count lives as long."""
    late = now() - EXPIRES
    waits = SUBSCRIPTION.c.confirmed_at.is_(None)  # said twice: what is confirmed at this moment stays
    old = sa.select(SUBSCRIPTION.c.id).where(waits, SUBSCRIPTION.c.created_at < late).limit(AT_ONCE * 10)
    forgotten = actions.end(session, waits, SUBSCRIPTION.c.id.in_(old))
    return forgotten + affected(session.execute(sa.delete(OPT_IN).where(OPT_IN.c.created_at < late)))
