"""The server: uvicorn in one process or several, graceful shutdown, and restarts that lose no request."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn, TypeAlias, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from app.core.logs import get_logger
from app.web.handover import HANDOVER_SIGNAL, announce_ready, inherit_socket, is_successor_ready, start_successor
from app.web.protocol import Config, Protocol

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 65  # longer than proxies keep idle connections, so that they close them and lose no request
START_SECONDS: Final = 60  # for a process to start or to answer its parent, before it is replaced
DRAIN_SECONDS: Final = 20  # for requests to finish after SIGTERM
RETIRE_SECONDS: Final = 10.0  # for idle connections to send another request, whose response closes them
TICK_SECONDS: Final = 1.0  # between two looks at the clock, for the header `Date`
log = get_logger("broadsheet.server")
App: TypeAlias = ASGIApp
"""What a server serves."""


class ServerError(RuntimeError):
    """The server could not start; the message says why."""


class _Server(uvicorn.Server):
    """Uvicorn's server, which looks at its clock once a second instead of ten times, and is woken by signals."""

    _listeners: list[socket.socket]
    _replacing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then accept connections."""
        self._loop, self._signalled, self._listeners = asyncio.get_running_loop(), asyncio.Event(), sockets or []
        if threading.current_thread() is threading.main_thread():
            self._loop.add_signal_handler(HANDOVER_SIGNAL, self._hand_over)
        await super().startup(sockets)
        if self.config.workers == 1:
            announce_ready()

    async def main_loop(self) -> None:
        """Serve until a signal arrives."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop serving."""
        super().handle_exit(sig, frame)
        if hasattr(self, "_loop"):  # else the signal came before the loop, which looks first
            self._loop.call_soon_threadsafe(self._signalled.set)

    def _hand_over(self) -> None:
        """Retire when a successor is ready; one of several processes retires at once, as its parent has seen to it."""
        if self.should_exit:
            return
        if self.config.workers > 1:
            self._retire()
        elif self._replacing is None or self._replacing.done():
            self._replacing = self._loop.create_task(self._replace())

    async def _replace(self) -> None:
        if await asyncio.to_thread(is_successor_ready, start_successor(self._listeners[0])):
            self._retire()

    def _retire(self) -> None:
        """Stop serving, and let clients that keep connections open send their next requests to the successor."""
        cast(Config, self.config).admission.linger_seconds = RETIRE_SECONDS
        self.should_exit = True
        self._signalled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish open requests, then stop the app."""
        cast(Config, self.config).admission.is_draining = True
        await super().shutdown(sockets)


class _Process(Process):
    """A process of the supervisor, which runs this module's server."""

    @property
    def server(self) -> uvicorn.Server:
        """The server, made in the process itself."""
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Supervisor(Multiprocess):
    """Uvicorn's supervisor with processes of its own, which alone hold open what the supervisor need not.

    SIGHUP replaces the processes one after the other, HANDOVER_SIGNAL all of them with the supervisor.
    """

    _stop_signal = signal.SIGTERM
    _is_ready = False

    def _start_process(self) -> Process:
        process = _Process(self.config, self.sockets)
        process.start()
        process.child_conn.close()  # so that the supervisor notices at once when it fails to start
        return process

    def init_processes(self) -> None:
        """Start the processes."""
        self.processes += [self._start_process() for _ in range(self.processes_num)]

    def handle_ttin(self) -> None:
        """Start one process more."""
        self.processes_num += 1
        self.processes.append(self._start_process())

    def keep_subprocess_alive(self) -> None:
        """Replace processes that have died or hang; stop if one does not start. Say once when all answer requests."""
        for number, process in enumerate(self.processes):
            if process.is_alive(timeout=START_SECONDS):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            log.error("a process has died and is replaced", pid=process.pid, exitcode=process.exitcode)
            self.processes[number] = self._start_process()
        if not self._is_ready and all(process.is_ready() for process in self.processes):
            self._is_ready = True
            announce_ready()

    def terminate_all(self) -> None:
        """Tell the processes to stop."""
        for listener in self.sockets:
            listener.close()  # so that new connections are refused instead of waiting
        for process in self.processes:
            if process.exitcode is None:
                os.kill(cast(int, process.pid), self._stop_signal)

    def restart_all(self) -> None:
        """Replace the processes one after the other; each retires when its successor is ready."""
        for number, old in enumerate(self.processes):
            new = self._start_process()
            if not new.wait_until_ready(START_SECONDS, self.should_exit):
                log.error("a new process did not start; the old ones go on")
                new.kill()
                new.join()
                return
            os.kill(cast(int, old.pid), HANDOVER_SIGNAL)
            old.join()
            self.processes[number] = new

    def handle_usr2(self) -> None:
        """Retire when a successor is ready."""
        if is_successor_ready(start_successor(self.sockets[0])):
            self._stop_signal = HANDOVER_SIGNAL
            self.should_exit.set()


class _LogHandler(logging.Handler):
    """Sends the log records of uvicorn and asyncio to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage().strip(), logger=record.name, exc_info=record.exc_info or None)


class _Config(Config):
    """The configuration, which sends its log records to structlog in every process."""

    def configure_logging(self) -> None:
        super().configure_logging()
        root = logging.getLogger()
        if not any(isinstance(handler, _LogHandler) for handler in root.handlers):
            root.addHandler(_LogHandler(logging.WARNING))


def make_config(make_app: Callable[[], App], *, workers: int = 1, trusted_proxies: list[str]) -> uvicorn.Config:
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
    """Bind a socket without listening yet; port 0 chooses a free port.

    A process that was given a listening socket by its predecessor or by systemd takes that one.
    """
    if (inherited := inherit_socket()) is not None:
        return inherited
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
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def exit_on_signals() -> None:
    """Exit with status 0 on SIGTERM and SIGINT; a running server drains first. It alone heeds HANDOVER_SIGNAL."""

    def leave(_number: int, _frame: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    signal.signal(HANDOVER_SIGNAL, signal.SIG_IGN)


def raise_file_limit() -> None:
    """Let this process open as many files, and so connections, as it may: the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve on a bound socket until a signal arrives, then drain; ServerError if the app does not start."""
    raise_file_limit()
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
