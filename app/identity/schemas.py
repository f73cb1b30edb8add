"""The caller, as actions and queries see one."""

from dataclasses import dataclass
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
class Actor:
    """Who is calling. `sections` limits a key to some sections, by id; None means all."""

    kind: Literal["anonymous", "key", "system"]
    id: str | None = None
    name: str = ""
    scopes: frozenset[str] = frozenset()
    sections: frozenset[str] | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller has a scope; `admin` has them all."""
        return scope in self.scopes or "admin" in self.scopes

    def may_in(self, section_id: str | None) -> bool:
        """Whether the caller's limits admit this section; what has no section is for unlimited keys alone."""
        return self.sections is None or section_id in self.sections


ANONYMOUS = Actor("anonymous")
SYSTEM = Actor("system", name="system", scopes=frozenset({"admin"}))


class WhoAmI(BaseModel):
    """The caller, as the server sees one."""

    kind: Literal["anonymous", "key"] = Field(description="`anonymous` without a key.")
    id: str | None = Field(description="Id of the key.")
    name: str | None = Field(description="Name that the key was given.")
    scopes: list[str] = Field(description="Scopes of the key; `admin` includes all others.")
    sections: list[str] | None = Field(description="Ids of the sections that the key is limited to; null: all.")
