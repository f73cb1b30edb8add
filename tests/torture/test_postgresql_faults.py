"""A server whose PostgreSQL is stopped, killed, read-only, locked or full answers clearly, and heals by itself."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from app.db import Database, open_database
from tests.conftest import Report, connections
from tests.db.standbys import Cluster
from tests.effort import effort
from tests.served import serving
from tests.torture.disks import filled, small_disk
from tests.torture.history import Story, writing

ROUNDS = effort("ROUNDS", 1, long=5)
KILLS = effort("KILLS", 1, long=20)
CLIENTS = effort("CLIENTS", 2, long=8)
DISK_BYTES = 256_000_000

Fault = Callable[[Cluster], AbstractContextManager[None]]


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """End the database at once, and start it again."""
    cluster.kill(cluster.primary)
    try:
        yield
    finally:
        cluster.primary.ensure_postgres_running()


@contextmanager
def read_only(cluster: Cluster) -> Iterator[None]:
    """Let all transactions be read-only."""
    url = cluster.primary.get_uri("broadsheet")
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def locked(cluster: Cluster) -> Iterator[None]:
    """Hold a lock that all writers of comments wait for."""
    with psycopg.connect(cluster.primary.get_uri("broadsheet")) as connection:
        connection.execute("LOCK TABLE comment IN EXCLUSIVE MODE")
        yield


@contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    """Fill the disk, which may stop the database: its log has no room, either."""
    with filled(cluster.folder):
        yield
    cluster.primary.ensure_postgres_running()


@contextmanager
def hung(cluster: Cluster) -> Iterator[None]:
    """Let the database do nothing at all, while its connections stay open."""
    with cluster.hung(cluster.primary):
        yield


FAULTS: dict[str, Fault] = {"stopped": stopped, "hung": hung, "read-only": read_only, "locked": locked, "full": full}
EXPECTED = {"full": {507, 503}}


async def suffer(story: Story, cluster: Cluster, names: list[str]) -> dict[str, list[float]]:
    """Let faults come and go while clients write; the seconds that each took to heal."""
    healed: dict[str, list[float]] = {}
    with writing(story, CLIENTS) as tasks:
        await story.advance()
        for name in names:
            fault = FAULTS[name](cluster)
            await asyncio.to_thread(fault.__enter__)
            with story.during(name):
                while not story.statuses(name, "write") & EXPECTED.get(name, {503}):
                    await story.advance(1)
            await asyncio.to_thread(fault.__exit__, None, None, None)
            healed.setdefault(name, []).append(await story.heal())
    await asyncio.gather(*tasks)
    return healed


@contextmanager
def opened(cluster: Cluster) -> Iterator[Database]:
    """The database, with connections that no fault has ended and none will."""
    db = open_database(cluster.url)
    try:
        yield db
    finally:
        asyncio.run(db.stop())
        connections.close_all()


def tell(names: list[str], folder: Path) -> tuple[Story, dict[str, object]]:
    """Let a cluster in a folder have faults; the story and its figures."""
    cluster = Cluster(folder, standbys=0)
    try:
        with serving(cluster.url, folder / "data", may_fail=True) as server:
            with opened(cluster) as db:
                story = Story.begin(server.url, db)
            healed = asyncio.run(suffer(story, cluster, names))
        with opened(cluster) as db:
            figures = story.check(db)
    finally:
        cluster.cleanup()
    return story, {"healed": healed, **figures}


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that the user of the database may enter."""
    with tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.long
def test_faults_are_told_and_heal(report: Report) -> None:
    with new_folder() as folder, small_disk(folder / "disk", DISK_BYTES) as is_small:
        (folder / "disk").chmod(0o755)
        names = [name for name in FAULTS if is_small or name != "full"] * ROUNDS
        story, figures = tell(names, folder / "disk")
    for name in names:
        assert story.statuses(name, "write") <= EXPECTED.get(name, {503}) | {200, 201}
    for name in {"read-only", "locked"} & set(names):
        assert story.statuses(name, "read") <= {200}, "reads go on"
    report(**figures)


@pytest.mark.long
def test_kills_of_the_database_lose_nothing(report: Report) -> None:
    with new_folder() as folder:
        _, figures = tell(["stopped"] * KILLS, folder)
    report(kills=KILLS, **figures)
