"""Choosing one of the processes on a store to do some work: the first, and another one when that has ended or died."""

import asyncio
import fcntl
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from app.core.logs import get_logger

HELD_SECONDS = 1.0  # between two looks whether the lock is still held
RETRY_SECONDS = 5.0  # between two attempts to take it
log = get_logger("broadsheet.db")


class ProcessLock(ABC):
    """A lock that one process on a store holds at a time, until it releases it or dies."""

    can_be_lost = True
    """Whether it can end while the process lives, as with a connection to the server that keeps it."""

    @abstractmethod
    async def is_held(self) -> bool:
        """Tell whether it is still held."""

    @abstractmethod
    async def release(self) -> None:
        """Release it."""


class FileLock(ProcessLock):
    """The lock of a file (flock(2)), which ends with its descriptor."""

    can_be_lost = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock; None if another process holds it, OSError if the file cannot be locked."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return cls(descriptor)

    async def is_held(self) -> bool:
        return True

    async def release(self) -> None:
        os.close(self._descriptor)


def number_lock(name: str) -> int:
    """Return the number by which PostgreSQL knows an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"broadsheet {name}".encode()).digest()[:8], signed=True)


class Election:
    """Begins some work in one process on a store.

    Whoever has begun goes on until it ends: the work may be done by two, as when PostgreSQL was restarted and another
    process took the lock first, or where no lock can be had.
    """

    def __init__(self, name: str, take_lock: Callable[[str], Awaitable[ProcessLock | None]], begin: Callable[[], None]):
        self._name, self._take_lock, self._begin = name, take_lock, begin
        self._lock: ProcessLock | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_elected = False

    async def start(self) -> None:
        """Begin at once if no other process does, or later when none does any more."""
        try:
            self._lock = await self._take_lock(self._name)
            is_first = self._lock is not None
        except OSError as error:
            log.warning("no lock: each process works", work=self._name, error=type(error).__name__)
            is_first = True
        if is_first:
            self._elect()
        self._task = asyncio.create_task(self._run(), name="election")

    async def stop(self) -> None:
        """Let another process begin."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._lock is not None:
            await self._lock.release()
            self._lock = None

    def _elect(self) -> None:
        self.is_elected = True
        self._begin()

    async def _run(self) -> None:
        while self._lock is None or self._lock.can_be_lost:
            await asyncio.sleep(HELD_SECONDS if self.is_elected else RETRY_SECONDS)
            if self._lock is not None and not await self._lock.is_held():
                await self._lock.release()
                self._lock = None
            if self._lock is None:
                await self._try_again()

    async def _try_again(self) -> None:
        try:
            self._lock = await self._take_lock(self._name)
        except OSError:
            return  # whoever works goes on
        if self._lock is not None and not self.is_elected:
            self._elect()
