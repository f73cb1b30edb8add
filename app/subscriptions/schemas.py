"""Subscriptions as they come in and go out, and the targets that each kind can have."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

Kind = Literal["comments.all", "comments.replies_to_me", "comments.thread", "articles.new", "article.updated"]
Frequency = Literal["immediate", "daily", "weekly"]
TargetType = Literal["site", "section", "series", "author", "tag", "article", "comment"]
SITE: Final = "site"
TYPES: Final[dict[str, tuple[str, ...]]] = {
    "comments.all": ("article",),
    "comments.replies_to_me": ("site", "comment"),
    "comments.thread": ("comment",),
    "articles.new": ("site", "section", "series", "author", "tag"),
    "article.updated": ("article",),
}
KINDS: Final = (
    "`comments.all`: every comment on an article; `comments.replies_to_me`: replies to one comment of the caller's, or "
    "to all of them without a target; `comments.thread`: everything under the comment at the top of a thread; "
    "`articles.new`: new articles of the site, or of a section, series, author or tag; `article.updated`: corrections "
    "of an article."
)
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})


def _lower(address: str) -> str:
    if "=?" in address:
        raise ValueError("must not look like an encoded word (RFC 2047)")
    return address.lower()


Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(_lower)]
"""An e-mail address, in lower case."""


def address_hash(email: str) -> str:
    """What is kept of an address that gets no mail. Not secret: who knows an address can tell whether it is meant."""
    return sha256(email.lower().encode()).hexdigest()


def mailbox_hash(email: str) -> str:
    """What stands for the mailbox behind an address, however it is written: mails to it are counted together."""
    local, _, domain = email.lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return sha256(f"{local}@{domain}".encode()).hexdigest()


class Wish(NamedTuple):
    """What somebody wants to hear of, and at which address."""

    email: str
    kind: str
    target: str
    frequency: str = "immediate"
    article_id: str | None = None
    participant_id: str | None = None
    comment_id: str | None = None
    confirm_url: str | None = None
    network: str | None = None  # hash of the network address
    near_range: str | None = None  # hashes of the ranges that it is in
    far_range: str | None = None


class TargetOut(BaseModel):
    """What a subscription is about."""

    type: TargetType
    id: str | None = Field(description="Null for the site.")
    slug: str | None = Field(description="Null for the site and for comments, and while readers cannot see it.")
    name: str | None = Field(description="Its name or title; of a comment, the title of its article. Null like `slug`.")


class SubscriptionOut(BaseModel):
    """A subscription."""

    id: str
    kind: Kind = Field(description=KINDS)
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
