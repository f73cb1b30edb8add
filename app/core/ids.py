"""Identifiers: UUIDv7 (RFC 9562 §5.7), which sort by time, so that new rows come last in every index."""

import re
from typing import Annotated

import uuid_utils
from pydantic import AfterValidator, BeforeValidator, Field

from app.core.problems import NotFound

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """Return a new UUIDv7 in lower-case text form."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether a text has the canonical form of a UUID; any other reference in a path is a slug."""
    return _UUID.fullmatch(text) is not None


def id_from_hex(digits: str) -> str:
    """Return the id with these 32 hexadecimal digits."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _require_id(text: str) -> str:
    if not is_id(text):
        raise NotFound  # the same answer as for an unknown id
    return text


IdPath = Annotated[str, AfterValidator(_require_id)]
"""An id in a path; 404 for any other text, as for an unknown id."""


def _require_reference(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise NotFound
    return text


RefPath = Annotated[str, AfterValidator(_require_reference)]
"""An id or a slug in a path; 404 for a text that can be neither, as for an unknown one."""


def _require_token(text: str) -> str:
    if len(text) > 400 or not (text.isascii() and text.isprintable()):
        raise NotFound
    return text


TokenPath = Annotated[str, AfterValidator(_require_token)]
"""A token in a path; 404 for a text that cannot be one, as for an unknown token."""


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _is_uuid(text: str) -> str:
    if not is_id(text):
        raise ValueError("must be a UUID in its canonical form")
    return text


_HEX = "[0-9A-Fa-f]"
AnyId = Annotated[
    str,
    BeforeValidator(_lower),
    AfterValidator(_is_uuid),
    Field(json_schema_extra={"pattern": f"^{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$"}),
]
"""An id in a body; upper-case letters become lower-case."""


def _is_uuid7(text: str) -> str:
    if text[14] != "7" or text[19] not in "89ab":
        raise ValueError("must be a UUIDv7 (RFC 9562 §5.7)")
    return text


NewId = Annotated[
    AnyId,
    AfterValidator(_is_uuid7),
    Field(json_schema_extra={"pattern": f"^{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89ABab]{_HEX}{{3}}-{_HEX}{{12}}$"}),
]
"""The id that a client chooses for a new resource: a UUIDv7, so that it comes last in every index."""
