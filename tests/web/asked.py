"""Queries that a process beside this one can be asked: it imports them, and no tests with them."""

import os
import time

import sqlalchemy as sa

from app.core.problems import InvalidParameter
from app.db import query_process

ASKED: list[int] = []


def who(connection: sa.Connection) -> int:
    """The process that answers."""
    connection.execute(sa.text("SELECT 1"))
    return os.getpid()


def slowly(connection: sa.Connection) -> int:
    """The same, after a moment."""
    time.sleep(0.5)
    return who(connection)


def never(connection: sa.Connection) -> int:
    """The same, but in a process beside another it does not come to that."""
    if query_process._YIELDS:
        time.sleep(600)
    return who(connection)


def counted(connection: sa.Connection) -> int:
    """How often this process was asked this, slowly."""
    ASKED.append(slowly(connection))
    return len(ASKED)


def much(connection: sa.Connection) -> bytes:
    """More than goes through a socket at once."""
    return bytes(connection.execute(sa.text("SELECT 3000000")).scalar_one())


def refuse(_connection: sa.Connection) -> None:
    raise InvalidParameter("cursor", "It is of another list.")


def fail(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT * FROM nowhere"))


class Untold(Exception):
    """An exception that does not come back from a pickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


def fail_untold(_connection: sa.Connection) -> None:
    raise Untold(1, 2)
