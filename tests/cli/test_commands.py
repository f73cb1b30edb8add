import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from app.core.files import make_folder
from app.db.migrations import read_status
from app.worker import Worker
from tests import processes

Broadsheet = Callable[..., Any]


def test_the_document_is_the_same_each_time(broadsheet: Broadsheet, data: Path, tmp_path: Path) -> None:
    first = broadsheet("openapi")
    assert first.status == 0
    document = json.loads(first.out)
    assert document["openapi"].startswith("3.1")
    assert first.out == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    kept = tmp_path / "openapi.json"
    kept.write_text(first.out, "utf-8")
    assert broadsheet("openapi", "--check", kept).status == 0
    kept.write_text(first.out + " ", "utf-8")
    changed = broadsheet("openapi", "--check", kept)
    assert (changed.status, changed.out, "broadsheet openapi >" in changed.err) == (1, "", True)
    assert broadsheet("openapi", "--check", tmp_path / "missing").status == 1


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("SITE_URL", "example.org", "BROADSHEET_SITE_URL: "),
        ("DATABASE_URL", "mysql://me:secret@db.example/paper", "sqlite:///"),
        ("DATABASE_URL", "::secret::", "URL"),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/paper", "Connection refused"),
        ("DATABASE_URL", "sqlite:////dev/null/secret/paper.db", "Not a directory"),
    ],
)
@pytest.mark.parametrize("command", [["migrate"], ["keys", "list"], ["serve", "--port", "0"], ["worker"]])
def test_settings_that_cannot_be_used_end_in_one_line(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], name: str, value: str,
    word: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(f"BROADSHEET_{name}", value)
    ended = broadsheet(*command)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith("Error: ")
    assert word in ended.err
    assert "me:secret" not in ended.err


def test_a_fault_of_the_program_is_not_dressed_up(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.migrations.read_status", lambda url: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broadsheet("migrate", "--check")


@pytest.mark.parametrize("arguments", [["fly"], ["serve", "--port", "99999"], ["backup"], ["serve", "--workers", "0"]])
def test_wrong_usage_is_2(broadsheet: Broadsheet, data: Path, arguments: list[str]) -> None:
    ended = broadsheet(*arguments)
    assert (ended.status, ended.out) == (2, "")


class Running:
    """A command in a process of its own; `logs` are the lines that it wrote as JSON."""

    def __init__(self, *arguments: str) -> None:
        self.process = processes.start(*arguments, stderr=subprocess.PIPE)
        self.logs: list[dict[str, Any]] = []
        self._seen = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            with self._seen:
                with suppress(ValueError):  # the interpreter's own words, or lines of two processes in one
                    self.logs.append(json.loads(line))
                self._seen.notify_all()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first line about an event."""
        with self._seen:
            assert self._seen.wait_for(lambda: any(line["event"] == event for line in self.logs), 30), self.logs
            return next(line for line in self.logs if line["event"] == event)

    def end(self, number: int) -> int:
        """The exit status after a signal."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        return code


@pytest.fixture
def running(data: Path) -> Iterator[Callable[..., Running]]:
    """Start commands that are killed at the end if they still run."""
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(*arguments))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            command.end(signal.SIGKILL)
        if command.process.stderr:
            command.process.stderr.close()


def get(connection: HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def connect(server: Running) -> HTTPConnection:
    return HTTPConnection(server.wait_for("listening")["url"].removeprefix("http://"), timeout=30)


def wait_until_closed(host: str, port: int) -> None:
    """Until nobody listens any more."""
    while True:
        try:
            socket.create_connection((host, port), timeout=30).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it was closed between this connection and its acceptance


def test_serve_migrates_answers_and_drains(broadsheet: Broadsheet, running: Callable[..., Running], data: Path) -> None:
    server = running("serve", "--port", "0")
    connection = connect(server)
    assert get(connection, "/readyz") == 200
    assert read_status(f"sqlite:///{data / 'broadsheet.db'}").standing == "current"
    key = broadsheet("keys", "create", "--name", "beside the server", "--scope", "content:write").out.strip()
    connection.putrequest("POST", "/v1/articles")  # half of it is on its way when the signal comes
    connection.putheader("Authorization", f"Bearer {key}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "2")
    connection.endheaders(b"{")
    other = connect(server)
    assert get(other, "/healthz") == 200  # so the head before it has been read as well
    server.process.terminate()
    wait_until_closed(connection.host, connection.port)
    connection.send(b"}")
    with connection.getresponse() as late:
        late.read()
    assert (late.status, late.getheader("connection"), late.getheader("server")) == (422, "close", None)
    assert server.process.wait(30) == 0
    connection.close()
    other.close()


def test_several_processes_serve_one_address(running: Callable[..., Running]) -> None:
    server = running("serve", "--port", "0", "--workers", "2", "--no-worker")
    connection = connect(server)
    assert get(connection, "/healthz") == 200
    connection.close()
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_when_told(
    broadsheet: Broadsheet, data: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    make_folder(data)
    shutil.copy(sqlite_template, data / "broadsheet.db")
    work = Worker.run

    def end_the_test(*_: object) -> None:
        raise AssertionError("the command does not handle the signal")

    async def work_and_be_told(worker: Worker) -> None:
        os.kill(os.getpid(), number)
        await work(worker)

    signal.signal(number, end_the_test)  # as `broadsheet` found it before, it is again after the test
    monkeypatch.setattr(Worker, "run", work_and_be_told)
    ended = broadsheet("worker")
    assert ended.status == 0
    assert [json.loads(line)["event"] for line in ended.err.splitlines()] == ["working"]
