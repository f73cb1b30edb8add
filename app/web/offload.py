"""CPU-bound work outside of the event loop and the writer, a few pieces at a time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, TypeVarTuple

import sqlalchemy as sa

from app.core.problems import Unavailable
from app.db import QueryProcesses

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MAX_WAITING: Final = 32  # pieces of work; more are refused
RETRY_AFTER: Final = 2  # seconds


@dataclass(frozen=True)
class _Work(Generic[T]):
    """A function with its arguments, in the form of a query."""

    function: Callable[..., T]
    arguments: tuple[object, ...]

    def __call__(self, _connection: sa.Connection) -> T:
        return self.function(*self.arguments)


class Offload:
    """Runs functions in query processes, or in a thread if there are none.

    `pieces` run at a time and `max_waiting` wait; `refusal` tells of more.
    """

    def __init__(
        self,
        aside: QueryProcesses,
        pieces: int = 1,
        max_waiting: int = MAX_WAITING,
        refusal: str = "Too many texts are waiting to be processed.",
    ) -> None:
        self._aside, self._max_waiting, self._refusal = aside, max_waiting, refusal
        self._turns, self._waiting = asyncio.Semaphore(pieces), 0

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run a function; it, its arguments, its result and its exceptions must pickle. 503 if too much work waits."""
        if self._waiting >= self._max_waiting:
            raise Unavailable(self._refusal, retry_after=RETRY_AFTER)
        self._waiting += 1
        try:
            async with self._turns:
                return await self._aside.scan(_Work(function, arguments))
        finally:
            self._waiting -= 1
