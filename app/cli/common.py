"""Helpers of all commands: opening the store, showing results and errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from app.core.settings import Settings
from app.db import Database, open_database

if TYPE_CHECKING:
    from rich.table import Table

PIPE_WIDTH = 1000  # columns of a table that is not printed on a terminal, so that nothing is truncated


class Failure(Exception):
    """An error that ends a command; the message is one line."""


def say(message: str) -> None:
    """Print a message on stderr."""
    typer.echo(message, err=True)


def show(table: "Table") -> None:
    """Print a table on stdout."""
    from rich.console import Console  # here, as a server prints no tables and lives long

    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


@contextmanager
def open_store(settings: Settings) -> Iterator[Database]:
    """Open the store, migrating it if needed, and close it at the end."""
    from app.db.migrations import ensure_migrated

    ensure_migrated(settings.direct_database)
    db = open_database(settings.direct_database)
    try:
        yield db
    finally:
        asyncio.run(db.stop())


def explain(error: Exception) -> str | None:
    """Return one line about an error that an operator can fix, None about a bug."""
    from alembic.util import CommandError
    from pydantic import ValidationError
    from pydantic_settings import SettingsError
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from app.core.problems import Problem

    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return "; ".join(_explain_setting(*entry["loc"], message=entry["msg"]) for entry in error.errors())
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, DBAPIError):
        return f"The database failed: {_one_line(error.orig)}"
    if isinstance(error, SettingsError | SQLAlchemyError | CommandError | RuntimeError | OSError | Failure):
        return _one_line(error)
    return None


def _explain_setting(name: int | str, *path: int | str, message: str) -> str:
    """Return what is wrong with a setting, or with the value at a path in one that is JSON."""
    return ": ".join((f"BROADSHEET_{str(name).upper()}", *([".".join(map(str, path))] if path else []), message))


def _one_line(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines) or type(error).__name__
