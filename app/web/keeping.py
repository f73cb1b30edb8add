"""Keys of a request's state in which routes note facts about their answer, for the layer that keeps answers."""

from typing import NamedTuple, Protocol

import sqlalchemy as sa

PUBLIC_READ = "public_read"
"""A `PublicRead`, if the request was answered as for the public."""
SEEN_AS = "seen_as"
"""The address and ETag under which `Freshness` knows the answer, and the Unix time since which it is unchanged."""
PLAIN_BODY = "plain_body"
"""The body before compression."""
KEPT_UNTIL = "kept_until"
"""The Unix time at which the answer changes by time alone."""
KEPT_FOR = "kept_for"
"""The cache groups of an answer that only this layer may keep, whatever its `Cache-Control` tells others."""


RENEWAL = "renewal"
"""A `Renewal`, if counts of articles in the answer may be renewed without making it again."""


class Renewal(Protocol):
    """Renews the counts of articles in the body of an answer whose cache groups of counts stand for nothing else."""

    @property
    def version(self) -> int | None:
        """The version in the answer's ETag."""

    def renew(self, connection: sa.Connection, body: bytes) -> "tuple[bytes, Renewal] | None":
        """Return the body with its present counts, and what renews that one; None if more than these has changed."""


class PublicRead(NamedTuple):
    """A read on a public route, counted against the limit of its network address or publishable key."""

    route: str  # its template
    parameters: frozenset[str]  # that the route knows
