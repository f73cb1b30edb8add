"""Waking tasks after commits, so that none of them has to poll the store."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress

CLOCK_SECONDS = 5.0  # between two looks at the system clock, which may be set


class CommitSignal:
    """Wakes tasks after commits: of this process at once, of others once `watch` notices them."""

    def __init__(self, watch: Callable[[Callable[[], None]], Coroutine[None, None, None]]) -> None:
        self._watch = watch
        self._waiting: list[asyncio.Event] = []
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set after commits; clear it before reading what they may have changed.

        It may be set without a commit, too. The store is watched while there are subscribers.
        """
        event = asyncio.Event()
        self._waiting.append(event)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(self.send), name="commits")
        try:
            yield event
        finally:
            self._waiting.remove(event)
            if not self._waiting:
                self._watching.cancel()
                self._watching = None

    def send(self) -> None:
        """Wake all subscribers."""
        for event in self._waiting:
            event.set()


async def wait_for_work(committed: asyncio.Event, until_due: Callable[[], float]) -> None:
    """Wait for a commit, or until something is due; `until_due` returns the seconds that are left."""
    while not committed.is_set() and (left := until_due()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, CLOCK_SECONDS)):
                await committed.wait()
