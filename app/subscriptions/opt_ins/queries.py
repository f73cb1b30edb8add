"""Reading what was asked for: targets that can be subscribed to, the limits of mails, and what a mail tells."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.queries import A
from app.comments.queries import C, is_author
from app.identity.participants.queries import find
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import is_id
from app.kit.problems import Forbidden, Invalid, Unauthorized
from app.kit.schema import Row, table_of
from app.publication.references import Kind, resolve_reference
from app.subscriptions.opt_ins.schemas import SubscriptionIn, TargetIn
from app.subscriptions.opt_ins.tables import CommentAsk, OptIn, SubscriptionRequest
from app.subscriptions.queries import SUBSCRIBER, SUBSCRIPTION, subscriber
from app.subscriptions.schemas import SITE, TYPES, Wish

OPT_IN, REQUEST, COMMENT_ASK = table_of(OptIn), table_of(SubscriptionRequest), table_of(CommentAsk)
EXPIRES: Final = timedelta(days=3)  # how long a subscription waits to be confirmed
WINDOW: Final = timedelta(hours=6)
MOST_TO_MAILBOX: Final = 3  # mails in `WINDOW` that ask one mailbox to confirm something
MOST_FROM_NETWORK: Final = 20  # the same for whatever is asked from one network address
MOST_FROM: Final = {"network": MOST_FROM_NETWORK, "near_range": 60, "far_range": 300}  # and from the ranges around it
_COUNT = sa.select(sa.func.count()).select_from(OPT_IN)
_COMMENT = sa.select(C.c.id, C.c.article_id, C.c.root_id, C.c.state, C.c.listed, C.c.participant_id, A.c.public)
_COMMENT = _COMMENT.join(A, A.c.id == C.c.article_id)


class UnknownTarget(Invalid):
    """There is nothing of this kind that readers see, or this kind of subscription has no such targets."""

    code, title = "unknown_target", "There is nothing here to subscribe to"


def target_of(store: sa.Connection, actor: Actor, asked: SubscriptionIn) -> tuple[str, str | None]:
    """What is asked for as `type:id`, and the article of comments; 422 unless readers see it."""
    target = asked.target
    kind = target.type if target else SITE
    if kind not in TYPES[asked.kind]:
        can = ", ".join(TYPES[asked.kind]).replace(SITE, "none")
        raise UnknownTarget(f"Targets of {asked.kind}: {can}.", pointer="/target", code="unknown_target")
    if target is None:
        if asked.kind == "comments.replies_to_me":
            return _myself(store, actor), None
        return SITE, None
    if kind == "comment":
        return _comment(store, actor, asked.kind, target)
    if kind == "article":
        query = sa.select(A.c.id).where(_matches(A, target), A.c.public)
        article_id = store.execute(query).scalar_one_or_none()
        if article_id is not None:
            return f"article:{article_id}", article_id if asked.kind == "comments.all" else None
    elif term := resolve_reference(store, cast(Kind, kind), target.id or target.slug or ""):
        return f"{kind}:{term.id}", None
    raise UnknownTarget("There is no such target.", pointer="/target", code="not_found")


def _matches(table: Any, target: TargetIn) -> sa.ColumnElement[bool]:
    if target.id is not None:
        return sa.and_(table.c.id == target.id)
    return sa.and_(table.c.slug == target.slug)


def _myself(store: sa.Connection, actor: Actor) -> str:
    """Whoever comments with this token: a target of its own, as two may share an address."""
    if actor.kind == "anonymous":
        raise Unauthorized("Send the token that you comment with, or name a comment of yours.")
    me = find(store, actor) if actor.kind in ("guest", "reader") else None
    if me is None:
        raise Forbidden("This token has written no comment.")
    return f"participant:{me['id']}"


def _comment(store: sa.Connection, actor: Actor, kind: str, target: TargetIn) -> tuple[str, str]:
    """A comment that readers see, as the top of its thread; or one of the caller's own."""
    row = store.execute(_COMMENT.where(C.c.id == target.id)).mappings().first() if is_id(target.id or "") else None
    if row is not None and row["public"]:
        if kind == "comments.thread" and row["listed"]:
            return f"comment:{row['root_id']}", row["article_id"]
        is_standing = row["state"] in ("published", "pending")
        if kind == "comments.replies_to_me" and is_standing and is_author(store, actor, row):
            return f"comment:{row['id']}", row["article_id"]
    raise UnknownTarget("There is no such comment, or it is not yours.", pointer="/target", code="not_found")


def proven_email(store: sa.Connection, actor: Actor) -> str | None:
    """The address that the caller has shown before to be theirs, or None."""
    if actor.reader is not None:
        return actor.reader.email if actor.reader.verified else None
    if actor.kind == "subscriber" and actor.subscriber is not None:
        row = subscriber(store, actor.subscriber)
        return str(row["email"]) if row is not None and row["generation"] == actor.generation else None
    me = find(store, actor) if actor.kind == "guest" else None
    return me["email"] if me is not None and me["confirmed_at"] is not None else None


def may_mail(session: Session, mailbox: str, wish: Wish, most_in_hour: int, *, is_subscriber: bool) -> bool:
    """Whether one more mail may ask for a confirmation: limits of the mailbox, of the network and of the site.

    The site's limit stops strangers first: a fifth of all mails is for those who have confirmed something before.
    """
    moment = now()
    since = moment - WINDOW
    to_it = _COUNT.where(OPT_IN.c.mailbox == mailbox, OPT_IN.c.created_at > since)
    if session.execute(to_it).scalar_one() >= MOST_TO_MAILBOX:
        return False
    for name, most in MOST_FROM.items():
        if (place := getattr(wish, name)) is not None:
            from_it = _COUNT.where(OPT_IN.c[name] == place, OPT_IN.c.created_at > since)
            if session.execute(from_it).scalar_one() >= most:
                return False
    of_all = _COUNT.where(OPT_IN.c.created_at > moment - timedelta(hours=1))
    most = most_in_hour + most_in_hour // 4 if is_subscriber else most_in_hour
    return bool(session.execute(of_all).scalar_one() < most)


def waiting(store: sa.Connection | Session, opt_in_id: str, moment: datetime | None = None) -> Row | None:
    """What a mail asked to confirm, with its subscription and subscriber; None if it expired or has ended."""
    query = (
        sa.select(
            OPT_IN,
            SUBSCRIPTION.c.kind,
            SUBSCRIPTION.c.target,
            SUBSCRIPTION.c.article_id,
            SUBSCRIPTION.c.confirmed_at,
            SUBSCRIPTION.c.subscriber_id,
            SUBSCRIBER.c.email,
            SUBSCRIBER.c.generation,
        )
        .join(SUBSCRIPTION, SUBSCRIPTION.c.id == OPT_IN.c.subscription_id)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == SUBSCRIPTION.c.subscriber_id)
        .where(OPT_IN.c.id == opt_in_id, OPT_IN.c.created_at > (moment or now()) - EXPIRES)
    )
    return store.execute(query).mappings().first()


def has_requests(connection: sa.Connection) -> bool:
    """Whether anything that was asked for has not been looked at."""
    return connection.execute(sa.select(REQUEST.c.id).where(REQUEST.c.due_at <= now()).limit(1)).first() is not None
