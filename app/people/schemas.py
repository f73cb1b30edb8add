"""People and their sessions, as sent and returned."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.models import BaseModel, InputModel
from app.identity.schemas import SectionRefs
from app.text.emails import Email
from app.text.inputs import Name
from app.text.names import PersonName
from app.web.paging import PageQuery

PersonState = Literal["invited", "active", "suspended", "deleted"]
SignInMethod = Literal["password", "passkey", "oidc"]
_MAILS = "Whether the person gets mails about texts to approve, their own ones, and notes and tasks."
_EMAIL = "Address at which the person is invited, and with which they sign in. No two people have the same one."


class NewPersonIn(InputModel):
    """A new person."""

    name: PersonName = Field(description="Name of the person, as colleagues and logs show it.")
    email: Email = Field(description=_EMAIL)


RoleScope = Literal[
    "content:read",
    "content:write",
    "content:approve",
    "content:publish",
    "comments:moderate",
    "subscribers:manage",
    "webhooks:manage",
]
"""The scopes of roles. `admin` has a role of its own; `syndicate` and `public:read` are for keys of machines."""
RoleSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
RoleScopes = Annotated[list[RoleScope], Field(min_length=1, max_length=7)]
_ROLE_SCOPES = "What people with the role may do, in the sections for which they have it."


class RoleIn(InputModel):
    """A new role."""

    role: RoleSlug = Field(description="The role in URLs and grants: lower-case letters, digits, `-` and `_`.")
    name: Name = Field(description="Display name.")
    scopes: RoleScopes = Field(description=_ROLE_SCOPES)


class RolePatch(InputModel):
    """Changes to a role (RFC 7396): absent members stay."""

    name: Name = Field(default_factory=str, description="Display name.")
    scopes: RoleScopes = Field(default_factory=list[RoleScope], description=_ROLE_SCOPES)


class RoleOut(BaseModel):
    """A role: a named set of scopes."""

    role: str
    name: str
    scopes: list[str] = Field(description=_ROLE_SCOPES)
    built_in: bool = Field(description="Whether it is part of Broadsheet, and cannot be changed.")


class RolesOut(BaseModel):
    """All roles, those that are built in first."""

    data: list[RoleOut]


class PersonGrantIn(InputModel):
    """A role to give to a person."""

    role: RoleSlug = Field(description="The role.")
    sections: SectionRefs | None = Field(
        None, description="Ids or slugs of the sections for which it holds, with all inside them; null: everywhere."
    )


PersonGrantsIn = Annotated[list[PersonGrantIn], Field(max_length=50)]
"""All roles of a person."""


class PersonGrantOut(BaseModel):
    """A role of a person."""

    role: str
    sections: list[str] | None = Field(
        description="Ids of the sections for which it holds, with all inside them; null: everywhere."
    )
    provider: str | None = Field(
        description="Id of the sign-in provider whose groups give it at each sign-in; null: it was given by hand."
    )


class PersonPatch(InputModel):
    """Changes to a person (RFC 7396): absent members stay."""

    name: PersonName = Field(default_factory=str, description="Name of the person.")
    email: Email = Field(default_factory=str, description=f"{_EMAIL} Needs `admin`.")
    mails: bool = Field(default_factory=bool, strict=True, description=_MAILS)
    suspended: bool = Field(
        default_factory=bool, strict=True, description="Whether the person is refused everywhere. Needs `admin`."
    )


class PersonOut(BaseModel):
    """A person of the staff."""

    id: str
    name: str
    email: str | None = Field(description="E-mail address, for the person and callers with `admin`; else null.")
    state: PersonState = Field(
        description="`invited`: has not accepted an invitation yet; `suspended`: is refused everywhere; `deleted`: "
        "only the id and the name are left."
    )
    methods: list[Literal["password", "totp", "passkey", "oidc"]] | None = Field(
        description="What the person signs in with, for the person and callers with `admin`; else null."
    )
    mails: bool | None = Field(description=f"{_MAILS} As `email`.")
    grants: list[PersonGrantOut] = Field(description="The roles of the person.")
    created_at: datetime
    signed_in_at: datetime | None = Field(description="Time of the last sign-in, as `email`.")


class PeopleQuery(PageQuery):
    """Filters of the list of people."""

    state: PersonState | None = Field(None, description="Only people in this state. Without it: all but deleted ones.")


class SessionOut(BaseModel):
    """A session of a person."""

    id: str
    method: SignInMethod = Field(description="How the person signed in.")
    client: str = Field(description="The `User-Agent` at sign-in, cut to 200 characters.")
    current: bool = Field(description="Whether it is the session of this request.")
    created_at: datetime
    refreshed_at: datetime = Field(description="Time of the last new access token.")
    expires_at: datetime = Field(description="Time at which the session ends at the latest.")


class RefreshIn(InputModel):
    """The refresh token of a session."""

    refresh_token: str = Field(min_length=1, max_length=400, description="The newest refresh token: `br_…`.")


class SignedInPersonOut(BaseModel):
    """The person who signed in."""

    id: str
    name: str


class TokensOut(BaseModel):
    """The tokens of a session."""

    access_token: str = Field(description="Token for `Authorization: Bearer ba_…`.")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(
        description="Token for the next access token: `br_…`. Each use replaces it; a former one ends the session."
    )
    device_token: str = Field(
        description="Keep it for later sign-ins, also after signing out: `bd_…`. It signs nobody in; others who try "
        "passwords for the same address do not use up the attempts of whoever sends it."
    )
    person: SignedInPersonOut
