"""What every command shares: settings, the store, and how results and errors are shown."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.core.problems import Problem
from app.core.settings import Settings
from app.db import Database, open_database

PIPE_WIDTH = 1000  # columns of a table that goes into a file or another program: nothing is cut


class Failure(Exception):
    """A command cannot do its work; the message says why, in one line."""


def say(message: str) -> None:
    """A line for people, on stderr."""
    typer.echo(message, err=True)


def show(table: Table) -> None:
    """A table of results, on stdout."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The migrated store, closed at the end."""
    from app.db.migrations import ensure_migrated

    ensure_migrated(settings.database)
    db = open_database(settings.database)
    try:
        yield db
    finally:
        asyncio.run(db.stop())


def explain(error: Exception) -> str | None:
    """One line about an error that an operator can put right, None about a fault of the program."""
    from alembic.util import CommandError

    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return "; ".join(
            f"BROADSHEET_{'_'.join(map(str, entry['loc'])).upper()}: {entry['msg']}" for entry in error.errors()
        )
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, DBAPIError):
        return f"The database failed: {_one_line(error.orig)}"
    if isinstance(error, SettingsError | SQLAlchemyError | CommandError | RuntimeError | OSError | Failure):
        return _one_line(error)
    return None


def _one_line(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines) or type(error).__name__
