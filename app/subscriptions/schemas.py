"""Subscriptions as they come in and go out, and the targets that each kind can have."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, model_validator

from app.core.ids import AnyId
from app.core.schema_rules import both, exactly_one, given, where
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


def _normalize_email(address: str) -> str:
    if "=?" in address:
        raise ValueError("must not look like an encoded word (RFC 2047)")
    return address.lower()


Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(_normalize_email)]
"""An e-mail address, in lower case."""


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
    confirmed_at: datetime | None = Field(description="Since when it holds; null while it waits to be confirmed.")


class ManageTokenOut(BaseModel):
    """The token that a subscriber manages subscriptions with."""

    manage_token: str = Field(
        description="Sent as `Authorization: Bearer bm_…` it lists, changes and ends all subscriptions of this address."
    )


class SubscriptionPatch(BaseModel):
    """Changes, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    frequency: Frequency = Field("immediate", description="At once, or gathered in a daily or weekly digest.")


_TARGET = both(exactly_one("id", "slug"), where("type", ["comment"], given("id")))


class TargetIn(BaseModel):
    """What a subscription shall be about, by id or slug."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_TARGET)

    type: Literal["section", "series", "author", "tag", "article", "comment"]
    id: AnyId | None = Field(None, description="Its id.")
    slug: Identifier | None = Field(None, description="Its slug instead; comments have none.")

    @model_validator(mode="after")
    def _one(self) -> "TargetIn":
        if (self.id is None) == (self.slug is None) or (self.type == "comment" and self.id is None):
            raise ValueError("give either id or slug; for a comment its id")
        return self


class SubscriptionIn(BaseModel):
    """A subscription to ask for."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = Field(
        None,
        description="Where to send it; never shown, and mailed to only once it was confirmed. Needed unless the "
        "caller's token proves an address: then that one is taken.",
    )
    kind: Kind = Field(description=KINDS_DESCRIPTION)
    target: TargetIn | None = Field(None, description="What it is about; none: the whole site.")
    frequency: Frequency = Field("immediate", description="At once, or gathered in a daily or weekly digest.")
    confirm_url: HttpUrl | None = Field(
        None,
        description="The page that the mail leads to, with `token` added to its query; on the publication's site or "
        "one of its front ends. It sends the token on by `POST /v1/subscriptions/confirm`.",
    )


class AcceptedOut(BaseModel):
    """The one answer, whatever is known of the address."""

    accepted: Literal[True]


class ConfirmIn(BaseModel):
    """The token of a mail."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=200, description="`bc_…`, from the link in the mail.")


class ConfirmedOut(ManageTokenOut):
    """A subscription that holds now."""

    subscription: SubscriptionOut


class SubscriberOut(BaseModel):
    """An address that something was subscribed to."""

    id: str
    email: str
    subscriptions: int = Field(description="Those that hold.")
    confirmed_at: datetime | None = Field(description="When the address was first proven; null: it never was.")
    created_at: datetime


class OneSubscriberOut(SubscriberOut):
    """The same with what it is subscribed to."""

    all: list[SubscriptionOut] = Field(description="Those that hold, and those that wait to be confirmed.")


class SubscriberQuery(PageQuery):
    """Filters of the list of subscribers."""

    state: Literal["confirmed", "pending"] | None = Field(None, description="Only addresses that are proven, or not.")
    kind: Kind | None = Field(None, description="Only those who subscribe to something of this kind.")
    target: str | None = Field(
        None,
        pattern=r"^(site|(section|series|author|tag|article|comment):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Only those who subscribe to this: `site`, or a type and an id, such as `article:0199…`.",
    )
    email: Email | None = Field(None, description="Only this address.")


Reason = Literal["unsubscribe", "bounce", "complaint"]


class SuppressionIn(BaseModel):
    """An address that shall get no mail."""

    model_config = ConfigDict(extra="forbid")

    email: Email = Field(description="Kept as a hash alone.")
    reason: Reason = Field(
        "complaint",
        description="`complaint`: reported as spam (RFC 5965); `bounce`: its server refuses it; `unsubscribe`: they "
        "want nothing. The last ends when a reader who is signed in with this address subscribes again.",
    )


class SuppressionOut(BaseModel):
    """An address that gets no mail. Which one it is cannot be read from it."""

    id: str
    reason: Reason
    created_at: datetime
    created_by: str | None = Field(description="Id of the key that asked for it; null: the subscriber or their server.")


class SuppressionQuery(PageQuery):
    """Filters of the list of suppressions."""

    reason: Reason | None = Field(None, description="Only those with this reason.")
    email: Email | None = Field(None, description="Only that of this address.")


class UnsubscribeOut(BaseModel):
    """What sending the same address by POST would end."""

    everything: bool = Field(description="All subscriptions of the address, which then gets no mail at all.")
    subscriptions: list[SubscriptionOut] = Field(description="Those that hold; empty if they have ended already.")


class UnsubscribedOut(BaseModel):
    """It has ended, now or before."""

    unsubscribed: bool
