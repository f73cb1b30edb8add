"""One HTTP connection: uvicorn's protocol with limits for request heads, slow readers and what a process takes on."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import ClassVar, Final, cast

import uvicorn
from httptools import parse_url
from starlette.types import Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.core.ids import new_id
from app.core.problems import BadRequest, Problem, RequestTimeout, Unavailable
from app.web.admission import RETRY_AFTER_SECONDS, SLOT, Admission, Limits, Slot
from app.web.boundary import SECURITY_HEADERS, read_request_id
from app.web.problem_responses import problem_response

STALLED_READER_SECONDS: Final = 30.0  # without progress, after which a slow reader is disconnected
MIN_READ_BYTES_PER_SECOND: Final = 1000  # that count as progress
MAX_UNREAD_BYTES: Final = 64_000_000  # for slow readers of one process; beyond it, the oldest is disconnected
LINGER_SECONDS: Final = 0.3  # before closing a connection, for data that is on its way
REST_SECONDS: Final = 30.0  # for the rest of a body after a response that ends the connection; it is discarded
MAX_REST_PAUSE_SECONDS: Final = 5.0  # between two parts of it
MAX_REST_BYTES: Final = 64_000_000  # of it
MAX_COPIED_BYTES: Final = 32_000  # of a body that is sent in one piece with its head
PROBES: Final = frozenset({b"/healthz", b"/readyz"})
"""Paths that are answered under any name of the host: what watches a process knows it by its address."""
_RESET: Final = struct.pack("ii", 1, 0)  # `SO_LINGER`: on, for 0 s
ON_SHUTDOWN, IS_SHUTTING_DOWN = "on_leaving", "is_leaving"
"""Keys in a request's state: a function to call at shutdown, which ends a response without an end, and whether the
shutdown began before the request."""


class HeadTooLarge(Problem, status=431, code="head_too_large", title="The request's headers are too large"):
    """The request line and headers together are larger than 64 KiB (RFC 6585 §5)."""


class MisdirectedRequest(
    Problem, status=421, code="misdirected_request", title="This server does not answer for that host"
):
    """The request is for a host that this server is not (RFC 9110 §15.5.20); `ALLOWED_HOSTS` names those that it is."""


class _Transport:
    """The transport of a response whose request body may not be read yet; the protocol decides when it closes."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.is_closing, self.close = transport.write, transport.is_closing, close


def join_head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the beginning of an answer's head for `send_whole`: the status line and these headers."""
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])


def find_cycle(send: Callable[..., object]) -> RequestResponseCycle | None:
    """Return the cycle behind ASGI's `send`, for `send_whole`.

    None where only `send` can send: on another server, to a slow reader, or at the end of a connection.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or not cycle.keep_alive or cycle.flow.write_paused:
        return None
    return None if cycle.disconnected or cycle.response_started else cycle


def send_whole(cycle: RequestResponseCycle, head: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a finished answer at once, as ASGI's `send` of this server would: what it costs is mostly in its parts.

    `head` is what `join_head` gives.
    """
    cycle.response_started, cycle.waiting_for_100_continue, cycle.expected_content_length = True, False, 0
    parts = [head, *[b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)], b"\r\n"]
    has_body = bool(body) and cycle.scope["method"] != "HEAD"
    if has_body and len(body) <= MAX_COPIED_BYTES:
        parts.append(body)
        has_body = False
    cycle.transport.write(b"".join(parts))
    if has_body:
        cycle.transport.write(body)
    cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()


def _do_nothing() -> None:
    return


class Config(uvicorn.Config):
    """Uvicorn's configuration with the admission of the app, or one with the usual limits."""

    admission: Admission

    def load(self) -> None:
        """Load the app in the process that serves it."""
        super().load()
        app: object = self.loaded_app
        app = app.app if isinstance(app, ProxyHeadersMiddleware) else app
        self.admission = getattr(app, "admission", None) or Admission(Limits())


async def _run(cycle: RequestResponseCycle, app: ASGI3Application, slot: Slot) -> None:
    try:
        await cycle.run_asgi(app)
    finally:
        slot.finish()


def _build_not_now() -> tuple[bytes, bytes, bytes]:
    """Return the head of the answer to what is too much, and its body before and after the id of the request."""
    mark = "-"
    problem = Unavailable("The server works on as many requests as it can.", retry_after=RETRY_AFTER_SECONDS)
    response = problem_response(problem, mark)
    headers = [header for header in response.raw_headers if header[0] != b"content-length"]
    before, after = bytes(response.body).split(f'"{mark}"'.encode())
    return join_head(problem.status, [*headers, *SECURITY_HEADERS]), before + b'"', b'"' + after


_NOT_NOW: Final = _build_not_now()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, which a head that is too slow or too large ends.

    An app may have a method `answer_at_once(scope, send)`, which sends an answer with `send_whole`, without a task, or
    returns False and does nothing. It may also have an `admission`.
    """

    head_seconds = 10.0  # from the start of the connection, or from the first byte of a later head
    head_bytes = 65_536
    stalled_seconds = STALLED_READER_SECONDS
    min_read_rate = MIN_READ_BYTES_PER_SECOND
    retry_seconds: float = RETRY_AFTER_SECONDS
    max_unread_bytes = MAX_UNREAD_BYTES
    rest_seconds, max_rest_pause, max_rest_bytes = REST_SECONDS, MAX_REST_PAUSE_SECONDS, MAX_REST_BYTES
    unread: ClassVar[dict["Protocol", int]] = {}  # unread bytes of each slow reader of this process, oldest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._admission = cast(Config, self.config).admission
        self._admitted = self._admission.admit_connection(self.client[0] if self.client else "")
        self._in_head = self._in_request = False  # between the first and the last byte of one
        self._chunk_size = self._earlier_size = 0  # bytes that are being parsed, and bytes of the head before them
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = (
            None  # of requests that were sent together, the one that is worked on
        )
        self._is_shutting_down = self._is_refused = False
        self._reader_timer: asyncio.TimerHandle | None = None
        self._refusal_timer: asyncio.TimerHandle | None = None
        self._rest_deadline: float | None = None  # when discarding the rest of a body ends, while that is done
        self._rest_size = 0
        self._answer_at_once: Callable[[Scope, Send], bool] | None = getattr(self.app, "answer_at_once", None)
        self._may_answer = self._has_answered = False  # at once, the first request of the bytes that are being parsed
        if self._admitted is None:
            self._refuse(Unavailable("Too many connections are open.", retry_after=RETRY_AFTER_SECONDS))
            return
        self._start_head_timer()
        if self._admission.is_draining:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._admitted is not None:
            self._admission.release_connection(self._admitted)
        self._cancel_timer()
        self._end_rest()
        self._unwatch_reader()
        if self._running is not None and not self._running.response_complete:  # uvicorn tells the latest one alone
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._rest_deadline is not None:
            self._discard(len(data))
            return
        continued, self._chunk_size = self._in_head, len(data)
        self._may_answer, self._has_answered = True, False
        super().data_received(data)
        self._earlier_size = self._earlier_size + len(data) if continued and self._in_head else 0
        if self._is_refused or self.transport.is_closing():
            return
        if self._earlier_size > self.head_bytes:
            self._refuse(HeadTooLarge())
        elif self._is_busy() or (self._has_answered and not self._in_request):
            self._cancel_timer()  # the app has deadlines for requests, and uvicorn for the pause after them
        elif self._timer is None:
            self._start_head_timer()

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        super().on_message_begin()
        if self._is_shutting_down:
            self.scope["state"][IS_SHUTTING_DOWN] = True

    def on_message_complete(self) -> None:
        self._in_request = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._earlier_size + self._chunk_size > self.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.head_bytes:
                self._refuse(HeadTooLarge())
                raise ValueError("the head is too large")  # ends the parsing
        if self._admission.limits.hosts and not self._is_for_this_host():
            self._refuse(MisdirectedRequest())
            raise ValueError("the request is for another host")
        super().on_headers_complete()
        if self.scope["method"] not in ("GET", "HEAD"):
            self.cycle.transport = cast(asyncio.Transport, _Transport(self.transport, self._close_after_rest))

    def _is_for_this_host(self) -> bool:
        """Whether the request names this server, in its target (RFC 9112 §3.2.2) or else in `Host`."""
        target = parse_url(self.url)
        host = target.host or b",".join(value for name, value in self.headers if name == b"host")
        return target.path in PROBES or self._admission.is_own_host(host)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Let the app answer: at once if it can, without a task, or in a task, or not now."""
        self._running = cycle
        if self._is_shutting_down:
            cycle.keep_alive = False
        may_answer, self._may_answer = self._may_answer, False
        if may_answer and self._answer_at_once is not None and not self._is_shutting_down:
            self._has_answered = self._answer_at_once(cast(Scope, cycle.scope), cast(Send, cycle.send))
            if self._has_answered:
                cycle.on_response = _do_nothing  # as after a task: the cycle does not hold the protocol
                return
        slot = self._admission.admit_request(cycle.scope["path"])
        if slot is None:
            self._answer_not_now(cycle)
            return
        cycle.scope["state"][SLOT] = slot
        self._admission.start(partial(self._start_task, cycle, app, slot))

    def _start_task(self, cycle: RequestResponseCycle, app: ASGI3Application, slot: Slot) -> None:
        task = self.loop.create_task(_run(cycle, app, slot))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _answer_not_now(self, cycle: RequestResponseCycle) -> None:
        """Answer 503, for a fraction of what another answer costs; requests that follow unasked are not answered."""
        if self.pipeline:
            self.pipeline.clear()
            cycle.keep_alive = False
        self._has_answered = True
        request_id = read_request_id(cycle.scope["headers"]).encode()
        head, before, after = _NOT_NOW
        headers = [(b"x-request-id", request_id), (b"content-length", b"%d" % (len(before + after) + len(request_id)))]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        send_whole(cycle, head, headers, before + request_id + after)
        cycle.on_response = _do_nothing
        if not cycle.keep_alive:
            self._close_after_rest()
        elif self._admitted:  # and no proxy, whose connections are those of many clients
            self._refusal_timer = self.loop.call_later(self.retry_seconds, self._read_again)
            self._admission.resting[self] = self._read_again
            self.flow.pause_reading()

    def _read_again(self) -> None:
        """Go on after a refusal. A client that does not wait for `Retry-After` is not read before: it costs nothing."""
        self._end_rest()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _end_rest(self) -> None:
        if self._refusal_timer is not None:
            self._refusal_timer.cancel()
            self._refusal_timer = None
            self._admission.resting.pop(self, None)

    def on_response_complete(self) -> None:
        if self._rest_deadline is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._watch_closing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_closing()

    def _close_after_rest(self) -> None:
        """Close the connection after reading and discarding the rest of the request's body.

        Closing with unread data would reset the connection before many clients have read the response (RFC 9112 §9.6).
        """
        if not self.cycle.more_body or self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._cancel_timer()
        self._rest_deadline = self.loop.time() + self.rest_seconds
        self.flow.resume_reading()
        self.transport.write_eof()
        self._discard(0)

    def _discard(self, size: int) -> None:
        self._cancel_timer()
        self._rest_size += size
        left = (self._rest_deadline or 0.0) - self.loop.time()
        if self._rest_size > self.max_rest_bytes or left <= 0:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(min(self.max_rest_pause, left), self.transport.close)

    def shutdown(self) -> None:
        """Finish the current request with `Connection: close`, then close."""
        self._is_shutting_down = True
        if self._is_busy():
            super().shutdown()
            if end := self.cycle.scope["state"].get(ON_SHUTDOWN):
                end()
        else:
            self.loop.call_later(self._admission.linger_seconds, self._close_if_idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()
        while sum(self.unread.values()) > self.max_unread_bytes:
            next(iter(self.unread)).drop_reader()

    def resume_writing(self) -> None:
        self._unwatch_reader()
        super().resume_writing()
        if self.transport.is_closing():
            self._watch_closing()

    def _watch_closing(self) -> None:
        """Disconnect a client that does not read the rest of what was sent before the connection is closed."""
        if self._reader_timer is None and self.transport.get_write_buffer_size():
            self._watch_reader()

    def drop_reader(self) -> None:
        """Reset the connection of a client that reads too slowly.

        Otherwise the kernel would go on for minutes to offer what it has buffered, up to some megabytes.
        """
        self._unwatch_reader()
        if (connection := self.transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _unwatch_reader(self) -> None:
        self.unread.pop(self, None)
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _watch_reader(self) -> None:
        self.unread[self] = waiting = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(self.stalled_seconds, self._check_reader, waiting)

    def _check_reader(self, before: int) -> None:
        taken = before - self.transport.get_write_buffer_size()
        if taken >= max(1.0, self.stalled_seconds * self.min_read_rate):
            self._watch_reader()
        else:
            self.drop_reader()

    def _close_if_idle(self) -> None:
        """Close the connection, unless a request is being answered or has begun to arrive: its answer closes it."""
        if not self._is_busy() and not self._in_head:
            self.transport.close()

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        if not self._is_refused:
            self._refuse(BadRequest(msg))

    def _start_head_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._time_out)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(RequestTimeout("The request's head did not arrive in time."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """End the connection, with a problem response unless a response has started.

        Incoming data is discarded for a moment: closing at once could reset the connection (RFC 9112 §9.6).
        """
        self._is_refused = True
        self._cancel_timer()
        if self.transport.is_closing() or self.pipeline or (self._is_busy() and self.cycle.response_started):
            self.transport.close()
            return
        if self._is_busy():  # the app waits for a body: report a disconnect
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = new_id()
        response = problem_response(problem, request_id)
        headers = [*self.server_state.default_headers, *response.raw_headers, *SECURITY_HEADERS]
        headers.append((b"x-request-id", request_id.encode()))
        headers.append((b"connection", b"close"))
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
