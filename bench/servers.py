"""The measured processes: the app, the raw ASGI floor, and PostgreSQL (Linux only)."""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from app.core import logs
from app.core.settings import Settings
from app.main import create_app
from app.web import server
from bench.load import Answer

OWN = {"date", "connection"}  # headers that uvicorn adds


def read_cpu(*pids: int) -> float:
    """Return the CPU seconds of processes with all their threads, from their CPU clocks (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def read_each(pids: Iterable[int]) -> dict[int, float]:
    """Return the CPU seconds of each process that has not ended."""
    seconds = {}
    for pid in pids:
        with suppress(OSError):  # it has ended
            seconds[pid] = read_cpu(pid)
    return seconds


def read_since(before: Mapping[int, float]) -> float:
    """Return the CPU seconds that processes took since `read_each`, but for those that ended meanwhile."""
    return sum(now - before[pid] for pid, now in read_each(before).items())


def list_children(parent: int) -> list[int]:
    """List the child processes of a process."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if int(fields[1]) == parent:
            children.append(int(stat.parent.name))
    return children


def list_tree(parent: int) -> list[int]:
    """List a process and all its descendants."""
    return [parent, *(pid for child in list_children(parent) for pid in list_tree(child))]


def read_pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes: its memory with its share of shared pages."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024


class Process:
    """A server process on loopback."""

    def __init__(self, popen: subprocess.Popen[str], port: int) -> None:
        self.pid, self.port = popen.pid, port

    def tree_cpu(self) -> float:
        """Return the CPU seconds of this process and its descendants."""
        return read_cpu(*list_tree(self.pid))


@contextmanager
def _process(log: Path, *arguments: str, **environment: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "bench.servers", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    with log.open("w") as errors:
        popen = subprocess.Popen(command, env={**kept, **environment}, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert popen.stdout
        line = popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{arguments[0]} did not start:\n{log.read_text()[-2000:]}")
        yield Process(popen, int(line))
    finally:
        popen.terminate()
        popen.wait(30)
        if popen.stdout:
            popen.stdout.close()


def app(
    url: str, folder: Path, rate_limits: str = "off", *, cache_size: int = 0, worker: bool = False
) -> AbstractContextManager[Process]:
    """Start the app on a store, with request logs; it keeps no answers without a size."""
    folder.mkdir(exist_ok=True)
    return _process(
        folder / "app.log",
        "app",
        *(["worker"] if worker else []),
        BROADSHEET_OUTGOING_ALLOW="127.0.0.0/8",
        BROADSHEET_DATABASE_URL=url,
        BROADSHEET_DATA_DIR=str(folder),
        BROADSHEET_RATE_LIMITS=rate_limits,
        BROADSHEET_CACHE_SIZE=str(cache_size),
        BROADSHEET_LOG_FORMAT="json",
    )


def floor(answers: list[Answer], folder: Path) -> AbstractContextManager[Process]:
    """Start a raw ASGI app that sends response 7 at `/7`."""
    (folder / "answers").write_bytes(pickle.dumps([tuple(answer) for answer in answers]))
    return _process(folder / "floor.log", "floor", str(folder / "answers"))


def hook(folder: Path) -> AbstractContextManager[Process]:
    """Start a receiver of webhooks, which answers GET with how old the messages were that it got."""
    return _process(folder / "hook.log", "hook")


async def _run_lifespan(receive: Any, send: Any) -> None:
    """Answer the start and the end of a server (the lifespan protocol of ASGI)."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


class Hook:
    """A receiver of webhooks: it notes the type of each message and its age in seconds when it came."""

    def __init__(self) -> None:
        self.ages: list[tuple[str, float]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["method"] == "POST":
            told = json.loads(body)
            sent = datetime.fromisoformat(told["timestamp"])
            self.ages.append((told["type"], time.time() - sent.timestamp()))
        answer = b"" if scope["method"] == "POST" else json.dumps(self.ages).encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Floor:
    """A minimal ASGI app, which reads the body and sends prepared messages."""

    def __init__(self, file: str) -> None:
        self.answers: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        for number, (status, headers, body) in enumerate(pickle.loads(Path(file).read_bytes())):
            raw = [(name.lower().encode(), value.encode()) for name, value in headers if name.lower() not in OWN]
            head = {"type": "http.response.start", "status": status, "headers": raw}
            self.answers[f"/{number}"] = (head, {"type": "http.response.body", "body": body})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
            return
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        head, body = self.answers[scope["path"]]
        await send(head)
        await send(body)


def _ready(make: Any, port: int) -> Any:
    """Create the app for uvicorn, and print the port for the parent."""
    made = make()
    print(port, flush=True)
    return made


def main(kind: str, *arguments: str) -> None:
    """Serve the app or the floor with the same settings of uvicorn, on a free port, until SIGTERM."""
    logs.configure_logging("json")
    server.exit_on_signals()
    make: Callable[[], object] = partial(Floor, *arguments)
    if kind == "app":
        make = partial(create_app, Settings(_env_file=None), with_worker="worker" in arguments)
    elif kind == "hook":
        make = Hook
    listener = server.bind_socket("127.0.0.1", 0)
    config = server.make_config(partial(_ready, make, listener.getsockname()[1]), trusted_proxies=[])
    server.serve(config, listener)


if __name__ == "__main__":
    main(*sys.argv[1:])
