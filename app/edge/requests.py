"""Reading from a request what decides which kept answer it gets."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.exc import DBAPIError
from starlette.types import Scope

from app.core.ids import new_id
from app.core.problems import Unauthorized, Unavailable
from app.edge.answers import Alias, Key
from app.events.schemas import Position
from app.identity.keys import PUBLISHABLE_POLICY, PUBLISHABLE_PREFIX, KeyRing
from app.publication.renditions import MEDIA_PATH
from app.web import boundary
from app.web.rate_limits import Quotas, network_of
from app.web.responses import negotiate_coding, negotiate_media_type

READ_METHODS = frozenset({"GET", "HEAD"})
MAX_ADDRESS_BYTES = 2000  # of path and query together; for longer ones nothing is kept
BYPASSING = frozenset({b"proxy-authorization", b"cookie", b"content-length", b"transfer-encoding"})
_NEGOTIATION = frozenset({b"accept", b"accept-encoding", b"origin"})
CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})
RELEVANT = BYPASSING | _NEGOTIATION | CONDITIONS | {b"authorization", b"x-request-id"}
"""The headers that this layer reads."""
TAKEN_PARAMETERS = {"/feeds/": frozenset({"page"}), "/sitemap": frozenset[str]()}
"""By the beginning of their paths, the parameters of routes that ignore all others and whose answers are long."""
Headers = Mapping[bytes, bytes]


class Query(NamedTuple):
    """The parameters of a request."""

    text: bytes  # sorted by name; values of one name keep their order
    names: frozenset[str]
    min_position: str | None


@lru_cache(1024)
def parse_query(text: bytes) -> Query:
    """Parse a query string and normalise its order and encoding; `min_position` is kept apart."""
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    others = sorted((pair for pair in pairs if pair[0] != "min_position"), key=lambda pair: pair[0])
    positions = [value for name, value in pairs if name == "min_position"]
    names = frozenset(name for name, _ in others)
    return Query(urlencode(others).encode(), names, positions[-1] if positions else None)


def drop_ignored(path: str, query: Query) -> Query:
    """Drop the parameters that a route ignores: with each value of them it would make the same long answer again."""
    for beginning, taken in TAKEN_PARAMETERS.items():
        if path.startswith(beginning) and not query.names <= taken:
            pairs = parse_qsl(query.text.decode("latin-1"), keep_blank_values=True)
            kept = urlencode([pair for pair in pairs if pair[0] in taken]).encode()
            return Query(kept, query.names & taken, query.min_position)
    return query


def read_headers(scope: Scope) -> Headers:
    """Return the relevant headers; of a repeated one the first, as routes do."""
    return {name: value for name, value in reversed(scope["headers"]) if name in RELEVANT}


def alias_of(scope: Scope, headers: Headers) -> Alias:
    """Return the parts of a request, unparsed, that decide which answer it gets."""
    get = headers.get
    return scope["raw_path"], scope["query_string"], get(b"accept"), get(b"accept-encoding"), get(b"origin")


def read_request_id(headers: Headers) -> str:
    """Return the request id that the client sent, if it is valid, or a new one."""
    if b"x-request-id" not in headers and b"traceparent" not in headers:
        return new_id()
    return boundary.read_request_id(headers.items())


class PublicCallers:
    """Identifies callers who read as the public does: by network address or publishable key."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def find(self, scope: Scope, headers: Headers) -> tuple[str, str, Quotas] | None:
        """Return how `Limiter` counts a request: policy, caller and quotas.

        None if the caller may read more or less than the public, or uses a key that must be read first: see `admit`.
        """
        credentials = headers.get(b"authorization")
        if credentials is None:
            client = scope["client"]
            return "read", network_of(client[0]) if client else "", ()
        token = _read_publishable_key(credentials)
        actor = self._keys.find_cached(token) if token is not None else None
        if actor is None or not actor.is_publishable:
            return None
        return PUBLISHABLE_POLICY, str(actor.id), actor.quotas

    async def admit(self, headers: Headers) -> bool:
        """Whether a request may get kept answers; read its key if it is not cached."""
        credentials = headers.get(b"authorization")
        if credentials is None:
            return True
        token = _read_publishable_key(credentials)
        if token is None:
            return False
        try:
            return (await self._keys.identify(token)).is_publishable
        except (Unauthorized, Unavailable, DBAPIError):
            return False  # the app answers with the reason


def _read_publishable_key(credentials: bytes) -> str | None:
    scheme, _, token = credentials.partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    text = token.strip().decode("latin-1")
    return text if text.startswith(PUBLISHABLE_PREFIX) else None


def read_path(scope: Scope) -> str:
    """Return the path without a trailing slash, as the app sees it."""
    path: str = scope["path"]
    return path[:-1] if len(path) > 1 and scope["raw_path"].endswith(b"/") else path


class KeyReader:
    """Computes the keys of requests, with the media types and origins of the app."""

    def __init__(self, media_types: tuple[str, ...], origins: list[str]) -> None:
        self._media_types = media_types
        self._origins = frozenset(origin.encode() for origin in origins)

    def read(self, scope: Scope, headers: Headers) -> tuple[Key, Query] | None:
        """Return the key and the query of a request; None if no answers are kept for it."""
        path, text = read_path(scope), scope["query_string"]
        if len(path) + len(text) > MAX_ADDRESS_BYTES or path.startswith(MEDIA_PATH):
            return None
        query = parse_query(text)
        if "release" in query.names:  # a preview, for the holder of its token alone
            return None
        query = drop_ignored(path, query)
        accept, coding = headers.get(b"accept", b""), headers.get(b"accept-encoding", b"")
        media_type = negotiate_media_type(accept.decode("latin-1"), self._media_types) if accept else ""
        origin = headers.get(b"origin")
        site = b"" if origin is None else origin if origin in self._origins else b"*"
        key = Key(
            path,
            query.text,
            media_type or self._media_types[0],
            negotiate_coding(coding.decode("latin-1")) if coding else None,
            site,
        )
        return key, query


def is_seen(query: Query, covers: Callable[[Position], bool]) -> bool:
    """Whether a request requires no position, or one that has been seen."""
    if query.min_position is None:
        return True
    try:
        position = Position.parse(query.min_position)
    except ValueError:
        return False  # the app refuses it
    return covers(position)
