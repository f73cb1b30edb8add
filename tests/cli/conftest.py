"""Fixtures: running commands in this process, on a store of each kind."""

import logging
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from app.cli import main
from app.core.files import make_folder
from app.db import open_database
from tests.conftest import TEMPLATE


@dataclass
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Broadsheet = Callable[..., Ended]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the commands; not made yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "MEDIA_URL", "SMTP_URL"):
        monkeypatch.delenv(f"BROADSHEET_{name}", raising=False)
    monkeypatch.setenv("BROADSHEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BROADSHEET_LOG_FORMAT", "json")
    return tmp_path / "data"


@pytest.fixture
def broadsheet(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Broadsheet]:
    """Run a command as a terminal does: `broadsheet("keys", "list")`."""
    handlers = list(logging.getLogger().handlers)
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["broadsheet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Ended(int(end.value.code or 0), out, err)

    yield run
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    for number, handler in signals.items():
        signal.signal(number, handler)


def run_sql(url: str, text: str) -> list[tuple[Any, ...]]:
    """Run a statement beside the commands, committed at once."""
    engines = open_database(url).engines()
    try:
        with engines[0].connect() as connection:
            result = connection.execute(sa.text(text))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        for engine in engines:
            engine.dispose()


@pytest.fixture
def sql() -> Callable[[str, str], list[tuple[Any, ...]]]:
    """Look behind the commands: `sql(url, "SELECT …")`."""
    return run_sql


@contextmanager
def new_database(postgres_url: str, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A PostgreSQL database, named in the environment; the URL."""
    name = f"commands_{secrets.token_hex(4)}"
    run_sql(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    url = sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", url)
    yield url
    run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_store(postgres_url: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty PostgreSQL database, named in the environment and not migrated."""
    with new_database(postgres_url, "template1", monkeypatch) as url:
        yield url


@pytest.fixture
def sqlite_data(data: Path, sqlite_template: Path) -> Path:
    """The data folder with a migrated SQLite store, which is copied: commands would take a second to migrate it."""
    make_folder(data)
    shutil.copy(sqlite_template, data / "broadsheet.db")
    return data


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A migrated store of each kind; the URL."""
    if request.param == "postgresql":
        with new_database(request.getfixturevalue("postgres_url"), TEMPLATE, monkeypatch) as url:
            yield url
        return
    yield f"sqlite:///{request.getfixturevalue('sqlite_data')}/broadsheet.db"
