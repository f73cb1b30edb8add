"""Strong entity tags (RFC 9110 §8.8.3) with the version that `If-Match` names.

A tag is `"v7-1f0c…"`: the version of the resource, then a hash of the body. A compressed response adds its coding.
So `If-None-Match` compares bytes and `If-Match` versions, whatever fields and coding were requested.
"""

import hashlib
import re
from collections.abc import Iterable

from app.core.problems import BadRequest, PreconditionRequired, StaleVersion

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_TAG_PATTERN = r'[ \t]*(?:W/)?"[\x21\x23-\x7E]*"[ \t]*'
IF_MATCH_PATTERN = rf"^(?:[ \t]*\*[ \t]*|{_TAG_PATTERN}(?:,{_TAG_PATTERN})*)$"
"""The syntax of `If-Match` (RFC 9110 §13.1.1), for the OpenAPI document, too."""
_IF_MATCH = re.compile(IF_MATCH_PATTERN)
_VERSION = re.compile(r"v(\d{1,18})(?:-.*)?", re.ASCII)
_CODINGS = ("-gzip", "-br", "-zstd")


def make_etag(body: bytes, version: int | None = None) -> str:
    """Return the entity tag of a body, without quotes."""
    digest = hashlib.sha256(body).hexdigest()[:20]  # with hardware support it takes half the time of BLAKE2
    return f"v{version}-{digest}" if version is not None else digest


def strip_coding(tag: str) -> str:
    """Return an entity tag without the coding that a compressed answer adds."""
    for coding in _CODINGS:
        tag = tag.removesuffix(coding)
    return tag


def matches_etag(if_none_match: str, tag: str) -> bool:
    """Whether `If-None-Match` names this tag, in any content coding."""
    if if_none_match.strip() == "*":
        return True
    return any(strip_coding(value) == tag for _, value in _TAG.findall(if_none_match))


def parse_if_match(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that `If-Match` names, and None for `*`; 428 without it, 400 if it is invalid.

    Weak tags match nothing.
    """
    if if_match is None:
        raise PreconditionRequired(
            "Send the header If-Match with the ETag that you read, or `If-Match: *` to change any version."
        )
    if not _IF_MATCH.fullmatch(if_match):
        detail = "If-Match must be `*`, or entity tags in quotes with commas between them."
        raise BadRequest(detail, errors=[{"parameter": "If-Match", "code": "invalid", "detail": detail}])
    if if_match.strip() == "*":
        return None
    tags = _TAG.findall(if_match)
    return frozenset(int(match[1]) for weak, tag in tags if not weak and (match := _VERSION.fullmatch(tag)))


def check_version(current: int, expected: frozenset[int] | None, differing: Iterable[str] = ()) -> None:
    """Raise 412, with the current version and the fields that differ, unless the current version is expected."""
    if expected is not None and current not in expected:
        raise StaleVersion(current_version=current, fields=differing)
