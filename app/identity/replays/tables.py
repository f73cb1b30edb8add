"""Answers kept for their idempotency keys."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class Replay(SQLModel, table=True):
    """The answer to one POST, for as long as a client may repeat it."""

    caller: str = Field(primary_key=True, max_length=36)
    key: str = Field(primary_key=True, max_length=255)
    fingerprint: str = Field(max_length=64)  # SHA-256 of method, address and body
    status: int | None = None
    headers: dict[str, str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))
    body: bytes | None = None
    created_at: datetime = Field(index=True)
