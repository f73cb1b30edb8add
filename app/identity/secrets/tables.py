"""Secrets at rest."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class Secret(SQLModel, table=True):
    """32 random bytes in hexadecimal: `site` for good, `salt-N` for the N-th thirty days and the thirty after."""

    name: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=64)
    created_at: datetime
