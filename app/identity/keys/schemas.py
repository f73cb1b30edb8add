"""API keys as they come in and go out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.identity.schemas import Scope
from app.kit.clock import Moment
from app.kit.rules import not_with
from app.kit.text import Identifier, Name, Whole

SectionRefs = Annotated[list[Identifier], Field(min_length=1, max_length=100)]
_SECTIONS = "Slugs or ids of the sections it is limited to, which must exist, with all inside of them; null: all."
Quota = Annotated[int, Field(strict=True, ge=1, le=100_000_000), Whole]

_KEY = not_with("sections", "scopes", "admin")  # one with the scope admin could make others without limits


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_KEY)

    name: Name = Field(description="What the key is for, for people.")
    scopes: list[Scope] = Field(min_length=1, max_length=8, description="What it may do.")
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    expires_at: Moment | None = Field(None, description="When it stops working, RFC 3339; null: never.")

    quota_minute: Quota | None = Field(
        None, description="Requests that it may make in a minute, in place of what is common for keys; null: that."
    )
    quota_day: Quota | None = Field(None, description="Requests that it may make in 24 hours; null: any number.")


class KeyPatch(BaseModel):
    """Changes to a key, as RFC 7396 has them: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str, description="What the key is for, for people.")
    scopes: list[Scope] = Field(default_factory=list[Scope], min_length=1, max_length=8, description="What it may do.")
    sections: SectionRefs | None = Field(None, description=_SECTIONS)
    expires_at: Moment | None = Field(None, description="When it stops working, RFC 3339; null: never.")
    quota_minute: Quota | None = Field(None, description="Requests in a minute; null: what is common for keys.")
    quota_day: Quota | None = Field(None, description="Requests in 24 hours; null: any number.")


class KeyOut(BaseModel):
    """A key, without the key itself."""

    id: str
    name: str
    hint: str = Field(description="The first characters of the key.")
    scopes: list[str]
    sections: list[str] | None = Field(description="Ids; all inside of them count as well; null: all.")
    quota_minute: int | None = Field(description="Requests in a minute; null: what is common for keys.")
    quota_day: int | None = Field(description="Requests in 24 hours; null: any number.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewKeyOut(KeyOut):
    """A key just made: the only answer that ever holds it."""

    key: str = Field(description="The key: `bs_`, 32 random bytes in hexadecimal, CRC-32 of these. Keep it now.")
