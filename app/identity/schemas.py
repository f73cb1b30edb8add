"""The caller, as actions and queries see one."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, get_args

from pydantic import BaseModel, Field

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
