"""The outermost layers of the app: request ids, limits of bodies, metrics, the access log, CORS."""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import problems
from app.core.ids import new_id
from app.core.logs import bind_contextvars
from app.core.problems import Problem
from app.web.access_log import AccessLog
from app.web.admission import slot_of

MAX_BODY_PAUSE_SECONDS = 15.0  # between two parts of a body
BODY_SECONDS = 30.0  # for a body, and one second more for every `MIN_BODY_BYTES_PER_SECOND` that have arrived:
MIN_BODY_BYTES_PER_SECOND = 8000  # slow connections can upload, but a trickle does not hold a request open
MAX_BUFFERED_BYTES = 100_000_000  # of the bodies of all requests of a process; beyond it large ones are refused
MIN_LARGE_BYTES = 64_000  # of a body that counts as large
EXPOSED_HEADERS = (
    "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, Broadsheet-Position, Cache-Tag, "
    "Surrogate-Key, Cache-Groups, Cache-Status, Age, Last-Modified, Idempotency-Replayed, Broadsheet-Token"
).split(", ")
CONTINUATION = "goes_on"
"""Key in a request's state: a coroutine function of `(receive, send)` that continues the response after the app has
returned, so that a long response does not keep the app's stack."""
ANSWERED_ANONYMOUSLY = "answered_as_nobody"
"""Key in a request's scope: its reader token is unknown, so that it is answered as an anonymous one."""
_CACHE_HEADERS = frozenset({b"cache-control", b"cache-tag", b"surrogate-key", b"cache-groups"})
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,100}")
"""The syntax of request ids that clients may send."""
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,200})?")
"""What a tracer sends; the id of the trace is in the first group."""
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]


class UnsupportedContentCoding(
    Problem, status=415, code="unsupported_content_coding", title="Bodies must not be compressed"
):
    """The body is compressed (`Content-Encoding`); send it as it is (RFC 9110 §15.5.16)."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Accept-Encoding": "identity"})


def read_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id of a request: its client's, that of the trace it belongs to (W3C Trace Context), or a new one."""
    trace = None
    for name, value in headers:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
        if name == b"traceparent":
            trace = TRACEPARENT.fullmatch(value)
    return trace[1].decode() if trace else new_id()


class _Exchange:
    """One request and its response as they pass the boundary."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, boundary: "Boundary") -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._slot, self._boundary = slot_of(scope), boundary
        self.size = 0
        self.status = 500
        self.body_done = False
        self.started_at: float | None = None

    async def receive(self) -> Message:
        """Receive the next part of the body; raise a problem if it is too late or the body too large."""
        if self.body_done:
            return await self._receive()
        self._check_headers()
        loop_time = asyncio.get_running_loop().time()
        self.started_at = loop_time if self.started_at is None else self.started_at
        deadline = self.started_at + BODY_SECONDS + self.size / MIN_BODY_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(min(loop_time + MAX_BODY_PAUSE_SECONDS, deadline)):
                with self._slot:
                    message = await self._receive()
        except TimeoutError:
            raise problems.RequestTimeout("The body did not arrive in time.") from None
        self.body_done = message["type"] != "http.request" or not message.get("more_body")
        self._take(len(message.get("body", b"")))
        if self.body_done and self._slot.is_too_much:
            raise problems.Unavailable("The server works on as many requests as it can.")
        return message

    def _take(self, size: int) -> None:
        """Count a part of the body."""
        self.size += size
        self._check_size(self.size)
        self._boundary.buffered += size
        if self._boundary.buffered > MAX_BUFFERED_BYTES and self.size > MIN_LARGE_BYTES:
            raise problems.Unavailable("Too many large bodies arrive at once.")

    def release(self) -> None:
        """Count the body no longer."""
        self._boundary.buffered -= self.size
        self.size = 0

    def _check_headers(self) -> None:
        """Refuse a body that is too large or compressed before it arrives."""
        for name, value in self.scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self._check_size(int(value))
            elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise UnsupportedContentCoding

    def _check_size(self, size: int) -> None:
        route = self.scope.get("route")
        max_size = getattr(route, "max_body_size", None) or min(
            self._boundary.max_body_size, getattr(route, "max_public_size", self._boundary.max_body_size)
        )
        if size > max_size:
            raise problems.BodyTooLarge(f"The body is larger than {max_size:,} bytes.")

    async def send(self, message: Message) -> None:
        """Send a message of the response, adding the headers that every response has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            if self.scope.get(ANSWERED_ANONYMOUSLY):  # caches must not give this response to others
                headers = [header for header in headers if header[0] not in _CACHE_HEADERS]
                headers += [(b"cache-control", b"private, no-store"), (b"broadsheet-token", b"unknown")]
            given = {name for name, _ in headers}
            headers.append((b"x-request-id", self.scope["request_id"].encode()))
            headers += [header for header in SECURITY_HEADERS if header[0] not in given]
            headers += self.scope.get("answer_headers", ())
            message = {**message, "headers": headers}
        with self._slot:  # the client may be slow to read
            await self._send(message)


class Boundary:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, access_log: AccessLog, max_body_size: int) -> None:
        self.app, self.access_log, self.max_body_size = app, access_log, max_body_size
        self.buffered = 0  # bytes of the bodies of requests that are being answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, method = time.perf_counter(), scope["method"]
        # HEAD is answered like GET; the server omits the body (RFC 9110 §9.3.2).
        scope = {**scope, "method": "GET" if method == "HEAD" else method}
        if scope.get("raw_path", b"").endswith(b"/") and len(scope["path"]) > 1:  # `/v1/articles/` is `/v1/articles`
            scope["path"], scope["raw_path"] = scope["path"][:-1], scope["raw_path"][:-1]
        scope["is_head"] = method == "HEAD"  # for responses without an end
        scope.setdefault("state", {})
        scope["request_id"] = read_request_id(scope["headers"])
        bind_contextvars(request_id=scope["request_id"])
        exchange = _Exchange(scope, receive, send, self)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        finally:
            exchange.release()
            route = getattr(scope.get("route"), "path", "unmatched")
            self.access_log.note(method, route, exchange.status, started, scope["request_id"])
        if continuation := scope["state"].pop(CONTINUATION, None):
            with slot_of(scope):
                del scope, exchange
                await continuation(receive, send)


class _Cors(CORSMiddleware):
    """Starlette's CORS middleware without a second `Origin` in `Vary`."""

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Send a message with its headers for the caller's origin."""

        async def send_once(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                names = (name.strip() for value in headers.getlist("Vary") for name in value.split(","))
                headers["Vary"] = ", ".join(dict.fromkeys(names))
            await send(message)

        await super().send(message, send_once, request_headers)


class Cors:
    """CORS: any origin may read; only the publication's own front ends may write and send credentials."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        reads = ["Content-Type", "If-None-Match", "Last-Event-ID", "X-Request-ID"]
        headers = ["Authorization", "Idempotency-Key", "If-Match", *reads]
        self.origins = frozenset(origin.encode() for origin in origins)
        self.plain = app
        self.trusted = _Cors(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=headers,
            allow_credentials=True,
            expose_headers=EXPOSED_HEADERS,
            max_age=3600,
        )
        self.anyone = _Cors(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD"],
            allow_headers=reads,
            expose_headers=EXPOSED_HEADERS,
            max_age=3600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.plain(scope, receive, send)
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is None:
            await self.plain(scope, receive, send)
        elif origin in self.origins:
            await self.trusted(scope, receive, send)
        else:
            await self.anyone(scope, receive, send)
