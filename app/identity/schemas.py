"""The caller, as actions and queries see one."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.core.clock import Moment, TimeOrDay
from app.core.schema_rules import not_with
from app.text.inputs import Identifier, Name, Whole
from app.web.paging import PageQuery

Scope = Literal[
    "content:read",
    "content:write",
    "content:publish",
    "comments:moderate",
    "subscribers:manage",
    "webhooks:manage",
    "syndicate",
    "admin",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Claims:
    """What the publication's own site says of a signed-in reader, in a JWT that it signed."""

    subject: str  # `iss|sub`
    name: str | None = None
    email: str | None = None  # in lower case
    verified: bool = False  # the site knows that the e-mail is theirs
    author: str | None = None  # slug of their profile among the publication's authors


@dataclass(frozen=True)
class Actor:
    """Who is calling. `sections` limits a key to some sections, by id; None means all.

    Only keys have scopes. `id` is a key's or, for guests, the participant's.
    """

    kind: Literal["anonymous", "key", "guest", "reader", "edit", "subscriber", "system"]
    id: str | None = None
    name: str = ""
    scopes: frozenset[str] = frozenset()
    sections: frozenset[str] | None = None
    comment: str | None = None  # what an edit token is for
    subscriber: str | None = None  # whose subscriptions a manage token is for
    generation: int = 0  # of that token: it ends when the subscriber has a later one
    reader: Claims | None = None
    proven: bool = False  # of a guest: their e-mail is known to be theirs
    quotas: tuple[tuple[Literal["minute", "day"], int], ...] = ()  # a key's own limits

    @property
    def caller(self) -> str | None:
        """Who this is among all callers, in 36 characters at most; None for strangers, whom nothing tells apart."""
        known = self.reader.subject if self.reader else self.comment or self.subscriber
        return self.id or (sha256(f"{self.kind}:{known}".encode()).hexdigest()[:36] if known else None)

    def may(self, scope: str) -> bool:
        """Whether the caller has a scope; `admin` has them all."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def reads_drafts(self) -> bool:
        """Whether the caller reads what is not public, in its sections: who may write reads what they may write.

        A partner's key stays a partner's: with `syndicate` it needs `content:read`.
        """
        return self.may("content:read") or ("content:write" in self.scopes and "syndicate" not in self.scopes)

    @property
    def is_partner(self) -> bool:
        """Whether this is a key of somebody who takes articles elsewhere, and has no part in making them."""
        return "syndicate" in self.scopes and not self.may("content:read")

    def may_in(self, section_id: str | None) -> bool:
        """Whether the caller's limits admit this section; what has no section is for unlimited keys alone."""
        return self.sections is None or section_id in self.sections


ANONYMOUS = Actor("anonymous")
SYSTEM = Actor("system", name="system", scopes=frozenset({"admin"}))


class WhoAmI(BaseModel):
    """The caller, as the server sees one."""

    kind: Literal["anonymous", "key", "guest", "reader", "edit", "subscriber"] = Field(
        description="`anonymous` without a token; `key`: an API key; `guest`: a guest token; `reader`: a JWT of the "
        "publication's site; `edit`: a token for one comment; `subscriber`: a token to manage subscriptions."
    )
    id: str | None = Field(
        description="Id of the key; for a guest or reader who takes part, the `author.id` of their comments; for an "
        "edit token, the id of the comment."
    )
    name: str | None = Field(description="Name of the key, guest or reader.")
    scopes: list[str] = Field(description="Scopes of the key; `admin` includes all others.")
    sections: list[str] | None = Field(
        description="Ids of the sections that the key is limited to, and of all inside of these; null: all."
    )


SectionRefs = Annotated[list[Identifier], Field(min_length=1, max_length=100)]
_SECTIONS = "Slugs or ids of the sections it is limited to, which must exist, with all inside of them; null: all."
Quota = Annotated[int, Field(strict=True, ge=1, le=100_000_000), Whole]

_KEY = not_with("sections", "scopes", "admin")  # one with the scope admin could make others without limits


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_KEY)

    name: Name = Field(description="What the key is for, for people.")
    scopes: list[Scope] = Field(min_length=1, max_length=8, description="What it may do.")
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    expires_at: Moment | None = Field(None, description="When it stops working, RFC 3339; null: never.")

    quota_minute: Quota | None = Field(
        None, description="Requests that it may make in a minute, in place of what is common for keys; null: that."
    )
    quota_day: Quota | None = Field(None, description="Requests that it may make in 24 hours; null: any number.")


class KeyPatch(BaseModel):
    """Changes to a key, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str, description="What the key is for, for people.")
    scopes: list[Scope] = Field(default_factory=list[Scope], min_length=1, max_length=8, description="What it may do.")
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    expires_at: Moment | None = Field(None, description="When it stops working, RFC 3339; null: never.")
    quota_minute: Quota | None = Field(None, description="Requests in a minute; null: what is common for keys.")
    quota_day: Quota | None = Field(None, description="Requests in 24 hours; null: any number.")


class KeyOut(BaseModel):
    """A key, without the key itself."""

    id: str
    name: str
    hint: str = Field(description="The first characters of the key.")
    scopes: list[str]
    sections: list[str] | None = Field(description="Ids; all inside of them count as well; null: all.")
    quota_minute: int | None = Field(description="Requests in a minute; null: what is common for keys.")
    quota_day: int | None = Field(description="Requests in 24 hours; null: any number.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewKeyOut(KeyOut):
    """A key just made: the only answer that ever holds it."""

    key: str = Field(description="The key: `bs_`, 32 random bytes in hexadecimal, CRC-32 of these. Keep it now.")


_ID = r"^[0-9a-f-]{36}$"


class AuditOut(BaseModel):
    """One action."""

    id: str
    at: datetime
    actor_kind: str = Field(description="`key` or `system`.")
    actor_id: str | None
    actor_name: str
    action: str = Field(description="What was done: `article.publish`, `key.revoke`, …")
    subject_kind: str
    subject_id: str | None
    detail: dict[str, Any] = Field(description="Names of changed fields, states, reasons.")


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    since: TimeOrDay | None = Field(
        None, description="From this time on, RFC 3339, or from this day of `TIME_ZONE` on."
    )
    until: TimeOrDay | None = Field(None, description="Before this time, or before this day of `TIME_ZONE`.")
    subject_kind: str | None = Field(
        None, pattern=r"^[a-z][a-z_.]{0,39}$", description="Kind of what was acted on: `article`, `key`, `comment`, …"
    )
    subject_id: str | None = Field(None, pattern=_ID, description="Id of what was acted on.")
    subject: str | None = Field(None, pattern=_ID, description="Another name of `subject_id`.")
    actor: str | None = Field(None, pattern=_ID, description="Id of the key that acted.")
    action: str | None = Field(None, max_length=60, description="Exactly this action.")


class GuestOut(BaseModel):
    """A guest who was just made: the only answer that ever holds the token."""

    guest_token: str = Field(
        description="The token to send as `Authorization: Bearer bg_…`: `bg_`, 32 random bytes in hexadecimal, CRC-32 "
        "of these. Keep it now."
    )
    id: str = Field(description="How others see this guest: the `author.id` of their comments.")
