"""Participants as they go out."""

from pydantic import BaseModel, Field


class GuestOut(BaseModel):
    """A guest who was just made: the only answer that ever holds the token."""

    guest_token: str = Field(
        description="The token to send as `Authorization: Bearer bg_…`: `bg_`, 32 random bytes in hexadecimal, CRC-32 "
        "of these. Keep it now."
    )
    id: str = Field(description="How others see this guest: the `author.id` of their comments.")
