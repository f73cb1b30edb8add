"""A real standby beside a real primary: it answers anonymous reads, and nobody is told that what they did is not so."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.settings import Settings
from app.db import open_database, replica
from app.db.base import allow_replica
from app.db.postgres import PostgresDatabase
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import create_app
from tests import make
from tests.db.standbys import TIMEOUT_SECONDS, Cluster, wait_until

IS_STANDBY = sa.text("SELECT pg_is_in_recovery()")


@pytest.fixture
def pair(cluster: Cluster) -> Cluster:
    """A primary and its standby, which has all that the primary has."""
    if not cluster.standbys:
        cluster.begin_standby()
    cluster.catch_up()
    return cluster


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in shorter times."""
    monkeypatch.setattr(replica, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(replica, "REST_SECONDS", 0.2)
    monkeypatch.setattr(replica, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(replica, "PROBE_TIMEOUT_SECONDS", 1.0)


@pytest.fixture
def settings(pair: Cluster, all_settings: Settings, tmp_path: Path) -> Settings:
    urls = {"database_url": pair.url, "read_database_url": pair.read_url}
    return all_settings.model_copy(update={**urls, "data_dir": tmp_path / "data"})


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def editor(pair: Cluster) -> make.Headers:
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


def test_only_what_may_lag_is_read_from_it(pair: Cluster) -> None:
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


def test_nobody_is_told_that_what_they_did_is_not_so(pair: Cluster, client: TestClient, editor: make.Headers) -> None:
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


def pair_key(pair: Cluster) -> make.Headers:
    """A key that the standby does not know."""
    db = open_database(pair.url)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "new", ["content:read"])[1]
    asyncio.run(db.stop())
    return make.bearer(key)


def test_an_answer_is_kept_only_if_its_standby_has_what_was_evicted(
    pair: Cluster, settings: Settings, editor: make.Headers
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

        def is_standby_asked() -> bool:
            return read(f"/v1/articles?exclude={new_id()}")[2]  # each time another answer, which is not kept yet

        article = make.published(client, editor, "First")
        path = f"/v1/articles/{article['id']}"
        pair.catch_up()
        wait_until(is_standby_asked)
        assert read(path)[1:] == ("fwd=uri-miss; stored", True)
        with pair.lagging():
            make.patched(client, editor, article, title="Second")
            make.act(client, editor, article, "publish")
            found, *how = read(path)
            assert (found["title"], *how) == ("Second", "fwd=uri-miss; stored", False)
        pair.catch_up()
        wait_until(is_standby_asked)
        assert read(path)[1] == "hit"
        assert read("/v1/articles?limit=1")[1:] == ("fwd=uri-miss; stored", True)


def test_one_that_is_far_behind_is_left_alone(
    pair: Cluster, client: TestClient, editor: make.Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "MAX_DELAY_SECONDS", 0.3)
    wait_until(lambda: is_usable(client))
    with pair.lagging():
        article = make.published(client, editor, "News")
        wait_until(lambda: not is_usable(client))
        assert client.get(f"/v1/articles/{article['id']}").status_code == 200
    wait_until(lambda: is_usable(client))


def test_one_that_hangs_holds_nobody_up_for_long(pair: Cluster, client: TestClient, editor: make.Headers) -> None:
    article = make.published(client, editor, "News")
    pair.catch_up()
    wait_until(lambda: is_usable(client))
    with pair.hung(pair.standby):
        for _ in range(3):
            assert client.get(f"/v1/articles/{article['id']}").status_code == 200
        assert not is_usable(client)
        assert make.published(client, editor, "More")
    wait_until(lambda: is_usable(client))


def test_slow_queries_and_a_primary_that_hangs_do_not_hold_reads_up(pair: Cluster) -> None:
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


def test_one_that_dies_takes_nothing_along(pair: Cluster, client: TestClient, editor: make.Headers) -> None:
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


def test_reads_go_on_without_the_primary(pair: Cluster, client: TestClient, editor: make.Headers) -> None:
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
    pair: Cluster, client: TestClient, editor: make.Headers
) -> None:
    article = make.published(client, editor, "News")
    wait_until(lambda: is_usable(client))
    promoted = pair.standbys.pop()
    pair.control(promoted, "promote")
    try:
        wait_until(lambda: not is_usable(client))
        make.patched(client, editor, article, title="Newer")
        make.act(client, editor, article, "publish")
        assert make.ok(client.get(f"/v1/articles/{article['id']}"))["title"] == "Newer"
    finally:
        promoted.cleanup()
