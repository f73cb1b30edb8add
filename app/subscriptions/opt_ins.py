"""Reading what was asked for: targets that can be subscribed to, the limits of mails, and what a mail tells."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.articles.reading import ARTICLE
from app.comments.reading import C, is_author
from app.core.clock import now
from app.core.ids import as_id, is_id, new_id
from app.core.problems import Forbidden, Invalid, Unauthorized
from app.db.columns import Row, affected, table_of
from app.identity.participants import confirm_email as prove_participant
from app.identity.participants import find_caller, find_participant_by
from app.identity.schemas import Actor
from app.identity.secrets import CONFIRM_PREFIX, Vault
from app.publication.references import Kind, resolve_reference
from app.publication.terms import take_name_lock
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SITE, TYPES, SubscriptionIn, TargetIn, Wish, mailbox_hash
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION, subscriber, subscriber_with
from app.subscriptions.suppressions import of as suppression_of
from app.subscriptions.suppressions import welcome_back
from app.subscriptions.tables import CommentAsk, OptIn, SubscriptionRequest

OPT_IN, REQUEST, COMMENT_ASK = table_of(OptIn), table_of(SubscriptionRequest), table_of(CommentAsk)
EXPIRES: Final = timedelta(days=3)  # how long a subscription waits to be confirmed
WINDOW: Final = timedelta(hours=6)
MOST_TO_MAILBOX: Final = 3  # mails in `WINDOW` that ask one mailbox to confirm something
MOST_FROM_NETWORK: Final = 20  # the same for whatever is asked from one network address
MOST_FROM: Final = {"network": MOST_FROM_NETWORK, "near_range": 60, "far_range": 300}  # and from the ranges around it
_COUNT = sa.select(sa.func.count()).select_from(OPT_IN)
_COMMENT = sa.select(C.c.id, C.c.article_id, C.c.root_id, C.c.state, C.c.listed, C.c.participant_id, ARTICLE.c.public)
_COMMENT = _COMMENT.join(ARTICLE, ARTICLE.c.id == C.c.article_id)


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
        query = sa.select(ARTICLE.c.id).where(_matches(ARTICLE, target), ARTICLE.c.public)
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
    me = find_caller(store, actor) if actor.kind in ("guest", "reader") else None
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
    me = find_caller(store, actor) if actor.kind == "guest" else None
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
    subscriber = subscriptions.subscriber_for(session, wish.email, proven=True)
    subscription = subscriptions.wanted(session, subscriber["id"], wish)
    if subscription is not None:
        subscriptions.settle(session, subscription, wish.frequency, since)


def _ask(session: Session, wish: Wish, most_in_hour: int) -> Row | None:
    """What a mail has to ask back, within the limits; beyond them nothing is kept at all."""
    take_name_lock(session, "opt_in")  # or two would count what the other is about to add to
    mailbox = mailbox_hash(wish.email)
    if suppression_of(session, wish.email):
        return None
    known = subscriber_with(session, wish.email)
    is_subscriber = known is not None and known["confirmed_at"] is not None
    if not may_mail(session, mailbox, wish, most_in_hour, is_subscriber=is_subscriber):
        return None
    subscriber = subscriptions.subscriber_for(session, wish.email, proven=False)
    subscription = subscriptions.wanted(session, subscriber["id"], wish)
    if subscription is None:
        return None
    subscriptions.renew(session, subscription)
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


def heed(session: Session, comment_id: str, at: datetime) -> None:
    """Do what a comment's author asked for in `notify`, now that it is public.

    Each wish is acted on once: a comment that comes back, or is edited, brings nothing back that was ended since.
    Where the address is proven for this very author, it holds from the comment on; an address that was only typed is
    asked back, whoever else may have proven it.
    """
    comment = session.execute(sa.select(C).where(C.c.id == comment_id)).mappings().first()
    if comment is None or comment["state"] != "published" or comment["participant_id"] is None:
        return
    if comment["notify"] == _remembered(session, comment):
        return
    _stop(session, comment)
    email, person = comment["email"], find_participant_by(session, "id", comment["participant_id"])
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
        if at > now() - EXPIRES:  # nobody expects to be asked about it later than that
            _note(session, wish, proven=False)
    elif suppression_of(session, email) is None:
        _at_once(session, wish, at)


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
    subscriptions.end(session, mine, these)


def confirm_token(vault: Vault, opt_in_id: str) -> str:
    """The token that confirms; it is made when the mail is, and stored nowhere."""
    return vault.seal_token(CONFIRM_PREFIX, opt_in_id.replace("-", ""))


def confirm(session: Session, _actor: Actor, vault: Vault, token: str) -> str:
    """Let a subscription hold; returns its id. Confirming again changes nothing: it only leads back to what holds, and
    no longer than the manage token that was given the first time.

    A comment's author who asked for it has proven their e-mail with it: they, and nobody else who typed it.
    """
    body = vault.unseal_token(CONFIRM_PREFIX, token)
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
    subscriptions.settle(session, subscription, row["frequency"], now())
    subscriptions.prove(session, row["subscriber_id"])
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
    forgotten = subscriptions.end(session, waits, SUBSCRIPTION.c.id.in_(old))
    return forgotten + affected(session.execute(sa.delete(OPT_IN).where(OPT_IN.c.created_at < late)))
