"""How much the tests do that find more the longer they run: a little in `make test`, more in `make test-long`."""

import os
import random
import zlib
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
IS_LONG = bool(os.environ.get("LONG"))


def effort(name: str, usual: int, *, long: int) -> int:
    """A number of rounds: that of the environment variable, the long one with `LONG=1`, otherwise the usual one."""
    return int(os.environ.get(name) or (long if IS_LONG else usual))


class Portion:
    """A random part of many cases, another part in each run; with `LONG=1` all of them.

    A test makes its own, after pytest-randomly has seeded `random`, so that the seed of a run repeats the part.
    """

    def __init__(self, percent: int) -> None:
        self._percent, self._salt = 100 if IS_LONG else percent, random.randrange(2**32)

    def __contains__(self, case: str) -> bool:
        return zlib.crc32(case.encode(), self._salt) % 100 < self._percent


def some(cases: Iterable[T], database_url: str, number: int = 3) -> list[T]:
    """All cases on SQLite, a few at random on PostgreSQL, as they differ in what is asked and not in the store.

    `CASES=all` takes all of them on both.
    """
    everything = list(cases)
    if database_url.startswith("sqlite") or os.environ.get("CASES") == "all":
        return everything
    return random.sample(everything, min(number, len(everything)))
