"""Tables of the audit log, API keys, participants, idempotency keys and secrets."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index
from app.db.rows import JsonObject


class Audit(Table, table=True):
    """An action. Rows are added; only the details of erased subjects are cleared."""

    __table_args__ = (
        sa.Index("ix_audit_at", "at", "id"),
        sa.Index("ix_audit_subject", "subject_id", "at", "id"),
        sa.Index("ix_audit_kind", "subject_kind", "at", "id"),
        sa.Index("ix_audit_actor", "actor_id", "at", "id"),
        sa.Index("ix_audit_action", "action", "at", "id"),
        partial_index("ix_audit_person", "person_id", "at", "id", where="person_id IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    at: datetime
    actor_kind: str = Field(max_length=20)
    actor_id: str | None = Field(sa_type=ID)
    actor_name: str = Field(max_length=200)
    person_id: str | None = Field(default=None, sa_type=ID)  # who acted, signed in or by a key of theirs
    action: str = Field(max_length=60)
    subject_kind: str = Field(max_length=40)
    subject_id: str | None = Field(sa_type=ID)
    detail: JsonObject = Field(sa_type=sa.JSON)


class ApiKey(Table, table=True):
    """An API key, without the key itself."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True, sa_type=ID)
    name: str = Field(max_length=200)
    skeleton: str = Field(max_length=200, index=True, sa_column_kwargs={"server_default": ""})  # of the name
    hint: str = Field(max_length=20)  # the first characters of the key, by which people recognise it
    hash: str = Field(max_length=64, unique=True)  # SHA-256: the key has 256 random bits, a slow hash adds nothing
    scopes: list[str] = Field(sa_type=sa.JSON)
    sections: list[str] | None = Field(sa_type=sa.JSON(none_as_null=True))
    person_id: str | None = Field(default=None, sa_type=ID)  # to whom it belongs: it never does more than they may
    quota_minute: int | None = None  # requests; null: as many as any key
    quota_day: int | None = None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Participant(Table, table=True):
    """A guest, reader or member of staff who takes part. Their personal data is private and can be erased."""

    id: str = Field(primary_key=True, sa_type=ID)
    kind: str = Field(max_length=10)  # guest, reader, staff
    public_id: str = Field(max_length=32, unique=True)  # HMAC of the id
    name: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=320, index=True)  # in lower case
    confirmed_at: datetime | None = None  # when the e-mail was confirmed
    token_hash: str | None = Field(None, max_length=64, unique=True)  # of guests: SHA-256
    subject: str | None = Field(None, max_length=600, unique=True)  # of readers: `iss|sub` of their JWT
    key_id: str | None = Field(None, sa_type=ID, unique=True)  # of staff who write with an API key
    person_id: str | None = Field(default=None, sa_type=ID, index=True, unique=True)  # of staff who signed in
    author_id: str | None = Field(None, sa_type=ID)  # their profile among the publication's authors
    approved: int = 0
    rejected: int = 0
    created_at: datetime
    erased_at: datetime | None = None


class Replay(Table, table=True):
    """The answer to a POST with an idempotency key, kept so that the client can repeat it."""

    caller: str = Field(primary_key=True, max_length=36)
    key: str = Field(primary_key=True, max_length=255)
    fingerprint: str = Field(max_length=64)  # SHA-256 of method, address and body
    status: int | None = None
    headers: dict[str, str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    body: bytes | None = None
    created_at: datetime = Field(index=True)


class Secret(Table, table=True):
    """32 random bytes in hexadecimal: `site`, which stays, and `salt-N` for the N-th period of 30 days and the next."""

    name: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=64)
    created_at: datetime
