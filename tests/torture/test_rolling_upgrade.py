"""The release before and this one serve one store together while it is upgraded, and no request fails.

`OLD=v1.2.0 make torture ARGS=upgrade` upgrades from a release; by default it is the commit before the last migration.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.db import Database, migrations, open_database
from tests.conftest import Report, connections
from tests.db.test_migrations import new_database
from tests.effort import effort
from tests.processes import ROOT
from tests.served import serving
from tests.torture.history import Story

WRITES = effort("ROUNDS", 20, long=200)  # that are acknowledged in each phase
CLIENTS = 4


def git(*arguments: str) -> bytes:
    """Run git in the repository of the project."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the release before."""
    last = git("log", "-1", "--format=%H", "--", "migrations/versions").decode().strip()
    folder = tmp_path_factory.mktemp("old")
    archive = git("archive", os.environ.get("OLD") or f"{last}^", "app", "migrations", "pyproject.toml")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own, which was never migrated."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'broadsheet.db'}"
        return
    with new_database(request.getfixturevalue("postgres_url"), "template1") as url:
        yield url
        connections.close_all()


@contextmanager
def old_server(code: Path, settings: Settings) -> Iterator[str]:
    """Serve with the code of the release before; the URL. It is asked to end, and has to end well."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "BROADSHEET_DATABASE_URL": settings.database,
        "BROADSHEET_DATA_DIR": str(settings.data_dir),
        "BROADSHEET_RATE_LIMITS": "off",
        "BROADSHEET_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "app"]
    subprocess.run([*command, "migrate"], cwd=code, env=environment, check=True, capture_output=True)
    command += ["serve", "--port", "0"]
    with subprocess.Popen(command, cwd=code, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(json.loads(line)["url"] for line in process.stderr if '"listening"' in line)
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield url
        finally:
            process.terminate()
            reader.join()
    assert process.returncode == 0


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open the database for a moment."""
    db = open_database(url)
    try:
        yield db
    finally:
        asyncio.run(db.stop())


async def write(story: Story, phase: str, work: object = None) -> None:
    """Let writers write in a phase until enough is acknowledged and other work is done."""
    story.phase, story.is_over, goal = phase, False, len(story.acknowledged) + WRITES
    tasks = [asyncio.create_task(story.write()) for _ in range(CLIENTS)]
    if callable(work):
        await asyncio.to_thread(work)
    while len(story.acknowledged) < goal:
        await asyncio.sleep(0.01)
    story.is_over = True
    await asyncio.gather(*tasks)


async def write_both(old: Story, new: Story) -> None:
    """Write through both servers at once."""
    await asyncio.gather(write(old, "both"), write(new, "both"))


@pytest.mark.long
def test_no_request_fails(database_url: str, settings: Settings, old_code: Path, report: Report) -> None:
    head = migrations.find_head()
    with old_server(old_code, settings) as old_url:
        before = migrations.read_status(database_url)
        assert before.standing == "behind"
        with opened(database_url) as db:
            old = Story.begin(old_url, db)
        asyncio.run(write(old, "migrating", lambda: migrations.upgrade(database_url)))
        with serving(database_url, settings.data_dir) as server:
            new = Story(server.url, old.article, old.key, acknowledged=old.acknowledged)
            asyncio.run(write_both(old, new))
    with serving(database_url, settings.data_dir) as server, opened(database_url) as db:
        new.url = server.url
        asyncio.run(write(new, "new"))
        figures = new.check(db)
    failed = [kind for story in (old, new) for kind in story.answers if kind[2] not in {200, 201}]
    assert failed == []
    assert old.faults == []
    report(upgraded=f"{before.revision} to {head}", old=sum(old.answers.values()), **figures)
