import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.web import handover
from app.web.handover import announce_ready, inherit_socket, is_successor_ready, start_successor

READY = "from app.web.handover import *; listener = inherit_socket(); listener.getsockname(); announce_ready()"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize(("code", "is_ready"), [(READY, True), ("raise SystemExit(1)", False)])
def test_a_successor_has_the_socket_and_says_when_it_is_ready(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, code: str, is_ready: bool
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", code])
    assert is_successor_ready(start_successor(listener)) == is_ready


def test_the_socket_of_systemd_is_taken_by_the_process_that_it_is_for(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = os.dup(listener.fileno())
    monkeypatch.setattr(handover, "_FIRST_SYSTEMD_FD", given)
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert inherit_socket() is None
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with inherit_socket() or socket.socket() as taken:
        assert (taken.fileno(), taken.getsockname()) == (given, listener.getsockname())


def test_systemd_is_told_when_the_process_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        announce_ready()
        assert manager.recv(100).decode() == f"READY=1\nMAINPID={os.getpid()}"
