"""The content of notifications, and letters before they are rendered."""

from typing import Final, NamedTuple, TypedDict

from app.db.rows import JsonObject
from app.subscriptions.subscriptions import SubscriptionRow

CHANNEL: Final = "mail"
LANE: Final = "smtp"
OPT_IN_LANE: Final = "smtp.opt_ins"  # confirmation mails do not wait behind notifications


class Content(TypedDict, total=False):
    """What a notification is about, as stored with its delivery or digest item; by type of event."""

    article: str  # id
    comment: str  # id
    correction_n: int  # number of the correction
    correction: int  # its index from 0, in notifications of former releases
    subscriptions: list[str]  # ids
    opt_in: str  # id
    invitation: str  # id
    revision: int  # its number
    note: str  # id
    task: str  # id
    release: str  # id
    detail: str  # of the problem for which something was not published
    decision: str  # id of an entry of the moderation log
    appeal: str  # id
    action: str  # id of an action on a person
    period: str  # of a digest, such as `daily:2026-01-31`


class Letter(NamedTuple):
    """The content of a mail, read when it is sent."""

    to: str
    subscriber_id: str  # or the id of a person of the staff
    template: str  # one of `letters.TEMPLATES`
    values: JsonObject  # for the template
    list_id: str  # for filtering (RFC 2919)
    subscriptions: tuple[SubscriptionRow, ...] = ()  # ended by a one-click unsubscribe
    digest: str | None = None  # frequency of the digest that a one-click unsubscribe ends instead
    thread: tuple[str, ...] = ()  # events of the mails that it replies to, the last one directly (RFC 5322 §3.6.4)
