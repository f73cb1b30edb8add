"""The listening socket from one server to the next, so that a restart refuses no connection.

A server that is told to (SIGUSR2) starts its successor with the command that started it, and gives it its listening
socket. Once the successor answers requests, the old one accepts no more connections and finishes what it has begun. If
the successor does not start, the old one goes on. systemd can hold the socket instead: socket activation.
"""

import os
import signal
import socket
import subprocess
import sys
from typing import Final

from app.core.logs import get_logger

HANDOVER_SIGNAL: Final = signal.SIGUSR2
_VARIABLE: Final = "BROADSHEET_HANDOVER"
"""Environment variable of a successor: the file descriptors of the socket and of a pipe, to which it writes when it is
ready."""
_FIRST_SYSTEMD_FD: Final = 3  # sd_listen_fds(3)
log = get_logger("broadsheet.server")


def inherit_socket() -> socket.socket | None:
    """Return the listening socket that the predecessor or systemd has given to this process, if there is one."""
    if given := os.environ.get(_VARIABLE):
        return _adopt(int(given.partition(":")[0]))
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return _adopt(_FIRST_SYSTEMD_FD)
    return None


def _adopt(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def announce_ready() -> None:
    """Tell the predecessor and systemd, if they are there, that this process answers requests."""
    if given := os.environ.pop(_VARIABLE, ""):
        ready = int(given.partition(":")[2])
        os.write(ready, b"1")
        os.close(ready)
    if address := os.environ.get("NOTIFY_SOCKET"):  # sd_notify(3)
        address = "\0" + address[1:] if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(f"READY=1\nMAINPID={os.getpid()}".encode(), address)


def start_successor(listener: socket.socket) -> int:
    """Start this command again with the listening socket.

    Returns the file descriptor for `is_successor_ready`.
    """
    ready, announce = os.pipe()
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, _VARIABLE: f"{listener.fileno()}:{announce}"}
    successor = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno(), announce])  # noqa: S603
    successor.returncode = 0  # it outlives this process, which never waits for it
    os.close(announce)
    log.info("starting a successor", pid=successor.pid)
    return ready


def is_successor_ready(ready: int) -> bool:
    """Wait until the successor answers requests; False if it has ended instead."""
    try:
        is_ready = bool(os.read(ready, 1))
    finally:
        os.close(ready)
    if not is_ready:
        log.error("the successor did not start; this process goes on")
    return is_ready
