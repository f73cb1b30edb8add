"""A server whose SQLite file is locked, moved away, damaged, or on a full disk answers clearly, and heals by itself."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from app.db import open_database
from tests.conftest import Report
from tests.effort import effort
from tests.served import serving
from tests.torture.disks import filled, small_disk
from tests.torture.history import Story, writing

ROUNDS = effort("ROUNDS", 1, long=5)
CLIENTS = effort("CLIENTS", 2, long=8)
DISK_BYTES = 24_000_000

Fault = Callable[[Path], AbstractContextManager[None]]


def full(store: Path) -> AbstractContextManager[None]:
    """Fill the disk."""
    return filled(store.parent)


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the lock of writers, as another process may."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def gone(store: Path) -> Iterator[None]:
    """Move the file away, and back."""
    away = store.with_suffix(".away")
    store.rename(away)
    yield
    away.rename(store)


FAULTS: dict[str, Fault] = {"full": full, "locked": locked, "gone": gone}
EXPECTED = {"full": {507}, "locked": {503}, "gone": {503}}


async def suffer(story: Story, store: Path, names: list[str]) -> dict[str, list[float]]:
    """Let faults come and go while clients write; the seconds that each took to heal."""
    healed: dict[str, list[float]] = {}
    with writing(story, CLIENTS) as tasks:
        await story.advance()
        for name in names:
            with FAULTS[name](store), story.during(name):
                while not story.statuses(name, "write") & EXPECTED[name]:
                    await story.advance(1)
            healed.setdefault(name, []).append(await story.heal())
    await asyncio.gather(*tasks)
    return healed


@pytest.mark.long
def test_faults_are_told_and_heal(sqlite_template: Path, tmp_path: Path, report: Report) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as is_small:
        store = tmp_path / "disk" / "broadsheet.db"
        shutil.copy(sqlite_template, store)
        names = [name for name in FAULTS if is_small or name != "full"] * ROUNDS
        db = open_database(f"sqlite:///{store}")
        with serving(f"sqlite:///{store}", tmp_path / "data", may_fail=True) as server:
            story = Story.begin(server.url, db)
            healed = asyncio.run(suffer(story, store, names))
            story.is_over = True
        figures = story.check(db)
        asyncio.run(db.stop())
    for name in names:
        assert story.statuses(name, "read") <= {200}, "reads go on"
        assert story.statuses(name, "write") <= EXPECTED[name] | {200, 201}
    report(healed=healed, **figures)
