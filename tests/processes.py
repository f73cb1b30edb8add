"""Processes of the app that begin at once: each is forked from one that has imported the app already.

To import the app takes seconds of CPU, and many tests kill, stop or race processes. What is forked is a process of its
own like one that was started: it has its own environment, files and memory, and SIGKILL ends it in the same way.
"""

import asyncio
import atexit
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parents[1]
_lock = threading.Lock()


class Process:
    """A running process, with what the tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, status: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self.returncode: int | None = None
        self._status = status  # tells the exit status, once

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit status, the negative number of the signal that ended it."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                told = self._status.recv(100)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._status.close()
            self.returncode = int(told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended already; its exit status may be on its way here."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


def start(
    *arguments: str,
    environment: dict[str, str] | None = None,
    module: str = "app",
    code: str = "",
    cwd: Path = ROOT,
    stdin: int = 0,
    stdout: IO[bytes] | int | None = None,
    stderr: IO[bytes] | int | None = None,
    start_new_session: bool = False,
) -> Process:
    """Start `python -m module arguments`, or `python -c code arguments`.

    A stream is a file, `subprocess.PIPE`, or that of the tests.
    """
    streams, ours, given = [stdin], [], []
    for stream, inherited in ((stdout, 1), (stderr, 2)):
        if stream == subprocess.PIPE:
            read, write = os.pipe()
            ours.append(os.fdopen(read, encoding="utf-8"))
            given.append(write)
            streams.append(write)
        else:
            ours.append(None)
            streams.append(inherited if stream is None else stream if isinstance(stream, int) else stream.fileno())
    status, theirs = socket.socketpair()
    request = {
        "module": module,
        "code": code,
        "start_new_session": start_new_session,
        "arguments": arguments,
        "environment": environment or dict(os.environ),
        "cwd": str(cwd),
    }
    body = json.dumps(request).encode()
    with theirs, _lock:
        starter = _starter()
        socket.send_fds(starter, [len(body).to_bytes(4, "big")], [*streams, theirs.fileno()])
        starter.sendall(body)
    for end in given:
        os.close(end)
    pid = int.from_bytes(_receive(status, 4), "big")
    return Process(pid, status, *ours)


def popen(command: list[str], *, env: dict[str, str], stdout: int, stderr: IO[bytes], text: bool) -> Process:
    """Start `python -m module …` in place of `subprocess.Popen`, for code that is not of the tests."""
    _, flag, module, *arguments = command
    assert (flag, text) == ("-m", True)
    return start(*arguments, module=module, environment=env, stdout=stdout, stderr=stderr)


class _QueryProcess:
    """A process with what `QueryProcesses` uses of `asyncio.subprocess.Process`."""

    def __init__(self, process: Process) -> None:
        self.pid, self.kill, self._process = process.pid, process.kill, process

    async def wait(self) -> int:
        """Wait for its end and return the exit status."""
        while (status := self._process.poll()) is None:
            await asyncio.sleep(0.005)
        return status


async def create_query_process(
    _python: str, flag: str, code: str, *, stdin: int, start_new_session: bool
) -> _QueryProcess:
    """Start `python -c code` in place of `asyncio.create_subprocess_exec`."""
    assert flag == "-c"
    return _QueryProcess(start(code=code, stdin=stdin, start_new_session=start_new_session))


@cache
def _starter() -> socket.socket:
    """The connection to the process that starts others; it ends when this one does, and closes its end."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
        ).returncode = 0  # nobody waits for it
    atexit.register(ours.close)
    return ours


def _receive(connection: socket.socket, size: int) -> bytes:
    """Receive so many bytes, or fewer where the other end was closed."""
    parts = b""
    while len(parts) < size and (part := connection.recv(size - len(parts))):
        parts += part
    return parts


def _run(request: dict[str, object], streams: list[int]) -> NoReturn:
    """Become what is to be started."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    if request["start_new_session"]:
        os.setsid()
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    random.seed()
    sys.argv = [str(request["module"]), *request["arguments"]]  # type: ignore[misc]
    status = 1
    try:
        if request["code"]:
            exec(str(request["code"]), {"__name__": "__main__"})
        else:
            runpy.run_module(str(request["module"]), run_name="__main__", alter_sys=False)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _keep(request: dict[str, object], files: list[int]) -> NoReturn:
    """Fork a process, say its number, and its exit status when it has ended."""
    *streams, status = files
    pid = os.fork()
    if not pid:
        _run(request, streams)
    for stream in streams:
        os.close(stream)
    with socket.socket(fileno=status) as tell:
        tell.sendall(pid.to_bytes(4, "big"))
        _, ended = os.waitpid(pid, 0)
        try:
            tell.sendall(str(os.waitstatus_to_exitcode(ended)).encode())
        except OSError:
            os._exit(0)  # nobody waits any more
    os._exit(0)


def main() -> None:
    """Start what is asked for through the socket, until it is closed."""
    gc.disable()  # what is imported stays
    import app.cli
    import app.main
    import app.web.server
    import app.wiring  # noqa: F401

    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that wait for others are not waited for
    connection = socket.socket(fileno=int(sys.argv[1]))
    while True:
        size, files, _, _ = socket.recv_fds(connection, 4, 4)
        if not size:
            return
        request = json.loads(_receive(connection, int.from_bytes(size, "big")))
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.close()
            _keep(request, files)
        for file in files:
            os.close(file)


if __name__ == "__main__":
    main()
