"""CPU-bound work on texts, run outside of the event loop and the writer, one task at a time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from app.core.problems import Unavailable
from app.db import QueryProcesses

T = TypeVar("T")
MAX_WAITING: Final = 32  # pieces of work; whoever comes after them is asked to come back
RETRY_AFTER: Final = 2  # seconds


@dataclass(frozen=True)
class _Work:
    """A function and its arguments, as a query that asks the store nothing."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self, _connection: sa.Connection) -> Any:
        return self.function(*self.arguments)


class Offload:
    """Runs functions in the processes beside this one, or in a thread where there are none."""

    def __init__(self, aside: QueryProcesses) -> None:
        self._aside = aside
        self._turn, self._waiting = asyncio.Lock(), 0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of a module; it, its arguments, its result and what it raises must pickle.

        503 where too much work waits already.
        """
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many texts wait to be read.", retry_after=RETRY_AFTER)
        self._waiting += 1
        try:
            async with self._turn:
                result: T = await self._aside.scan(_Work(function, arguments))
                return result
        finally:
            self._waiting -= 1
