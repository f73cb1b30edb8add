"""Roles and sections that settings name and that do not exist. They live in the store, so that settings cannot tell.

They come and go while the server runs: a name that leads to nothing is told, and never keeps the server from starting.
"""

from typing import Final, NamedTuple

import sqlalchemy as sa

from app.core.settings import Settings
from app.people.roles import BUILT_IN, ROLE
from app.people.second_factor import EVERYBODY
from app.publication.references import resolve_references

SECOND_FACTOR: Final = "REQUIRE_SECOND_FACTOR"
OIDC: Final = "OIDC"


class UnknownName(NamedTuple):
    """What a setting names that does not exist."""

    setting: str
    kind: str  # role or section
    name: str

    def describe(self) -> str:
        """Say what is wrong, and what follows from it."""
        consequence = (
            "it requires a second factor of nobody"
            if self.setting == SECOND_FACTOR
            else "people get no role by it when they sign in"
        )
        return f"{self.setting} names the {self.kind} {self.name}, which does not exist: {consequence}"


def _list_named_sections(settings: Settings) -> list[str]:
    roles = (role for provider in settings.oidc for role in provider.roles.values())
    return sorted({section for role in roles for section in role.sections or ()})


def _list_named_roles(settings: Settings) -> list[tuple[str, str]]:
    required = {(SECOND_FACTOR, role) for role in settings.require_second_factor if role != EVERYBODY}
    return sorted(required | {(OIDC, role.role) for provider in settings.oidc for role in provider.roles.values()})


def find_unknown_names(connection: sa.Connection, settings: Settings) -> list[UnknownName]:
    """Find the roles and sections that settings name and that do not exist; one statement for each kind, if any."""
    unknown: list[UnknownName] = []
    roles, sections = _list_named_roles(settings), _list_named_sections(settings)
    own = sorted({role for _, role in roles} - BUILT_IN.keys())
    query = sa.select(ROLE.c.slug).where(ROLE.c.slug.in_(own))
    existing = {*BUILT_IN, *(connection.execute(query).scalars() if own else ())}
    unknown += [UnknownName(setting, "role", role) for setting, role in roles if role not in existing]
    resolved = resolve_references(connection, {"section": sections}) if sections else {}
    unknown += [UnknownName(OIDC, "section", ref) for ref in sections if ("section", ref) not in resolved]
    return unknown
