"""Subscriptions as sent and returned, and the targets that each kind can have."""

from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator

from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import both, exactly_one, given, where
from app.text.emails import Email
from app.text.inputs import HttpUrl, Identifier
from app.web.paging import PageQuery

Kind = Literal["comments.all", "comments.replies_to_me", "comments.thread", "articles.new", "article.updated"]
Frequency = Literal["immediate", "daily", "weekly"]
TargetType = Literal["site", "section", "series", "author", "tag", "article", "comment"]
SITE: Final = "site"
TARGET_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "comments.all": ("article",),
    "comments.replies_to_me": ("site", "comment"),
    "comments.thread": ("comment",),
    "articles.new": ("site", "section", "series", "author", "tag"),
    "article.updated": ("article",),
}
KINDS_DESCRIPTION: Final = (
    "`comments.all`: every comment on an article; `comments.replies_to_me`: replies to one comment of the caller's, or "
    "to all of them without a target; `comments.thread`: everything under the comment at the top of a thread; "
    "`articles.new`: new articles of the site, or of a section, series, author or tag; `article.updated`: corrections "
    "of an article."
)
_DOTLESS_DOMAINS = frozenset({"gmail.com", "googlemail.com"})


def address_hash(email: str) -> str:
    """Return the hash stored for a suppressed address. Anybody who knows the address can recompute it."""
    return sha256(email.lower().encode()).hexdigest()


def mailbox_hash(email: str) -> str:
    """Return a hash of the mailbox behind an address, the same for all spellings that reach it, for limits per
    mailbox.
    """
    local, _, domain = email.lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS_DOMAINS:
        local, domain = local.replace(".", ""), "gmail.com"
    return sha256(f"{local}@{domain}".encode()).hexdigest()


class Wish(NamedTuple):
    """A requested subscription, and the address it is for."""

    email: str
    kind: str
    target: str
    frequency: str = "immediate"
    article_id: str | None = None
    participant_id: str | None = None
    comment_id: str | None = None
    confirm_url: str | None = None
    network: str | None = None  # hash of the network address
    near_range: str | None = None  # hashes of the ranges that contain it
    far_range: str | None = None


class TargetOut(BaseModel):
    """The target of a subscription."""

    type: TargetType
    id: str | None = Field(description="Null for the site.")
    slug: str | None = Field(description="Null for the site and for comments, and while readers cannot see it.")
    name: str | None = Field(description="Its name or title; of a comment, the title of its article. Null like `slug`.")


class SubscriptionOut(BaseModel):
    """A subscription."""

    id: str
    kind: Kind = Field(description=KINDS_DESCRIPTION)
    target: TargetOut
    channel: Literal["mail"]
    frequency: Frequency = Field(description="At once, or gathered in a daily or weekly digest.")
    created_at: datetime
    confirmed_at: datetime | None = Field(description="When it was confirmed; null before that.")


class ManageTokenOut(BaseModel):
    """The token with which a subscriber manages subscriptions."""

    manage_token: str = Field(
        description="Token for `Authorization: Bearer bm_…`, to list, change and end all subscriptions of this address."
    )


class SubscriptionPatch(InputModel):
    """Changes to a subscription (RFC 7396): absent members stay."""

    frequency: Frequency = Field("immediate", description="At once, or gathered in a daily or weekly digest.")


_TARGET = both(exactly_one("id", "slug"), where("type", ["comment"], given("id")))


class TargetIn(InputModel):
    """The target of a subscription, by id or slug."""

    model_config = ConfigDict(json_schema_extra=_TARGET)

    type: Literal["section", "series", "author", "tag", "article", "comment"]
    id: AnyId | None = Field(None, description="Id of the target.")
    slug: Identifier | None = Field(None, description="Slug of the target, instead of the id; comments have none.")

    @model_validator(mode="after")
    def _one(self) -> "TargetIn":
        if (self.id is None) == (self.slug is None) or (self.type == "comment" and self.id is None):
            raise ValueError("send either id or slug; for comments, the id")
        return self


class SubscriptionIn(InputModel):
    """A requested subscription."""

    email: Email | None = Field(
        None,
        description="Address to send mails to; it is never shown, and must be confirmed first. Required unless the "
        "caller's token has a confirmed address, which is the default.",
    )
    kind: Kind = Field(description=KINDS_DESCRIPTION)
    target: TargetIn | None = Field(None, description="Target of the subscription; absent: the whole site.")
    frequency: Frequency = Field("immediate", description="At once, or gathered in a daily or weekly digest.")
    confirm_url: HttpUrl | None = Field(
        None,
        description="URL of the page that the mail links to, with `token` added to its query, on the publication's "
        "site or one of its front ends. The page sends the token to `POST /v1/subscriptions/confirm`.",
    )


class AcceptedOut(BaseModel):
    """The response to every request, whatever is known of the address."""

    accepted: Literal[True]


class ConfirmIn(InputModel):
    """The token from a confirmation mail."""

    token: str = Field(min_length=1, max_length=200, description="`bc_…`, from the link in the mail.")


class ConfirmedOut(ManageTokenOut):
    """A confirmed subscription."""

    subscription: SubscriptionOut


class SubscriberOut(BaseModel):
    """An e-mail address with subscriptions."""

    id: str
    email: str
    subscriptions: int = Field(description="Number of confirmed subscriptions.")
    confirmed_at: datetime | None = Field(description="When the address was first confirmed; null: never.")
    created_at: datetime


class OneSubscriberOut(SubscriberOut):
    """A subscriber with all subscriptions."""

    all: list[SubscriptionOut] = Field(description="All subscriptions, confirmed or not.")


class SubscriberQuery(PageQuery):
    """Filters of the list of subscribers."""

    state: Literal["confirmed", "pending"] | None = Field(
        None, description="Only confirmed addresses, or only unconfirmed ones."
    )
    kind: Kind | None = Field(None, description="Only subscribers with a subscription of this kind.")
    target: str | None = Field(
        None,
        pattern=r"^(site|(section|series|author|tag|article|comment):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Only subscribers of this target: `site`, or a type and an id, such as `article:0199…`.",
    )
    email: Email | None = Field(None, description="Only this address.")


Reason = Literal["unsubscribe", "bounce", "complaint"]


class SuppressionIn(InputModel):
    """An address to suppress."""

    email: Email = Field(description="E-mail address; only a hash of it is stored.")
    reason: Reason = Field(
        "complaint",
        description="`complaint`: reported as spam (RFC 5965); `bounce`: refused by its server; `unsubscribe`: wants "
        "no mail. An `unsubscribe` ends when a signed-in reader with this address subscribes again.",
    )


class SuppressionOut(BaseModel):
    """A suppressed address, which is not shown."""

    id: str
    reason: Reason
    created_at: datetime
    created_by: str | None = Field(
        description="Id of the key that created it; null: the subscriber or the mail server."
    )


class SuppressionQuery(PageQuery):
    """Filters of the list of suppressions."""

    reason: Reason | None = Field(None, description="Only suppressions with this reason.")
    email: Email | None = Field(None, description="Only the suppression of this address.")


class UnsubscribeOut(BaseModel):
    """The subscriptions that a POST to the same URL ends."""

    everything: bool = Field(description="Whether it ends all subscriptions, and the address gets no more mail.")
    subscriptions: list[SubscriptionOut] = Field(description="Active subscriptions; empty if they have ended already.")


class UnsubscribedOut(BaseModel):
    """The subscriptions have ended, now or before."""

    unsubscribed: bool
