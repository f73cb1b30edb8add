"""Callers, API keys, the audit log and guests, as they are sent and returned."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field

from app.core.clock import Moment, TimeOrDay
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import alone, both, not_with
from app.db.rows import JsonObject
from app.text.inputs import Identifier, Name, Whole
from app.web.paging import PageQuery

Scope = Literal[
    "content:read",
    "content:write",
    "content:approve",
    "content:publish",
    "comments:moderate",
    "subscribers:manage",
    "webhooks:manage",
    "syndicate",
    "public:read",
    "admin",
]
PUBLISHABLE_SCOPE: Scope = "public:read"
"""The only scope of publishable keys, which read what anybody may read, and do nothing else."""
QuotaUnit = Literal["minute", "day"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Claims:
    """The claims about a signed-in reader in a JWT of the publication's site."""

    subject: str  # `iss|sub`
    name: str | None = None
    email: str | None = None  # in lower case
    verified: bool = False  # whether the site has confirmed the e-mail
    author: str | None = None  # slug of the reader's profile among the publication's authors


NO_SCOPES = frozenset[str]()
Sections = frozenset[str] | None
"""Ids of sections, with those of all their subsections; None: everywhere, also where there is no section."""


@dataclass(frozen=True)
class Grant:
    """Scopes that hold together, everywhere or in some sections."""

    scopes: frozenset[str]
    sections: Sections = None
    role: str | None = None  # that a person has; None for the scopes of a key

    def allows(self, scope: str) -> bool:
        """Whether the grant includes a scope; `admin` includes them all."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def reads_drafts(self) -> bool:
        """Whether the grant includes reading drafts, as `content:write` does unless it comes with `syndicate`."""
        return self.allows("content:read") or ("content:write" in self.scopes and "syndicate" not in self.scopes)


def join_sections(grants: Iterable[Grant]) -> Sections:
    """Return the sections of several grants; None if one of them holds everywhere."""
    joined: frozenset[str] = frozenset()
    for grant in grants:
        if grant.sections is None:
            return None
        joined = joined | grant.sections if joined else grant.sections
    return joined


def limit_grants(own: Grant, granted: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return what a key of a person may do: what both the key and the grants of the person include."""
    limited = []
    for grant in granted:
        scopes = own.scopes if "admin" in grant.scopes else grant.scopes
        if "admin" not in own.scopes:
            scopes = scopes & own.scopes
        sections = own.sections if grant.sections is None else grant.sections
        if own.sections is not None and grant.sections is not None:
            sections = own.sections & grant.sections
        if scopes and (sections is None or sections):
            limited.append(Grant(scopes, sections))
    return tuple(limited)


@dataclass(frozen=True)
class Actor:
    """The caller. Only keys and people have grants.

    A grant's scopes hold in its own sections alone: whoever reads drafts in one section and publishes in another does
    just that. So ask for the scope and the section together (`may_in`, `sections_for`); `may` alone tells only
    whether there is any section at all.

    `id` is the id of the key or person, or of the participant for guests.
    """

    kind: Literal["anonymous", "key", "person", "guest", "reader", "edit", "subscriber", "system"]
    id: str | None = None
    name: str = ""
    grants: tuple[Grant, ...] = ()
    person: str | None = None  # id of the person who signed in, or to whom the key belongs
    comment: str | None = None  # id of the comment that an edit token is for
    subscriber: str | None = None  # id of the subscriber whose subscriptions a manage token is for
    generation: int = 0  # of the manage token; invalid once the subscriber has a later one
    reader: Claims | None = None
    proven: bool = False  # whether a guest has confirmed the e-mail
    quotas: tuple[tuple[QuotaUnit, int], ...] = ()  # limits of this key
    session: str | None = None  # id of the session in which a person signed in
    needs_second_factor: bool = False  # a person who has no grants until they have set one up

    @property
    def caller(self) -> str | None:
        """An identifier of the caller of at most 36 characters; None for anonymous callers."""
        known = self.reader.subject if self.reader else self.comment or self.subscriber
        return self.id or (sha256(f"{self.kind}:{known}".encode()).hexdigest()[:36] if known else None)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the caller has anywhere."""
        return self._joined_scopes if self.grants else NO_SCOPES

    @cached_property
    def _joined_scopes(self) -> frozenset[str]:
        return NO_SCOPES.union(*(grant.scopes for grant in self.grants))

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope anywhere; `admin` includes them all."""
        return bool(self.grants) and (scope in self._joined_scopes or "admin" in self._joined_scopes)

    def may_in(self, scope: Scope, section_id: str | None) -> bool:
        """Whether the caller has a scope in this section; None, for what has no section, needs it everywhere."""
        for grant in self.grants:  # not any(), which takes twice as long
            if grant.allows(scope) and (grant.sections is None or section_id in grant.sections):
                return True
        return False

    def sections_for(self, scope: Scope) -> Sections:
        """Return the sections in which the caller has a scope; None for everywhere."""
        return join_sections(grant for grant in self.grants if grant.allows(scope))

    @property
    def reads_drafts(self) -> bool:
        """Whether the caller may read drafts in any section; `draft_sections` are those."""
        return bool(self.grants) and self._reads_any_drafts

    @cached_property
    def _reads_any_drafts(self) -> bool:
        return any(grant.reads_drafts for grant in self.grants)

    @cached_property
    def draft_sections(self) -> Sections:
        """The sections in which the caller may read drafts; None for everywhere."""
        return join_sections(grant for grant in self.grants if grant.reads_drafts)

    def reads_drafts_in(self, section_id: str | None) -> bool:
        """Whether the caller may read drafts in this section; None, for drafts without one, needs all sections."""
        return self.draft_sections is None or section_id in self.draft_sections

    @property
    def is_staff(self) -> bool:
        """Whether the caller works for the publication, by a key or as a person who signed in."""
        return self.kind in ("key", "person")

    @property
    def is_anonymous(self) -> bool:
        """Whether the caller reads as anybody may: without a token, or with a publishable key."""
        return self.kind == "anonymous"

    @property
    def is_publishable(self) -> bool:
        """Whether the caller is a publishable key."""
        return PUBLISHABLE_SCOPE in self.scopes

    @property
    def is_partner(self) -> bool:
        """Whether the caller is a partner, who syndicates articles and may not read drafts."""
        return "syndicate" in self.scopes and not self.may("content:read")


ANONYMOUS = Actor("anonymous")
PUBLISHABLE = Actor("anonymous", name="publishable key")
"""A caller with a publishable key, who reads what the public may, but is refused with 403 instead of 401."""
EVERYTHING = Grant(frozenset({"admin"}))
SYSTEM = Actor("system", name="system", grants=(EVERYTHING,))


class GrantOut(BaseModel):
    """Scopes that hold together, everywhere or in some sections."""

    role: str | None = Field(description="The role of the person that gives them; null for those of a key.")
    scopes: list[str]
    sections: list[str] | None = Field(description="Ids of sections, including all subsections; null: all.")


class WhoAmI(BaseModel):
    """The caller, as the server identified it."""

    kind: Literal["anonymous", "key", "person", "guest", "reader", "edit", "subscriber"] = Field(
        description="`anonymous` without a token; `key`: an API key; `person`: who signed in; `guest`: a guest "
        "token; `reader`: a JWT of the publication's site; `edit`: a token for one comment; `subscriber`: a token to "
        "manage subscriptions."
    )
    id: str | None = Field(
        description="Id of the key or person; for a guest or reader who takes part, the `author.id` of their comments; "
        "for an edit token, the id of the comment."
    )
    name: str | None = Field(description="Name of the key, person, guest or reader.")
    scopes: list[str] = Field(description="Scopes that the caller has anywhere; `admin` includes all others.")
    sections: list[str] | None = Field(
        description="Ids of the sections that the caller is limited to, including all subsections; null: all."
    )
    person: str | None = Field(description="Id of the person who signed in, or to whom the key belongs.")
    grants: list[GrantOut] = Field(description="What the caller may do where.")
    needs_second_factor: bool = Field(
        description="Whether a person has to set up a second factor first, and may do nothing else until then."
    )


SectionRefs = Annotated[list[Identifier], Field(min_length=1, max_length=100)]
_SECTIONS = "Ids or slugs of the sections that the key is limited to, including their subsections; null: all."
_PERSON = (
    "Id of the person to whom it belongs: it never does more than they may, and is refused while they are suspended."
)
_EXPIRY = "Time at which the key expires, RFC 3339; null: never."
_QUOTA_MINUTE = "Requests per minute; null: the default for keys."
_QUOTA_DAY = "Requests in 24 hours; null: unlimited."
Quota = Annotated[int, Field(strict=True, ge=1, le=100_000_000), Whole]

_KEY = both(
    not_with("sections", "scopes", "admin"),  # a key with the scope admin can create unlimited keys
    not_with("sections", "scopes", PUBLISHABLE_SCOPE),  # which would share the answers of all readers
    alone("scopes", PUBLISHABLE_SCOPE),
)
_SCOPES = f"Scopes of the key. `{PUBLISHABLE_SCOPE}`, alone, makes a publishable key."


class KeyIn(InputModel):
    """A new key."""

    model_config = ConfigDict(json_schema_extra=_KEY)

    name: Name = Field(description="Name of the key, such as its purpose.")
    scopes: list[Scope] = Field(min_length=1, max_length=len(SCOPES), description=_SCOPES)
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    person_id: AnyId | None = Field(None, description=_PERSON)
    expires_at: Moment | None = Field(None, description=_EXPIRY)

    quota_minute: Quota | None = Field(None, description=_QUOTA_MINUTE)
    quota_day: Quota | None = Field(None, description=_QUOTA_DAY)


class KeyPatch(InputModel):
    """Changes to a key (RFC 7396): absent members stay."""

    name: Name = Field(default_factory=str, description="Name of the key, such as its purpose.")
    scopes: list[Scope] = Field(
        default_factory=list[Scope], min_length=1, max_length=len(SCOPES), description="Scopes of the key."
    )
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    person_id: AnyId | None = Field(None, description=_PERSON)
    expires_at: Moment | None = Field(None, description=_EXPIRY)
    quota_minute: Quota | None = Field(None, description=_QUOTA_MINUTE)
    quota_day: Quota | None = Field(None, description=_QUOTA_DAY)


class KeyOut(BaseModel):
    """A key, without the key itself."""

    id: str
    name: str
    hint: str = Field(description="The first characters of the key.")
    scopes: list[str]
    sections: list[str] | None = Field(
        description="Ids of the sections that it is limited to, with their subsections; null: all."
    )
    person_id: str | None = Field(description=_PERSON)
    quota_minute: int | None = Field(description=_QUOTA_MINUTE)
    quota_day: int | None = Field(description=_QUOTA_DAY)
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="Time of the last request, to the minute.")


class NewKeyOut(KeyOut):
    """A new key, with the key itself."""

    key: str = Field(
        description="The key: `bs_`, or `bp_` if it is publishable, 32 random bytes in hexadecimal, and their CRC-32. "
        "It is returned only once."
    )


_ID = r"^[0-9a-f-]{36}$"


class AuditOut(BaseModel):
    """An entry of the audit log."""

    id: str
    at: datetime
    actor_kind: str = Field(description="`key`, `person` or `system`.")
    actor_id: str | None
    actor_name: str
    person_id: str | None = Field(description="Id of the person who acted, signed in or by a key of theirs.")
    action: str = Field(description="Action, such as `article.publish` or `key.revoke`.")
    subject_kind: str
    subject_id: str | None
    detail: JsonObject = Field(description="Names of changed fields, states and reasons.")


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    since: TimeOrDay | None = Field(
        None, description="Only entries at or after this time (RFC 3339), or from the start of this day in `TIME_ZONE`."
    )
    until: TimeOrDay | None = Field(None, description="Only entries before this time, or before this day.")
    subject_kind: str | None = Field(
        None, pattern=r"^[a-z][a-z_.]{0,39}$", description="Kind of the subject, such as `article`, `key` or `comment`."
    )
    subject_id: str | None = Field(None, pattern=_ID, description="Id of the subject.")
    subject: str | None = Field(None, pattern=_ID, description="Alias of `subject_id`.")
    actor: str | None = Field(None, pattern=_ID, description="Id of the key or person.")
    person: str | None = Field(
        None, pattern=_ID, description="Id of a person: what they did, signed in or by keys of theirs."
    )
    action: str | None = Field(None, max_length=60, description="Only this action.")


class GuestOut(BaseModel):
    """A new guest, with the guest token."""

    guest_token: str = Field(
        description="The token for `Authorization: Bearer bg_…`: `bg_`, 32 random bytes in hexadecimal, and their "
        "CRC-32. It is returned only once."
    )
    id: str = Field(description="Public id of the guest: the `author.id` of their comments.")
