"""CPU-bound work on texts, outside of the event loop and the writer, one piece at a time."""

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
    """Runs functions in query processes, or in a thread if there are none."""

    def __init__(self, aside: QueryProcesses) -> None:
        self._aside = aside
        self._turn, self._waiting = asyncio.Lock(), 0

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run a function; it, its arguments, its result and its exceptions must pickle. 503 if too much work waits."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many texts are waiting to be processed.", retry_after=RETRY_AFTER)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._aside.scan(_Work(function, arguments))
        finally:
            self._waiting -= 1
