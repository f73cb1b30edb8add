"""E-mail addresses as people send them."""

from typing import Annotated

from pydantic import AfterValidator, EmailStr

from app.text.inputs import Length


def _normalize_email(address: str) -> str:
    if "=?" in address:
        raise ValueError("must not look like an encoded word (RFC 2047)")
    return address.lower()


Email = Annotated[EmailStr, Length(0, 254), AfterValidator(_normalize_email)]
"""An e-mail address, in lower case."""
