"""What a letter is before it is written."""

from typing import Any, Final, NamedTuple

from app.db.columns import Row

CHANNEL: Final = "mail"
LANE: Final = "smtp"  # all mail goes by one server
OPT_IN_LANE: Final = (
    "smtp.opt_ins"  # but who has just asked does not wait behind a hundred thousand who are told of news
)


class Letter(NamedTuple):
    """All that a mail says, read when it is sent."""

    to: str
    subscriber_id: str
    template: str  # opt_in, comment, article, correction, digest
    values: dict[str, Any]  # for the template
    list_id: str  # what it belongs to, for programs that sort mail (RFC 2919)
    subscriptions: tuple[Row, ...] = ()  # what one click ends
    digest: str | None = None  # the frequency of the digest that one click ends instead
    thread: tuple[str, ...] = ()  # the events whose mails it follows, the last one answered (RFC 5322 §3.6.4)
