"""Bans as they come in and go out."""

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.kit.clock import Moment
from app.kit.ids import AnyId
from app.kit.paging import PageQuery
from app.kit.rules import absent, both, exactly_one, matching, where
from app.kit.text import OneLine
from app.moderation.schemas import Words

BanKind = Literal["identity", "address", "email", "email_domain"]


_ADDRESS = re.compile(r"(?:[^\s@]+@)?[^\s@.]+(?:\.[^\s@.]+)+")


def is_network_address(value: str) -> bool:
    """Tell whether this is one IPv4 or IPv6 address."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone is known to its own machine alone


def _named(value: str) -> str:
    if not (_ADDRESS.fullmatch(value) or is_network_address(value)):
        raise ValueError("must be an e-mail address, a domain or one network address")
    return value.lower()


Named = Annotated[str, OneLine, StringConstraints(min_length=3, max_length=254), AfterValidator(_named)]
"""An e-mail address, a domain or a network address, in lower case."""
_BAN = both(
    exactly_one("comment_id", "value"),
    where("kind", ["identity"], absent("value")),
    where("kind", ["email"], matching("value", "^[^@]+@")),
)


class BanIn(BaseModel):
    """A ban to impose, on what stands behind a comment or on an e-mail or network address or domain that is named."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_BAN)

    kind: BanKind = Field(
        description="`identity`: the author's token or account; `address`: the network address, for 60 days at most; "
        "`email`: the address typed; `email_domain`: all addresses of its domain and of those below."
    )
    comment_id: AnyId | None = Field(None, description="The comment that gives reason to it.")
    value: Named | None = Field(
        None,
        description="Where no comment is named: the e-mail address, the domain, or one IPv4 or IPv6 address. Ranges "
        "are not taken, as only hashes of addresses are kept; an IPv6 address stands for its /64.",
    )
    until: Moment | None = Field(None, description="When it ends; null: never (RFC 3339).")
    reason: Words | None = Field(None, description="For the other moderators.")


class BannedAuthorOut(BaseModel):
    """Whose identity is banned."""

    id: str = Field(description="Public id, as in `author.id` of comments.")
    name: str | None
    kind: Literal["guest", "reader", "staff"]


class BanOut(BaseModel):
    """A ban."""

    id: str
    kind: BanKind
    author: BannedAuthorOut | None = Field(description="With the kind `identity`.")
    domain: str | None = Field(description="With the kind `email_domain`. Addresses are kept as hashes alone.")
    comment_id: str | None
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: str | None = Field(description="Id of the moderator's key.")


class BanQuery(PageQuery):
    """Filters of the list of bans."""

    kind: BanKind | None = Field(None, description="Only those of this kind.")
