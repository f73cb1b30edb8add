"""Bans at rest."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Ban(SQLModel, table=True):
    """What may not take part. Addresses and e-mails stand here as hashes: a ban outlives what it was made from."""

    id: str = Field(primary_key=True, sa_type=ID)
    kind: str = Field(max_length=12)  # identity, address, email, email_domain
    value: str = Field(max_length=300, unique=True)  # `kind:` and a participant's id, a hash or a domain
    participant_id: str | None = Field(sa_type=ID)  # of identities
    comment_id: str | None = Field(sa_type=ID)  # what gave reason to it; may be gone
    reason: str | None = Field(max_length=2000)
    until: datetime | None
    created_at: datetime = Field(index=True)
    created_by: str | None = Field(sa_type=ID)  # the moderator's key
