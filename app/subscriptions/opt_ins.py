"""Double opt-in: requests for subscriptions, the limits of confirmation mails, and confirmations."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE
from app.comments.reading import C, is_author
from app.core.clock import now
from app.core.ids import id_from_hex, is_id, new_id
from app.core.problems import Forbidden, Invalid, Unauthorized
from app.db.columns import count_affected, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Store, fetch_row, fetch_rows, insert_into
from app.identity.participants import confirm_email as prove_participant
from app.identity.participants import find_caller, find_participant_by
from app.identity.schemas import Actor
from app.identity.secrets import CONFIRM_PREFIX, Vault
from app.publication.references import Kind, resolve_reference
from app.publication.terms import take_name_lock
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SITE, TARGET_TYPES, SubscriptionIn, TargetIn, Wish, mailbox_hash
from app.subscriptions.subscriptions import SUBSCRIBER, SUBSCRIPTION, find_subscriber, find_subscriber_by_email
from app.subscriptions.suppressions import find_suppression, lift_own_unsubscribe
from app.subscriptions.tables import CommentAsk, OptIn, SubscriptionRequest

OPT_IN, REQUEST, COMMENT_ASK = table_of(OptIn), table_of(SubscriptionRequest), table_of(CommentAsk)
CONFIRMATION_PERIOD: Final = timedelta(days=3)  # after which an unconfirmed subscription is deleted
LIMIT_WINDOW: Final = timedelta(hours=6)
MAX_MAILS_PER_MAILBOX: Final = 3  # confirmation mails per `LIMIT_WINDOW`
MAX_MAILS_PER_NETWORK: Final = 20  # confirmation mails per `LIMIT_WINDOW`
MAX_MAILS_BY_ORIGIN: Final = {
    "network": MAX_MAILS_PER_NETWORK,
    "near_range": 60,
    "far_range": 300,
}  # the address, and the two ranges around it
_SELECT_COUNT = sa.select(sa.func.count()).select_from(OPT_IN)
_SELECT_COMMENT = sa.select(
    C.c.id, C.c.article_id, C.c.root_id, C.c.state, C.c.listed, C.c.participant_id, ARTICLE.c.public
)
_SELECT_COMMENT = _SELECT_COMMENT.join(ARTICLE, ARTICLE.c.id == C.c.article_id)
_OPT_IN_COLUMNS = "id subscription_id frequency confirm_url participant_id comment_id used".split()


class TargetComment(TypedDict):
    """A comment that a subscription may be about."""

    id: str
    article_id: str
    root_id: str
    state: str
    listed: bool
    participant_id: str | None
    public: bool  # whether its article is


class RequestRow(TypedDict):
    """A request for a subscription as stored."""

    id: str
    email: str
    kind: str
    target: str
    frequency: str
    article_id: str | None
    participant_id: str | None
    comment_id: str | None
    confirm_url: str | None
    network: str | None
    near_range: str | None
    far_range: str | None
    proven: bool
    created_at: datetime
    due_at: datetime


class OptInRow(TypedDict):
    """An opt-in with its subscription and subscriber."""

    id: str
    subscription_id: str
    frequency: str
    confirm_url: str | None
    participant_id: str | None
    comment_id: str | None
    used: int | None
    kind: str
    target: str
    article_id: str | None
    confirmed_at: datetime | None
    subscriber_id: str
    email: str
    generation: int


class NewOptIn(NamedTuple):
    """An opt-in to confirm by mail."""

    id: str
    subscriber_id: str


class NotifyRow(TypedDict):
    """The parts of a comment that its `notify` setting depends on."""

    id: str
    state: str
    article_id: str
    participant_id: str | None
    notify: str
    email: str | None
    address_hash: str | None
    address_ranges: str | None
    applied: str  # the `notify` value that was last applied


_APPLIED = sa.func.coalesce(COMMENT_ASK.c.notify, "none").label("applied")
_FIND_NOTIFY: Prepared[NotifyRow] = Prepared(
    sa.select(*(C.c[name] for name in NotifyRow.__annotations__ if name != "applied"), _APPLIED)
    .select_from(C.outerjoin(COMMENT_ASK, COMMENT_ASK.c.comment_id == C.c.id))
    .where(C.c.id == sa.bindparam("comment", type_=C.c.id.type))
)


class UnknownTarget(Invalid, code="unknown_target", title="The subscription target is unknown"):
    """No public target of this type exists, or the kind of subscription does not support it."""


def resolve_target(store: sa.Connection, actor: Actor, data: SubscriptionIn) -> tuple[str, str | None]:
    """Return the requested target as `type:id`, and the article of comments; 422 unless the target is public."""
    target = data.target
    kind = target.type if target else SITE
    if kind not in TARGET_TYPES[data.kind]:
        can = ", ".join(TARGET_TYPES[data.kind]).replace(SITE, "none")
        raise UnknownTarget(f"Targets of {data.kind}: {can}.", pointer="/target", code="unknown_target")
    if target is None:
        if data.kind == "comments.replies_to_me":
            return _caller_target(store, actor), None
        return SITE, None
    if kind == "comment":
        return _comment_target(store, actor, data.kind, target)
    if kind == "article":
        query = sa.select(ARTICLE.c.id).where(_matches(ARTICLE, target), ARTICLE.c.public)
        article_id = store.execute(query).scalar_one_or_none()
        if article_id is not None:
            return f"article:{article_id}", article_id if data.kind == "comments.all" else None
    elif term := resolve_reference(store, cast(Kind, kind), target.id or target.slug or ""):
        return f"{kind}:{term.id}", None
    raise UnknownTarget("The target does not exist or is not public.", pointer="/target", code="not_found")


def _matches(table: sa.Table, target: TargetIn) -> sa.ColumnElement[bool]:
    if target.id is not None:
        return sa.and_(table.c.id == target.id)
    return sa.and_(table.c.slug == target.slug)


def _caller_target(store: sa.Connection, actor: Actor) -> str:
    """Return the target for replies to all comments of the caller; participants may share an e-mail address."""
    if actor.kind == "anonymous":
        raise Unauthorized("Send the token that you comment with, or set `target` to one of your comments.")
    me = find_caller(store, actor) if actor.kind in ("guest", "reader") else None
    if me is None:
        raise Forbidden("No comment was written with this token.")
    return f"participant:{me['id']}"


def _comment_target(store: sa.Connection, actor: Actor, kind: str, target: TargetIn) -> tuple[str, str]:
    """Return the thread of a public comment, or one of the caller's own comments."""
    query = _SELECT_COMMENT.where(C.c.id == target.id)
    row = fetch_row(store, query, TargetComment) if is_id(target.id or "") else None
    if row is not None and row["public"]:
        if kind == "comments.thread" and row["listed"]:
            return f"comment:{row['root_id']}", row["article_id"]
        is_standing = row["state"] in ("published", "pending")
        if (
            kind == "comments.replies_to_me"
            and is_standing
            and is_author(store, actor, row["id"], row["participant_id"])
        ):
            return f"comment:{row['id']}", row["article_id"]
    raise UnknownTarget("The comment does not exist, or it is not yours.", pointer="/target", code="not_found")


def find_proven_email(store: sa.Connection, actor: Actor) -> str | None:
    """Return the caller's confirmed e-mail address, or None."""
    if actor.reader is not None:
        return actor.reader.email if actor.reader.verified else None
    if actor.kind == "subscriber" and actor.subscriber is not None:
        row = find_subscriber(store, actor.subscriber)
        return row["email"] if row is not None and row["generation"] == actor.generation else None
    me = find_caller(store, actor) if actor.kind == "guest" else None
    return me["email"] if me is not None and me["confirmed_at"] is not None else None


def may_mail(session: Session, mailbox: str, wish: Wish, most_in_hour: int, *, is_subscriber: bool) -> bool:
    """Tell whether another confirmation mail is within the limits of the mailbox, the network and the site.

    A fifth of the site's limit is reserved for confirmed subscribers.
    """
    moment = now()
    since = moment - LIMIT_WINDOW
    count_to_mailbox = _SELECT_COUNT.where(OPT_IN.c.mailbox == mailbox, OPT_IN.c.created_at > since)
    if session.execute(count_to_mailbox).scalar_one() >= MAX_MAILS_PER_MAILBOX:
        return False
    for name, limit in MAX_MAILS_BY_ORIGIN.items():
        if (origin := getattr(wish, name)) is not None:
            count_from_origin = _SELECT_COUNT.where(OPT_IN.c[name] == origin, OPT_IN.c.created_at > since)
            if session.execute(count_from_origin).scalar_one() >= limit:
                return False
    count_of_site = _SELECT_COUNT.where(OPT_IN.c.created_at > moment - timedelta(hours=1))
    limit = most_in_hour + most_in_hour // 4 if is_subscriber else most_in_hour
    return bool(session.execute(count_of_site).scalar_one() < limit)


def find_opt_in(store: Store, opt_in_id: str, moment: datetime | None = None) -> OptInRow | None:
    """Return an opt-in with its subscription and subscriber, or None if it has expired or ended."""
    query = (
        sa.select(
            *(OPT_IN.c[name] for name in _OPT_IN_COLUMNS),
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
        .where(OPT_IN.c.id == opt_in_id, OPT_IN.c.created_at > (moment or now()) - CONFIRMATION_PERIOD)
    )
    return fetch_row(store, query, OptInRow)


NEXT_REQUEST = sa.select(sa.func.min(REQUEST.c.due_at))
"""Selects when the next request is due."""

BATCH_SIZE: Final = 50  # requests per transaction
RETRY_DELAY = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(hours=1)  # after which failing requests are deleted


class NetworkOrigin(NamedTuple):
    """Hashes of the network address of a request, and of the ranges that contain it."""

    network: str | None = None
    near_range: str | None = None
    far_range: str | None = None


class TokenInvalid(Invalid, code="token_invalid", title="The token is unknown or has expired"):
    """The token is unknown or has expired, or its subscription has ended."""


def request_subscription(session: Session, actor: Actor, data: SubscriptionIn, origin: NetworkOrigin) -> None:
    """Save a request for the worker to process, so that the response reveals nothing about the address.

    If the caller has confirmed the address already, the subscription starts immediately.
    """
    connection = session.connection()
    target, article_id = resolve_target(connection, actor, data)
    proven = find_proven_email(connection, actor)
    email = data.email or proven
    if email is None:
        raise Invalid(
            "Send `email`: the token of the request has no confirmed e-mail address.", pointer="/email", code="required"
        )
    wish = Wish(
        email=email,
        kind=data.kind,
        target=target,
        frequency=data.frequency,
        article_id=article_id,
        participant_id=target.partition(":")[2] if target.startswith("participant:") else None,
        confirm_url=data.confirm_url,
        **origin._asdict(),
    )
    if email == proven:
        _subscribe_proven(session, wish, now())
    else:
        _save_request(session, wish, proven=False)


def _save_request(session: Session, wish: Wish, proven: bool) -> None:
    moment = now()
    row = wish._asdict() | {"id": new_id(), "proven": proven, "created_at": moment, "due_at": moment}
    session.execute(sa.insert(REQUEST), row)


def list_due_requests(session: Session) -> list[RequestRow]:
    """List due requests, locked on PostgreSQL."""
    due = sa.select(REQUEST).where(REQUEST.c.due_at <= now()).order_by(REQUEST.c.due_at, REQUEST.c.id).limit(BATCH_SIZE)
    return fetch_rows(session, due.with_for_update(skip_locked=True), RequestRow)


def postpone_request(session: Session, row: RequestRow) -> None:
    """Postpone a request, or delete it if it is too old."""
    is_request = REQUEST.c.id == row["id"]
    if row["created_at"] < now() - GIVE_UP_AFTER:
        session.execute(sa.delete(REQUEST).where(is_request))
    else:
        session.execute(sa.update(REQUEST).where(is_request).values(due_at=now() + RETRY_DELAY))


def process_request(session: Session, row: RequestRow, most_in_hour: int) -> NewOptIn | None:
    """Process a request; return the opt-in that a mail asks to confirm, or None if no mail is needed."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.id == row["id"]))
    values: JsonObject = {**row}
    wish = Wish._make(values[name] for name in Wish._fields)
    if row["proven"]:
        _subscribe_proven(session, wish, row["created_at"])
        return None
    return _create_opt_in(session, wish, most_in_hour)


def _subscribe_proven(session: Session, wish: Wish, since: datetime) -> None:
    if not lift_own_unsubscribe(session, wish.email, since):
        return
    subscriber = subscriptions.ensure_subscriber(session, wish.email, proven=True)
    subscription = subscriptions.ensure_subscription(session, subscriber["id"], wish)
    if subscription is not None:
        subscriptions.activate_subscription(session, subscription, wish.frequency, since)


def _create_opt_in(session: Session, wish: Wish, most_in_hour: int) -> NewOptIn | None:
    """Create the opt-in to confirm by mail, within the limits; beyond them nothing is stored."""
    take_name_lock(session, "opt_in")  # or two transactions would both pass the limit
    mailbox = mailbox_hash(wish.email)
    if find_suppression(session, wish.email):
        return None
    existing = find_subscriber_by_email(session, wish.email)
    is_subscriber = existing is not None and existing["confirmed_at"] is not None
    if not may_mail(session, mailbox, wish, most_in_hour, is_subscriber=is_subscriber):
        return None
    subscriber = subscriptions.ensure_subscriber(session, wish.email, proven=False)
    subscription = subscriptions.ensure_subscription(session, subscriber["id"], wish)
    if subscription is None:
        return None
    subscriptions.restart_confirmation(session, subscription)
    row: JsonObject = {
        "id": (opt_in_id := new_id()),
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
    return NewOptIn(opt_in_id, subscriber["id"])


def apply_notify(session: Session, comment_id: str, at: datetime) -> None:
    """Apply the `notify` setting of a comment that has become public.

    Each setting is applied once: republishing or editing a comment does not restore subscriptions that were ended
    since. If the author has confirmed the address, the subscription starts with the comment; otherwise a
    confirmation mail is sent, even if somebody else has confirmed the address.
    """
    comment = _FIND_NOTIFY.row(session, {"comment": comment_id})
    if comment is None or comment["state"] != "published" or comment["participant_id"] is None:
        return
    if comment["notify"] == comment["applied"]:
        return
    values = {"notify": comment["notify"]}
    upsert = insert_into(session, COMMENT_ASK).on_conflict_do_update(index_elements=["comment_id"], set_=values)
    session.execute(upsert, {"comment_id": comment["id"], **values})
    _end_for_comment(session, comment)
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
        if at > now() - CONFIRMATION_PERIOD:  # a later confirmation mail would surprise its recipient
            _save_request(session, wish, proven=False)
    elif find_suppression(session, email) is None:
        _subscribe_proven(session, wish, at)


def _end_for_comment(session: Session, comment: NotifyRow) -> None:
    """End the subscriptions that this comment's author requested with it before."""
    is_theirs = SUBSCRIPTION.c.participant_id == comment["participant_id"]
    pairs = ("comments.replies_to_me", f"comment:{comment['id']}"), ("comments.all", f"article:{comment['article_id']}")
    is_of_comment = sa.or_(
        *((SUBSCRIPTION.c.kind == kind) & (SUBSCRIPTION.c.target == target) for kind, target in pairs)
    )
    subscriptions.end_subscriptions(session, is_theirs, is_of_comment)


def create_confirm_token(vault: Vault, opt_in_id: str) -> str:
    """Create the token that confirms an opt-in. It is sealed, not stored."""
    return vault.seal_token(CONFIRM_PREFIX, opt_in_id.replace("-", ""))


def confirm_subscription(session: Session, _actor: Actor, vault: Vault, token: str) -> str:
    """Confirm a subscription and return its id.

    Confirming again changes nothing: it returns the active subscription, as long as the manage token given the first
    time is valid.
    """
    body = vault.unseal_token(CONFIRM_PREFIX, token)
    row = find_opt_in(session, id_from_hex(body)) if body and len(body) == 32 else None
    if row is None or row["used"] not in (None, row["generation"]) or find_suppression(session, row["email"]):
        raise TokenInvalid(pointer="/token", code="token_invalid")
    subscription = subscriptions.lock_subscription(session, row["subscription_id"])
    if subscription is None:
        raise TokenInvalid(pointer="/token", code="token_invalid")
    if row["used"] is not None:
        return row["subscription_id"]
    session.execute(sa.update(OPT_IN).where(OPT_IN.c.id == row["id"]).values(used=row["generation"]))
    subscriptions.activate_subscription(session, subscription, row["frequency"], now())
    subscriptions.confirm_subscriber(session, row["subscriber_id"])
    if row["participant_id"] is not None:
        prove_participant(session, row["participant_id"], row["email"])
    return row["subscription_id"]


def erase_requests(session: Session, email: str) -> None:
    """Delete the pending requests of an address."""
    session.execute(sa.delete(REQUEST).where(REQUEST.c.email == email))


def prune_opt_ins(session: Session) -> int:
    """Delete unconfirmed subscriptions, their idle subscribers and expired opt-ins; return their number."""
    late = now() - CONFIRMATION_PERIOD
    waits = SUBSCRIPTION.c.confirmed_at.is_(None)  # repeated in the DELETE, so that one confirmed meanwhile stays
    old = sa.select(SUBSCRIPTION.c.id).where(waits, SUBSCRIPTION.c.created_at < late).limit(BATCH_SIZE * 10)
    forgotten = subscriptions.end_subscriptions(session, waits, SUBSCRIPTION.c.id.in_(old))
    return forgotten + count_affected(session.execute(sa.delete(OPT_IN).where(OPT_IN.c.created_at < late)))
