"""Schemas of watched phrases and bans."""

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from app.core.clock import Moment
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import absent, both, exactly_one, matching, where
from app.moderation.schemas import ModeratorText, ParticipantOut
from app.moderation.text_analysis import PhraseAction, PhraseMatch, fold_text
from app.text.inputs import Length, OneLine, Visible
from app.web.paging import PageQuery


def _check_letters(text: str) -> str:
    if len(fold_text(text).strip()) < 2:
        raise ValueError("must have at least two letters or digits")
    return text


PhraseText = Annotated[str, OneLine, Length(2, 200), Visible, AfterValidator(_check_letters)]
"""A word, several words, or a part of one, 2 to 200 characters on one line."""
_MATCH: Final = (
    "`word` matches whole words; `text` also matches inside longer words and needs at least three letters or digits."
)
_ACTION: Final = "`hold` puts the comment into the moderation queue; `reject` and `spam` refuse it."
_NOTE: Final = "A note for other moderators."


class PhraseIn(InputModel):
    """A phrase to watch for. Case, accents, spacing and look-alike letters of other scripts are ignored."""

    text: PhraseText = Field(description="One or more words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: ModeratorText | None = Field(None, description=_NOTE)


class PhrasesIn(InputModel):
    """Phrases to watch for."""

    phrases: list[PhraseIn] = Field(min_length=1, max_length=500)


class PhrasePatch(InputModel):
    """Changes to a phrase (RFC 7396 merge patch)."""

    text: PhraseText = Field(default_factory=str, description="One or more words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: ModeratorText | None = Field(None, description=_NOTE)


class PhraseOut(BaseModel):
    """A watched phrase."""

    id: str
    text: str
    match: PhraseMatch
    action: PhraseAction
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class PhrasesOut(BaseModel):
    """The phrases that were created."""

    data: list[PhraseOut]


class PhraseQuery(PageQuery):
    """Filters of the list of phrases."""

    action: PhraseAction | None = Field(None, description="Only phrases with this action.")
    match: PhraseMatch | None = Field(None, description="Only entries of this kind.")


BanKind = Literal["identity", "address", "email", "email_domain"]


_ADDRESS = re.compile(r"(?:[^\s@]+@)?[^\s@.]+(?:\.[^\s@.]+)+")


def is_network_address(value: str) -> bool:
    """Tell whether a value is a single IPv4 or IPv6 address without a zone."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone id has a meaning on its own machine only


def _parse_ban_value(value: str) -> str:
    if not (_ADDRESS.fullmatch(value) or is_network_address(value)):
        raise ValueError("must be an e-mail address, a domain or a single network address")
    return value.lower()


BanValue = Annotated[str, OneLine, Length(3, 254), AfterValidator(_parse_ban_value)]
"""An e-mail address, a domain or a network address, in lower case."""
_BAN = both(
    exactly_one("comment_id", "value"),
    where("kind", ["identity"], absent("value")),
    where("kind", ["email"], matching("value", "^[^@]+@")),
)


class BanIn(InputModel):
    """A new ban, by a comment of the person or by an e-mail address, domain or network address."""

    model_config = ConfigDict(json_schema_extra=_BAN)

    kind: BanKind = Field(
        description="`identity`: the author's token or account. `address`: the network address, for 60 days at "
        "most. `email`: the e-mail address given with the comment. `email_domain`: all addresses of"
        " its domain and subdomains."
    )
    comment_id: AnyId | None = Field(None, description="The comment that causes the ban.")
    value: BanValue | None = Field(
        None,
        description="Without `comment_id`: the e-mail address, the domain, or a single IPv4 or IPv6 address. "
        "Ranges are not supported, as only hashes of addresses are stored; an IPv6 address stands "
        "for its /64 network.",
    )
    until: Moment | None = Field(None, description="When the ban expires (RFC 3339); null means never.")
    reason: ModeratorText | None = Field(None, description="A note for other moderators.")


class BannedAuthorOut(ParticipantOut):
    """The banned author."""


class BanOut(BaseModel):
    """A ban."""

    id: str
    kind: BanKind
    shadow: bool = Field(description="Whether it hides the comments of the author instead of refusing them.")
    author: BannedAuthorOut | None = Field(description="Set for the kind `identity`.")
    domain: str | None = Field(description="Set for the kind `email_domain`. Addresses are stored only as hashes.")
    comment_id: str | None
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: str | None = Field(description="Id of the moderator's key.")


class BanQuery(PageQuery):
    """Filters of the list of bans."""

    kind: BanKind | None = Field(None, description="Only entries of this kind.")
    state: Literal["active", "expired"] | None = Field(None, description="Only bans that hold, or that have ended.")
    shadow: bool | None = Field(None, description="Only shadow bans, or only others.")
    author: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="Only bans of this author, by public id.")


class CheckerAnswerIn(BaseModel):
    """The checker's response; unknown members are ignored."""

    verdict: Literal["publish", "hold", "reject", "spam"]
    reason: Annotated[str, OneLine, Length(0, 500)] | None = Field(None)


class BanData(TypedDict):
    """A ban."""

    kind: str
    reason: str | None
    until: datetime | None
    created_at: datetime
