"""What routes note in a request's state about their answer, for the layer in front of them that keeps answers."""

from typing import NamedTuple

PUBLIC_READ = "public_read"
"""In a request's state: its `PublicRead`, if it was answered as to anybody, without credentials."""
SEEN_AS = "seen_as"
"""There: the address and the ETag by which `Freshness` knows the answer, and since when it holds, as a tuple."""
PLAIN_BODY = "plain_body"
"""There: the body before it was compressed."""
KEPT_UNTIL = "kept_until"
"""There: the Unix time at which time alone changes the answer."""

KEPT_FOR = "kept_for"
"""There: the cache groups of an answer that only this layer may keep, whatever its `Cache-Control` tells others."""


class PublicRead(NamedTuple):
    """A read on a public route that counted towards one limit: that of its network address or publishable key."""

    route: str  # its template
    parameters: frozenset[str]  # that the route knows
