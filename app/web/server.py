"""The HTTP server: uvicorn with limits for request heads and slow readers, problem responses and graceful shutdown."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import FrameType
from typing import ClassVar, Final, NoReturn, cast

import structlog
import uvicorn
from starlette.types import ASGIApp, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import Multiprocess

from app.core.ids import new_id
from app.core.problems import BadRequest, Problem, RequestTimeout
from app.web.problem_responses import problem_response

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 65  # longer than proxies keep idle connections, so that they close them and lose no request
START_SECONDS: Final = 60  # for a process to start or to answer its parent, before it is replaced
DRAIN_SECONDS: Final = 20  # for requests to finish after SIGTERM
TICK_SECONDS: Final = 1.0  # between two looks at the clock, for the header `Date`
STALLED_READER_SECONDS: Final = 30.0  # without progress, after which a slow reader is disconnected
MIN_READ_BYTES_PER_SECOND: Final = 1000  # that count as progress
MAX_UNREAD_BYTES: Final = 64_000_000  # for slow readers of one process; beyond it, the oldest is disconnected
LINGER_SECONDS: Final = 0.3  # before closing a connection, for data that is on its way
REST_SECONDS: Final = 30.0  # for the rest of a body after a response that ends the connection; it is discarded
MAX_REST_PAUSE_SECONDS: Final = 5.0  # between two parts of it
MAX_REST_BYTES: Final = 64_000_000  # of it
MAX_COPIED_BYTES: Final = 32_000  # of a body that is sent in one piece with its head
ON_SHUTDOWN, IS_SHUTTING_DOWN = "on_leaving", "is_leaving"
"""Keys in a request's state: a function to call at shutdown, which ends a response without an end, and whether the
shutdown began before the request."""
log = structlog.get_logger("broadsheet.server")


class ServerError(RuntimeError):
    """The server could not start; the message says why."""


class HeadTooLarge(Problem, status=431, code="head_too_large", title="The request's headers are too large"):
    """The request line and headers together are larger than 64 KiB (RFC 6585 §5)."""


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


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, which a head that is too slow or too large ends.

    An app may have a method `answer_at_once(scope, send)`, which sends an answer with `send_whole`, without a task, or
    returns False and does nothing.
    """

    head_seconds = 10.0  # from the start of the connection, or from the first byte of a later head
    head_bytes = 65_536
    stalled_seconds = STALLED_READER_SECONDS
    min_read_rate = MIN_READ_BYTES_PER_SECOND
    max_unread_bytes = MAX_UNREAD_BYTES
    rest_seconds, max_rest_pause, max_rest_bytes = REST_SECONDS, MAX_REST_PAUSE_SECONDS, MAX_REST_BYTES
    unread: ClassVar[dict["Protocol", int]] = {}  # unread bytes of each slow reader of this process, oldest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head = False
        self._chunk_size = self._earlier_size = 0  # bytes that are being parsed, and bytes of the head before them
        self._timer: asyncio.TimerHandle | None = None
        self._is_shutting_down = self._is_refused = False
        self._reader_timer: asyncio.TimerHandle | None = None
        self._rest_deadline: float | None = None  # when discarding the rest of a body ends, while that is done
        self._rest_size = 0
        self._answer_at_once: Callable[[Scope, Send], bool] | None = getattr(self.app, "answer_at_once", None)
        self._may_answer = self._has_answered = False  # at once, the first request of the bytes that are being parsed
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self.resume_writing()
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
        elif self._is_busy() or (self._has_answered and not self._in_head):
            self._cancel_timer()  # the app has deadlines for requests, and uvicorn for the pause after them
        elif self._timer is None:
            self._start_head_timer()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()
        if self._is_shutting_down:
            self.scope["state"][IS_SHUTTING_DOWN] = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._earlier_size + self._chunk_size > self.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.head_bytes:
                self._refuse(HeadTooLarge())
                raise ValueError("the head is too large")  # ends the parsing
        super().on_headers_complete()
        if self._is_shutting_down:
            self.cycle.keep_alive = False
        if self.scope["method"] not in ("GET", "HEAD"):
            self.cycle.transport = cast(asyncio.Transport, _Transport(self.transport, self._close_after_rest))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Let the app answer at once if it can, without a task: the first request of what has arrived."""
        may_answer, self._may_answer = self._may_answer, False
        if may_answer and self._answer_at_once is not None and not self._is_shutting_down:
            self._has_answered = self._answer_at_once(cast(Scope, cycle.scope), cast(Send, cycle.send))
            if self._has_answered:
                cycle.on_response = _do_nothing  # as after a task: the cycle does not hold the protocol
                return
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._rest_deadline is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1

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
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()
        while sum(self.unread.values()) > self.max_unread_bytes:
            next(iter(self.unread)).drop_reader()

    def resume_writing(self) -> None:
        self._unwatch_reader()
        super().resume_writing()

    def drop_reader(self) -> None:
        """Close the connection of a client that reads too slowly."""
        self._unwatch_reader()
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
        if not self._is_busy():
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
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"x-request-id", request_id.encode())]
        headers.append((b"connection", b"close"))
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class _Server(uvicorn.Server):
    """Uvicorn's server, which looks at its clock once a second instead of ten times, and is woken by signals."""

    async def main_loop(self) -> None:
        self._loop, self._signalled = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if hasattr(self, "_loop"):  # else the signal came before the loop, which looks first
            self._loop.call_soon_threadsafe(self._signalled.set)


class _Supervisor(Multiprocess):
    """Uvicorn's supervisor, which closes its copies of what only the processes should hold open."""

    def init_processes(self) -> None:
        super().init_processes()
        for process in self.processes:
            process.child_conn.close()  # so that it notices at once when a process fails to start

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # so that new connections are refused instead of waiting
        super().terminate_all()


class _LogHandler(logging.Handler):
    """Sends the log records of uvicorn and asyncio to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage().strip(), logger=record.name, exc_info=record.exc_info or None)


class _Config(uvicorn.Config):
    """Uvicorn's configuration, which sends its log records to structlog in every process."""

    def configure_logging(self) -> None:
        super().configure_logging()
        root = logging.getLogger()
        if not any(isinstance(handler, _LogHandler) for handler in root.handlers):
            root.addHandler(_LogHandler(logging.WARNING))


def make_config(make_app: Callable[[], ASGIApp], *, workers: int = 1, trusted_proxies: list[str]) -> uvicorn.Config:
    """Return the configuration of uvicorn. `make_app` is called in each process; for several, it must pickle."""
    return _Config(
        make_app,
        factory=True,
        workers=workers,
        loop="app.web.event_loop:EventLoop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=START_SECONDS,
    )


def bind_socket(host: str, port: int) -> socket.socket:
    """Bind a socket without listening yet; port 0 chooses a free port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(f"{host} is not an address of this machine: {error.strerror}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ServerError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def exit_on_signals() -> None:
    """Exit with status 0 on SIGTERM and SIGINT; a running server drains first."""

    def leave(_number: int, _frame: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def serve(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve on a bound socket until a signal arrives, then drain; ServerError if the app does not start."""
    listener.listen(config.backlog)
    log.info("listening", url=url_of(listener), processes=config.workers)
    if config.workers > 1:
        supervisor = _Supervisor(config, [listener])
        supervisor.run()
        failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    else:
        try:
            _Server(config).run([listener])
            failed = False
        except SystemExit as end:
            failed = end.code == STARTUP_FAILURE
    if failed:
        raise ServerError("The server did not start; the lines above say why.")
