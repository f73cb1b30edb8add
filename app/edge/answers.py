"""Answers, in the form in which they are kept and sent again."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from starlette.types import Scope

from app.core.clock import unix_time
from app.events.cache_groups import SETTINGS_GROUP
from app.web.etag import make_etag, matches_etag, strip_coding
from app.web.freshness import Freshness, format_http_date, parse_http_date
from app.web.keeping import KEPT_FOR, KEPT_UNTIL, PLAIN_BODY, PUBLIC_READ, RENEWAL, SEEN_AS, PublicRead, Renewal
from app.web.protocol import join_head
from app.web.responses import compress, decompress

BRIEF_SECONDS = 5.0  # for which an answer without cache groups is kept; any change evicts it sooner
BRIEF_STATUSES = frozenset({301, 404, 410, 451})
BRIEF_GROUP = "(brief)"  # the group of all of these
ANSWER_BYTES = 5000  # estimated memory of an answer without its body
GROUP_BYTES = 250  # estimated memory of each of its cache groups
HIT, MISS, STORED, COLLAPSED, BYPASS = (
    (b"cache-status", b"Broadsheet; " + text)
    for text in (b"hit", b"fwd=uri-miss", b"fwd=uri-miss; stored", b"fwd=uri-miss; collapsed", b"fwd=bypass")
)
"""`Cache-Status` (RFC 9211)."""
# Each answer is checked against the log before it is sent: seconds since it was last validated (RFC 9111 §5.1).
_AGE = (b"age", b"0")
_KEPT_HEADERS = (_AGE, HIT)
_OWN_HEADERS = frozenset({b"x-request-id", b"ratelimit", b"ratelimit-policy"})  # of one request, not of the answer
CONTENT_HEADERS = frozenset({b"content-type", b"content-length", b"content-encoding"})
_CLOSES_AT = re.compile(rb"\x22closes_at\x22:\x22(\d{4}-\d\d-\d\dT[\d:.]+Z)\x22")
Header = tuple[bytes, bytes]
State = Scope
"""What routes have noted about a request: see `app.web.keeping`."""
Alias = tuple[bytes, bytes, bytes | None, bytes | None, bytes | None]


class Key(NamedTuple):
    """What distinguishes answers: requests with equal keys get the same answer."""

    path: str
    query: bytes  # sorted by name, without `min_position`
    media_type: str  # negotiated
    coding: str | None  # negotiated
    origin: bytes  # an allowed origin, `*` for any other, empty without one


class Response(NamedTuple):
    """A complete response of the app."""

    status: int
    headers: list[Header]
    body: bytes


class Choice(NamedTuple):
    """The response to one request."""

    status: int
    headers: list[Header]  # of the answer
    head: bytes  # the status line with these headers
    body: bytes
    own: list[Header]  # headers of this response alone


class Answer:
    """A complete answer, kept or at least shared by requests that came at the same time."""

    def __init__(self, key: Key, route: str, response: Response, groups: frozenset[str], until: float) -> None:
        self.key, self.route, self.status, self.groups, self.until = key, route, response.status, groups, until
        kept = [header for header in response.headers if header[0] not in _OWN_HEADERS]
        self.headers: list[Header] = [*kept, *_KEPT_HEADERS]
        self.unmodified_headers = [header for header in self.headers if header[0] not in CONTENT_HEADERS]
        self.head = join_head(self.status, self.headers)
        self.unmodified_head = join_head(304, self.unmodified_headers)
        self.body = response.body
        self.parts: tuple[bytes, bytes] | None = None  # of a body with the request id: before and after it
        self.etag = _find(response.headers, b"etag")
        self.tag: str | None = None  # the ETag without quotes and coding
        self.since: int | None = None  # the Unix time since which it is unchanged
        self.seen_as: tuple[str, str] | None = None  # its address and tag in `Freshness`
        self.served = 0  # the last second in which it was sent
        self.size = len(self.body) + ANSWER_BYTES + GROUP_BYTES * len(groups)
        self.is_protected = False
        self.renewal: Renewal | None = None  # renews counts of articles in it
        self.is_outdated = False  # in these counts
        self.aliases: list[Alias] = []  # requests, unparsed, that get it

    def choose(self, request: Mapping[bytes, bytes], request_id: str) -> "Choice":
        """Choose the response to a request with these headers: the answer, or 304 if the client has it."""
        id_value, now = request_id.encode(), unix_time()
        own = [(b"x-request-id", id_value)]
        self.served = int(now)
        none_match, since = request.get(b"if-none-match"), request.get(b"if-modified-since")
        if (none_match is not None or since is not None) and self.is_unmodified(none_match, since, now):
            return Choice(304, self.unmodified_headers, self.unmodified_head, b"", own)
        if self.parts is None:
            return Choice(self.status, self.headers, self.head, self.body, own)
        body = id_value.join(self.parts)
        own.append((b"content-length", b"%d" % len(body)))
        return Choice(self.status, self.headers, self.head, body, own)

    def is_unmodified(self, if_none_match: bytes | None, if_modified_since: bytes | None, now: float) -> bool:
        """Whether the client has this answer (RFC 9110 §13.2.2)."""
        if self.tag is None:
            return False
        if if_none_match is not None:
            return if_none_match == self.etag or matches_etag(if_none_match.decode("latin-1"), self.tag)
        date = parse_http_date(if_modified_since.decode("latin-1")) if if_modified_since else None
        return date is not None and self.since is not None and self.since <= date <= int(now)


def _find(headers: Iterable[Header], name: bytes) -> bytes:
    return next((value for key, value in headers if key == name), b"")


def make_answer(
    key: Key, names: frozenset[str], response: Response, state: State, started: float, now: float
) -> Answer | None:
    """Make an answer of a response that may be sent to anybody; return None for any other response.

    `names` are the query's parameters; `started` is the Unix time at which the app was called.
    """
    read: PublicRead | None = state.get(PUBLIC_READ)
    headers = response.headers
    if read is None or not names <= read.parameters or _find(headers, b"set-cookie"):
        return None
    cache_control = _find(headers, b"cache-control")
    if response.status == 200 and KEPT_FOR in state:
        answer = Answer(key, read.route, response, frozenset(state[KEPT_FOR]), state[KEPT_UNTIL])
        answer.tag = strip_coding(answer.etag.decode("latin-1").strip('"'))
        return answer
    if response.status == 200:
        tags, etag = _find(headers, b"cache-tag").decode("latin-1"), _find(headers, b"etag")
        if not cache_control.startswith(b"public") or not tags or not etag or SEEN_AS not in state:
            return None
        groups = frozenset(tags.split(","))
        plain_body = state.get(PLAIN_BODY) if _find(headers, b"content-encoding") else response.body
        if plain_body is None:
            return None
        until = _find_end(plain_body, groups, key.query, state, started)
        if until <= now:
            return None
        answer = Answer(key, read.route, response, groups, until)
        address, answer.tag, answer.since = state[SEEN_AS]
        answer.seen_as = (address, answer.tag)
        answer.renewal = state.get(RENEWAL)
        return answer
    if response.status not in BRIEF_STATUSES or b"private" in cache_control:
        return None
    return _make_brief(Answer(key, read.route, response, frozenset({BRIEF_GROUP}), now + BRIEF_SECONDS), headers)


def renew_answer(answer: Answer, connection: sa.Connection, freshness: Freshness) -> Answer | None:
    """Make an answer anew in which counts of articles are outdated; None if it has to be made by the app."""
    assert answer.renewal is not None
    assert answer.seen_as is not None
    coding, now, address = _find(answer.headers, b"content-encoding").decode(), unix_time(), answer.seen_as[0]
    renewed = answer.renewal.renew(connection, decompress(answer.body, coding) if coding else answer.body)
    if renewed is None:
        return None
    body, renewal = renewed
    tag = make_etag(body, renewal.version)
    since, second = freshness.note(address, tag)
    sent = compress(body, coding) if coding else body
    changed = {
        b"etag": (f'"{tag}-{coding}"' if coding else f'"{tag}"').encode(),
        b"last-modified": format_http_date(min(since, second)).encode(),
        b"content-length": b"%d" % len(sent),
    }
    given = answer.headers[: -len(_KEPT_HEADERS)]
    response = Response(answer.status, [(name, changed.get(name, value)) for name, value in given], sent)
    until = _find_end(body, answer.groups, answer.key.query, {}, now)
    new = Answer(answer.key, answer.route, response, answer.groups, until)
    new.tag, new.since, new.seen_as, new.renewal = tag, since, (address, tag), renewal
    return new


def _make_brief(answer: Answer, headers: list[Header]) -> Answer | None:
    """Split the body of a problem around the request id; None if the body does not contain it exactly once."""
    if not answer.body:
        return answer
    parts = answer.body.split(_find(headers, b"x-request-id") or b"\0")
    if len(parts) != 2:
        return None
    answer.parts = parts[0], parts[1]
    answer.body = b""
    answer.headers = [header for header in answer.headers if header[0] != b"content-length"]
    answer.head = join_head(answer.status, answer.headers)
    return answer


def _find_end(body: bytes, groups: frozenset[str], query: bytes, state: State, started: float) -> float:
    """Return when an answer becomes wrong by time alone: when its next discussion closes, or when its route says.

    An answer with the state of discussions but without their closing times is not kept: it ends at once.
    """
    end: float = state.get(KEPT_UNTIL, math.inf)
    if SETTINGS_GROUP not in groups:
        return end
    if b"fields=" in query and b".state" in query:
        return 0.0
    closing = filter(None, map(_parse_time, set(_CLOSES_AT.findall(body))))
    return min([end, *(moment for moment in closing if moment > started)])


def _parse_time(text: bytes) -> float | None:
    """Parse a time into seconds since 1970; None for what only looks like one, in a text."""
    try:
        return datetime.fromisoformat(text.decode()).timestamp()
    except (ValueError, OverflowError):
        return None
