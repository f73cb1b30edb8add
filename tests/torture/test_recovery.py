"""The commands that the documentation gives for going back to a moment on PostgreSQL do that."""

import asyncio
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.db import open_database
from app.identity import keys
from app.identity.schemas import SYSTEM
from tests.conftest import connections
from tests.db.standbys import Cluster, wait_until
from tests.processes import ROOT

PAGE = ROOT / "docs" / "how-to" / "back-up-and-restore.md"


def read_blocks(language: str) -> list[str]:
    """Read the commands of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A database of its own."""
    with tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Cluster(Path(folder), standbys=0)
        yield found
        found.cleanup()


def name_keys(url: str) -> list[str]:
    """List the names of the keys of a store."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM api_key ORDER BY name")]


def create_key(url: str, name: str) -> None:
    """Write something."""
    db = open_database(url)
    with db.transaction() as session:
        keys.create_api_key(session, SYSTEM, name, ["admin"])
    asyncio.run(db.stop())
    connections.close_all()


@pytest.mark.long
def test_a_store_goes_back_to_a_moment(cluster: Cluster) -> None:
    primary, room = cluster.primary, cluster.folder / "room"
    room.mkdir()
    owner = primary.pgdata.stat()
    os.chown(room, owner.st_uid, owner.st_gid)
    places = {name: str(room / name.lower()) for name in ("ARCHIVE", "BASE", "RECOVERED")}
    environment = {
        **os.environ,
        **places,
        "PATH": f"{primary.bin_path}:{os.environ['PATH']}",
        "DATABASE_URL": primary.get_uri(),
    }

    def run(block: str) -> None:
        subprocess.run(
            ["sh", "-ec", block],
            env=environment,
            cwd=room,
            check=True,
            capture_output=True,
            user=primary.system_user,
        )

    for statement in read_blocks("sql")[0].replace("ARCHIVE", places["ARCHIVE"]).splitlines():
        primary.psql(statement)
    back_up, recover = read_blocks("bash")
    run('mkdir "$ARCHIVE"')
    connections.close_all()
    cluster.control(primary, "-m", "fast", "restart")
    create_key(cluster.url, "before")
    for own in primary.pgdata.glob(".*.json"):
        own.chmod(0o644)  # of the wheel, written by this process
    run(back_up)
    create_key(cluster.url, "between")
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        ((moment,),) = connection.execute("SELECT clock_timestamp()::text").fetchall()
        environment["MOMENT"] = moment
        connection.execute("SELECT pg_sleep(0.01)")
    create_key(cluster.url, "accident")
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        ((segment,),) = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()
    wait_until(lambda: cluster.ask("SELECT last_archived_wal FROM pg_stat_archiver", primary)[0] >= segment)
    own_socket = f"unix_socket_directories = '{places['RECOVERED']}'\nlisten_addresses = ''\n"
    with (Path(places["BASE"]) / "postgresql.auto.conf").open("a") as configuration:
        configuration.write(own_socket)
    for own in Path(places["BASE"]).glob(".s.PGSQL*"):
        own.unlink()  # the primary of the tests has its socket in its folder
    try:
        run(recover)
    except subprocess.CalledProcessError as error:
        log = Path(places["RECOVERED"]) / "log"
        raise AssertionError(log.read_text() if log.exists() else error.stderr) from error
    url = f"postgresql://postgres@/broadsheet?host={places['RECOVERED']}"
    try:
        assert name_keys(url) == ["before", "between"]
        wait_until(lambda: not is_recovering(url))
        create_key(url, "goes on")
        assert name_keys(url) == ["before", "between", "goes on"]
    finally:
        run('pg_ctl --pgdata="$RECOVERED" --wait --mode=fast stop')
    assert name_keys(cluster.url) == ["accident", "before", "between"]


def is_recovering(url: str) -> bool:
    """Whether a server replays its log still."""
    with psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,))
