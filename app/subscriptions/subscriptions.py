"""Subscriptions: their owners, their targets, and the recipients of an event."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.articles.reading import ARTICLE, AUTHOR, SECTION, SERIES, TAG
from app.comments.reading import C
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Forbidden, Unauthorized
from app.db.columns import count_affected, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Statement, Store, fetch_row, fetch_rows, insert_into
from app.events.catalog import AuthorDeleted, LoggedEvent, SeriesDeleted, TagDeleted
from app.identity.schemas import Actor
from app.subscriptions.schemas import SITE, Wish, address_hash
from app.subscriptions.tables import Subscriber, Subscription

SUBSCRIBER, SUBSCRIPTION = table_of(Subscriber), table_of(Subscription)
TERMS = {"section": SECTION, "series": SERIES, "author": AUTHOR, "tag": TAG}
_NAMES = "id subscriber_id kind target channel frequency article_id created_at confirmed_at"
_COLUMNS = [SUBSCRIPTION.c[name] for name in _NAMES.split()]
_SELECT_BY_EMAIL = sa.select(SUBSCRIBER).where(SUBSCRIBER.c.email == sa.bindparam("email"))
_SELECT_BY_ADDRESS = sa.select(SUBSCRIBER).where(SUBSCRIBER.c.address == sa.bindparam("address"))
_SELECT_BY_ID = sa.select(SUBSCRIBER).where(SUBSCRIBER.c.id == sa.bindparam("id", type_=SUBSCRIBER.c.id.type))
_IS_CONFIRMED = SUBSCRIPTION.c.confirmed_at.is_not(None)


class SubscriberRow(TypedDict):
    """A subscriber as stored."""

    id: str
    email: str
    address: str
    generation: int
    confirmed_at: datetime | None
    created_at: datetime


class SubscriptionRow(TypedDict):
    """A subscription as stored, without the participant who requested it."""

    id: str
    subscriber_id: str
    kind: str
    target: str
    channel: str
    frequency: str
    article_id: str | None
    created_at: datetime
    confirmed_at: datetime | None


class MatchRow(TypedDict):
    """A subscription that matches an event."""

    id: str
    subscriber_id: str
    frequency: str
    participant_id: str | None


class TargetRow(TypedDict):
    """The target of a subscription, as `TargetOut`."""

    type: str
    id: str | None
    slug: str | None
    name: str | None


class PresentedSubscription(TypedDict):
    """A subscription with its target, as `SubscriptionOut`."""

    id: str
    kind: str
    target: TargetRow
    channel: str
    frequency: str
    created_at: datetime
    confirmed_at: datetime | None


class Recipient(NamedTuple):
    """A subscriber to notify of an event, with the subscriptions that match it."""

    subscriber_id: str
    subscriptions: list[MatchRow]


class CommentAuthor(NamedTuple):
    """The author of a comment, who is not notified of it."""

    participant_id: str | None
    emails: list[str]


def find_subscriber_by_email(store: Store, email: str) -> SubscriberRow | None:
    """Return the subscriber with an e-mail address, or None."""
    return fetch_row(store, _SELECT_BY_EMAIL, SubscriberRow, {"email": email.lower()})


def find_subscriber_by_address(store: Store, address: str) -> SubscriberRow | None:
    """Return the subscriber with an address hash, or None."""
    return fetch_row(store, _SELECT_BY_ADDRESS, SubscriberRow, {"address": address})


def find_subscriber(store: Store, subscriber_id: str) -> SubscriberRow | None:
    """Return a subscriber, or None."""
    return fetch_row(store, _SELECT_BY_ID, SubscriberRow, {"id": subscriber_id})


def find_owner(store: Store, actor: Actor) -> SubscriberRow | None:
    """Return the caller's subscriber, by manage token or by the verified e-mail address in the site's JWT.

    401 without a token or with an expired one, 403 for tokens without a confirmed address; None without
    subscriptions.
    """
    if actor.kind == "subscriber" and actor.subscriber is not None:
        row = find_subscriber(store, actor.subscriber)
        if row is None or row["generation"] != actor.generation:
            raise Unauthorized("The manage token has expired. Request a new one by subscribing again.")
        return row
    if actor.reader is not None and actor.reader.verified and actor.reader.email:
        return find_subscriber_by_email(store, actor.reader.email)
    if actor.kind == "anonymous":
        raise Unauthorized("Send a manage token, or a JWT of the publication's site.")
    raise Forbidden("This token has no confirmed e-mail address.")


def list_subscriptions(store: Store, subscriber_id: str) -> list[SubscriptionRow]:
    """List the subscriptions of a subscriber, oldest first."""
    query = sa.select(*_COLUMNS).where(SUBSCRIPTION.c.subscriber_id == subscriber_id).order_by(SUBSCRIPTION.c.id)
    return fetch_rows(store, query, SubscriptionRow)


def list_personal(store: Store, subscriber_id: str | None, participant_ids: Sequence[str]) -> list[SubscriptionRow]:
    """List the subscriptions of a subscriber, and those that were requested by participants."""
    is_theirs: sa.ColumnElement[bool] = SUBSCRIPTION.c.participant_id.in_(participant_ids)
    if subscriber_id is not None:
        is_theirs = is_theirs | (SUBSCRIPTION.c.subscriber_id == subscriber_id)
    return fetch_rows(store, sa.select(*_COLUMNS).where(is_theirs).order_by(SUBSCRIPTION.c.id), SubscriptionRow)


def list_confirmed(store: Store, ids: Collection[str]) -> list[SubscriptionRow]:
    """List confirmed subscriptions by id."""
    query = sa.select(*_COLUMNS).where(SUBSCRIPTION.c.id.in_(ids), _IS_CONFIRMED).order_by(SUBSCRIPTION.c.id)
    return fetch_rows(store, query, SubscriptionRow)


def find_subscription(store: Store, subscription_id: str, subscriber_id: str | None = None) -> SubscriptionRow | None:
    """Return a subscription, optionally of a given subscriber, or None."""
    query = sa.select(*_COLUMNS).where(SUBSCRIPTION.c.id == subscription_id)
    if subscriber_id is not None:
        query = query.where(SUBSCRIPTION.c.subscriber_id == subscriber_id)
    return fetch_row(store, query, SubscriptionRow)


def lock_subscription(session: Session, subscription_id: str) -> SubscriptionRow | None:
    """Return a subscription, locked until the transaction ends, or None."""
    query = sa.select(*_COLUMNS).where(SUBSCRIPTION.c.id == subscription_id).with_for_update()
    return fetch_row(session, query, SubscriptionRow)


def present_subscriptions(store: Store, rows: Sequence[SubscriptionRow]) -> list[PresentedSubscription]:
    """Return subscriptions in the shape of `SubscriptionOut`, with one statement per type of target."""
    targets = describe_targets(store, {row["target"] for row in rows})
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            "target": targets[row["target"]],
            "channel": row["channel"],
            "frequency": row["frequency"],
            "created_at": row["created_at"],
            "confirmed_at": row["confirmed_at"],
        }
        for row in rows
    ]


def describe_targets(store: Store, targets: Collection[str]) -> dict[str, TargetRow]:
    """Return targets in the shape of `TargetOut`; targets that are not public have no name."""
    out: dict[str, TargetRow] = {}
    by_type: dict[str, list[str]] = {}
    for target in targets:
        kind, _, target_id = target.partition(":")
        if kind == "participant":  # all comments of the subscriber, on the whole site
            kind, target_id = SITE, ""
        out[target] = {"type": kind, "id": target_id or None, "slug": None, "name": None}
        by_type.setdefault(kind, []).append(target_id)
    for kind, ids in by_type.items():
        if kind != SITE:
            for row in store.execute(_select_names(kind).where(_id_column(kind).in_(ids))):
                out[f"{kind}:{row.id}"].update({"slug": row.slug, "name": row.name})
    return out


def _id_column(kind: str) -> ColumnElement[str]:
    table = {"article": ARTICLE, "comment": C}.get(kind)
    column: ColumnElement[str] = (TERMS[kind] if table is None else table).c.id
    return column


def _select_names(kind: str) -> Statement:
    if kind == "article":
        return sa.select(ARTICLE.c.id, ARTICLE.c.slug, ARTICLE.c.title.label("name")).where(ARTICLE.c.public)
    if kind == "comment":
        title = sa.select(C.c.id, sa.null().label("slug"), ARTICLE.c.title.label("name"))
        return title.join(ARTICLE, ARTICLE.c.id == C.c.article_id).where(ARTICLE.c.public)
    return sa.select(*(TERMS[kind].c[name] for name in ("id", "slug", "name")))


_IS_KEY = (SUBSCRIPTION.c.kind == sa.bindparam("kind")) & (SUBSCRIPTION.c.target == sa.bindparam("target"))
_IS_BEFORE = SUBSCRIPTION.c.confirmed_at <= sa.bindparam("before", type_=SUBSCRIPTION.c.confirmed_at.type)
_ANY: Prepared[JsonObject] = Prepared(sa.select(SUBSCRIPTION.c.id).limit(1))
_SELECT_FIRST = (
    sa.select(*(SUBSCRIPTION.c[name] for name in ("id", "subscriber_id", "frequency", "participant_id")))
    .where(_IS_KEY, _IS_CONFIRMED, _IS_BEFORE)
    .order_by(SUBSCRIPTION.c.subscriber_id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)
_SELECT_NEXT = _SELECT_FIRST.where(
    SUBSCRIPTION.c.subscriber_id > sa.bindparam("after", type_=SUBSCRIPTION.c.subscriber_id.type)
)


def find_recipients(
    connection: sa.Connection,
    keys: Iterable[tuple[str, str]],
    before: datetime,
    after: str | None,
    limit: int,
    author: CommentAuthor | None = None,
) -> tuple[list[Recipient], str | None]:
    """Return the next recipients of an event, in the order of their ids, and the id to continue after, or None.

    `keys` are kinds and targets; each is a short index walk, regardless of the number of subscribers. Only
    subscriptions confirmed `before` count. The `author` is not notified of their own comment.
    """
    by_subscriber: dict[str, list[MatchRow]] = {}
    horizon: str | None = None
    for kind, target in keys:
        values = {"kind": kind, "target": target, "before": before, "most": limit, "after": after}
        rows = fetch_rows(connection, _SELECT_NEXT if after else _SELECT_FIRST, MatchRow, values)
        for row in rows:
            by_subscriber.setdefault(row["subscriber_id"], []).append(row)
        if len(rows) == limit:  # this key may have more subscribers after its last one
            horizon = min(horizon or rows[-1]["subscriber_id"], rows[-1]["subscriber_id"])
    ids = sorted(one for one in by_subscriber if horizon is None or one <= horizon)
    own = _subscribers_of_author(connection, author) if author is not None and ids else set()
    participant_id = author.participant_id if author is not None else None
    recipients = [Recipient(one, by_subscriber[one]) for one in ids if one not in own]
    if participant_id is not None:
        recipients = [
            one for one in recipients if not any(row["participant_id"] == participant_id for row in one.subscriptions)
        ]
    return recipients, horizon


def has_subscriptions(connection: sa.Connection) -> bool:
    """Tell whether there is any subscription, by one index lookup."""
    return _ANY.first(connection, {}) is not None


def has_recipients(connection: sa.Connection, keys: Iterable[tuple[str, str]], before: datetime) -> bool:
    """Tell whether anybody follows one of these kinds and targets since a moment `before` an event."""
    return any(
        connection.execute(_SELECT_FIRST, {"kind": kind, "target": target, "before": before, "most": 1}).first()
        for kind, target in keys
    )


def _subscribers_of_author(connection: sa.Connection, author: CommentAuthor) -> set[str]:
    if not author.emails:
        return set()
    query = sa.select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.email.in_(author.emails))
    return set(connection.execute(query).scalars())


MAX_SUBSCRIPTIONS: Final = 1000  # per subscriber
CHANNEL: Final = "mail"


def ensure_subscriber(session: Session, email: str, *, proven: bool) -> SubscriberRow:
    """Return the subscriber with an address, created if necessary; `proven` marks the address as confirmed."""
    row: SubscriberRow = {
        "id": new_id(),
        "email": email.lower(),
        "address": address_hash(email),
        "generation": 1,
        "confirmed_at": None,
        "created_at": now(),
    }
    session.execute(insert_into(session, SUBSCRIBER).on_conflict_do_nothing(), {**row})
    subscriber = find_subscriber_by_email(session, email)
    if subscriber is None:
        raise RuntimeError("the subscriber was deleted while it was created")
    if proven:
        confirm_subscriber(session, subscriber["id"])
    return subscriber


def confirm_subscriber(session: Session, subscriber_id: str) -> None:
    """Mark a subscriber's address as confirmed."""
    is_unconfirmed = (SUBSCRIBER.c.id == subscriber_id) & SUBSCRIBER.c.confirmed_at.is_(None)
    session.execute(sa.update(SUBSCRIBER).where(is_unconfirmed).values(confirmed_at=now()))


def ensure_subscription(session: Session, subscriber_id: str, wish: Wish) -> SubscriptionRow | None:
    """Return the requested subscription, created unconfirmed if necessary, or None if the subscriber has too many."""
    key = {"subscriber_id": subscriber_id, "kind": wish.kind, "target": wish.target, "channel": CHANNEL}
    is_wish = sa.and_(*(SUBSCRIPTION.c[name] == value for name, value in key.items()))
    query = sa.select(*_COLUMNS).where(is_wish).with_for_update()
    if (subscription := fetch_row(session, query, SubscriptionRow)) is not None:
        return subscription
    count = sa.select(sa.func.count()).where(SUBSCRIPTION.c.subscriber_id == subscriber_id)
    if session.execute(count).scalar_one() >= MAX_SUBSCRIPTIONS:
        return None
    row: JsonObject = key | {
        "id": new_id(),
        "frequency": wish.frequency,
        "article_id": wish.article_id,
        "participant_id": wish.participant_id,
        "created_at": now(),
        "confirmed_at": None,
    }
    session.execute(insert_into(session, SUBSCRIPTION).on_conflict_do_nothing(), row)
    return fetch_row(session, query, SubscriptionRow)


def activate_subscription(session: Session, subscription: SubscriptionRow, frequency: str, since: datetime) -> None:
    """Confirm a subscription from a moment on, with a frequency; an active one keeps its start."""
    since = subscription["confirmed_at"] or since
    is_subscription = SUBSCRIPTION.c.id == subscription["id"]
    session.execute(sa.update(SUBSCRIPTION).where(is_subscription).values(frequency=frequency, confirmed_at=since))


def restart_confirmation(session: Session, subscription: SubscriptionRow) -> None:
    """Restart the confirmation period of a subscription that was requested again."""
    is_waiting = (SUBSCRIPTION.c.id == subscription["id"]) & SUBSCRIPTION.c.confirmed_at.is_(None)
    session.execute(sa.update(SUBSCRIPTION).where(is_waiting).values(created_at=now()))


def set_frequency(session: Session, subscription_id: str, frequency: str) -> None:
    """Set the frequency of a subscription."""
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription_id).values(frequency=frequency))


def end_subscriptions(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    """End subscriptions and delete subscribers who have none left. Return the number that ended."""
    delete = sa.delete(SUBSCRIPTION).where(*conditions).returning(SUBSCRIPTION.c.subscriber_id)
    ended = list(session.execute(delete).scalars())
    delete_idle_subscribers(session, set(ended))
    return len(ended)


def delete_idle_subscribers(session: Session, subscriber_ids: Collection[str]) -> None:
    """Delete those of these subscribers who have no subscription left, confirmed or not."""
    has_subscription = sa.exists().where(SUBSCRIPTION.c.subscriber_id == SUBSCRIBER.c.id)
    for subscriber_id in sorted(subscriber_ids):
        is_subscriber = SUBSCRIBER.c.id == subscriber_id
        session.execute(
            sa.select(SUBSCRIBER.c.id).where(is_subscriber).with_for_update()
        )  # waits for subscriptions that are being added
        session.execute(sa.delete(SUBSCRIBER).where(is_subscriber, ~has_subscription))


def erase_subscriber(session: Session, subscriber_id: str) -> bool:
    """Delete a subscriber and their subscriptions; waiting deliveries are cancelled when they are due."""
    return count_affected(session.execute(sa.delete(SUBSCRIBER).where(SUBSCRIBER.c.id == subscriber_id))) == 1


def rotate_manage_tokens(session: Session, subscriber_id: str) -> int:
    """Revoke a subscriber's manage tokens; return the generation of the next one."""
    is_subscriber = SUBSCRIBER.c.id == subscriber_id
    update = sa.update(SUBSCRIBER).where(is_subscriber).values(generation=SUBSCRIBER.c.generation + 1)
    return int(session.execute(update.returning(SUBSCRIBER.c.generation)).scalar_one())


def end_for_participants(session: Session, participant_ids: Sequence[str]) -> None:
    """End the subscriptions requested with the comments of erased participants."""
    if participant_ids:
        end_subscriptions(session, SUBSCRIPTION.c.participant_id.in_(participant_ids))


def end_for_article(session: Session, article_id: str) -> None:
    """End all subscriptions to a purged article and its comments."""
    end_subscriptions(
        session, (SUBSCRIPTION.c.article_id == article_id) | (SUBSCRIPTION.c.target == f"article:{article_id}")
    )


def follow_merge(session: Session, entry: LoggedEvent) -> None:
    """Move subscriptions from a merged term to the remaining one, without duplicates."""
    match entry.event:
        case TagDeleted(into=str(into)) | AuthorDeleted(into=str(into)) | SeriesDeleted(into=str(into)) as event:
            _move_subscriptions(session, f"{event.singular}:{event.subject_id}", f"{event.singular}:{into}")


def _move_subscriptions(session: Session, old: str, new: str) -> None:
    other = SUBSCRIPTION.alias("other")
    same = [other.c[name] == SUBSCRIPTION.c[name] for name in ("subscriber_id", "kind", "channel")]
    is_not_followed = ~sa.exists().where(other.c.target == new, *same)
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.target == old, is_not_followed).values(target=new))
    end_subscriptions(session, SUBSCRIPTION.c.target == old)
