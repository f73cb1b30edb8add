"""Tables of people, their credentials, invitations and sessions."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import BIG, ID, Table


class Person(Table, table=True):
    """Somebody of the staff. A deleted person keeps the id and the name, which the audit log refers to."""

    id: str = Field(primary_key=True, sa_type=ID)
    name: str = Field(max_length=200)
    skeleton: str = Field(max_length=200, index=True)  # of the name
    email: str | None = Field(default=None, max_length=254, unique=True)  # in lower case; null once deleted
    password_hash: str | None = Field(default=None, max_length=200)  # Argon2id, in PHC format
    totp_secret: str | None = Field(default=None, max_length=64)  # Base32
    totp_confirmed_at: datetime | None = None  # when the first code was given; before, the secret is not asked for
    totp_step: int | None = Field(default=None, sa_type=BIG)  # of the last code used, in periods of 30 s since 1970
    recovery_hashes: list[str] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))  # SHA-256 of each
    mails: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})  # about texts and tasks
    created_at: datetime
    accepted_at: datetime | None = None  # when the first invitation was accepted
    signed_in_at: datetime | None = None
    suspended_at: datetime | None = None
    deleted_at: datetime | None = None


class PersonSession(Table, table=True):
    """A sign-in that lasts. The row of a session that has ended is deleted."""

    __tablename__ = "person_session"

    id: str = Field(primary_key=True, sa_type=ID)
    person_id: str = Field(sa_type=ID, foreign_key="person.id", ondelete="CASCADE", index=True)
    method: str = Field(max_length=20)  # password, passkey, oidc
    client: str = Field(max_length=200)  # the User-Agent at sign-in
    access_hash: str = Field(max_length=64)  # SHA-256 of the newest access token
    access_expires_at: datetime
    former_access_hash: str | None = Field(default=None, max_length=64)  # of the one before, for requests under way
    former_access_expires_at: datetime | None = None
    refresh_hash: str = Field(max_length=64)  # SHA-256 of the newest refresh token
    generation: int  # of the refresh token
    created_at: datetime
    authenticated_at: datetime  # when the person last proved who they are
    refreshed_at: datetime
    expires_at: datetime = Field(index=True)  # at the latest


class PersonIdentity(Table, table=True):
    """An account of a person with an OpenID provider."""

    __tablename__ = "person_identity"
    __table_args__ = (sa.UniqueConstraint("issuer", "subject", name="uq_person_identity_subject"),)

    id: str = Field(primary_key=True, sa_type=ID)
    person_id: str = Field(sa_type=ID, foreign_key="person.id", ondelete="CASCADE", index=True)
    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=255)  # OpenID Connect Core §2 limits it to 255 characters
    created_at: datetime
    last_used_at: datetime | None = None


class Passkey(Table, table=True):
    """A WebAuthn credential."""

    id: str = Field(primary_key=True, sa_type=ID)
    person_id: str = Field(sa_type=ID, foreign_key="person.id", ondelete="CASCADE", index=True)
    name: str = Field(max_length=200)
    credential_id: str = Field(max_length=1400, unique=True)  # Base64url of at most 1,023 bytes
    public_key: bytes  # COSE
    sign_count: int = Field(sa_type=BIG)
    transports: list[str] = Field(sa_type=sa.JSON)
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None = None


class Invitation(Table, table=True):
    """A link by which a person sets up a way to sign in, once."""

    id: str = Field(primary_key=True, sa_type=ID)
    person_id: str = Field(sa_type=ID, foreign_key="person.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(max_length=64, unique=True)  # SHA-256
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class SpentToken(Table, table=True):
    """A token that may be used once and was, such as the challenge of a passkey, until it expires."""

    __tablename__ = "spent_token"

    hash: str = Field(primary_key=True, max_length=64)  # SHA-256
    expires_at: datetime = Field(index=True)


class Role(Table, table=True):
    """A named set of scopes that the publication added; five others are built in."""

    slug: str = Field(primary_key=True, max_length=60)
    name: str = Field(max_length=200)
    scopes: list[str] = Field(sa_type=sa.JSON)
    created_at: datetime
    updated_at: datetime


class RoleGrant(Table, table=True):
    """A role that a person has: in a section and all that is inside of it, or everywhere."""

    __tablename__ = "role_grant"

    id: str = Field(primary_key=True, sa_type=ID)
    person_id: str = Field(sa_type=ID, foreign_key="person.id", ondelete="CASCADE", index=True)
    role: str = Field(max_length=60, index=True)  # built in, or a row of `role`: hence no foreign key
    section_id: str | None = Field(sa_type=ID, foreign_key="section.id", ondelete="CASCADE", index=True)
    provider: str | None = Field(default=None, max_length=40)  # whose groups gave it; null: it was given by hand
