"""Kept answers on PostgreSQL: pushed, polled, and none while nobody listens."""

import asyncio
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.edge import following
from app.edge.following import PostgresFollower
from app.main import Application
from tests.edge.asgi import Reply, ask, running
from tests.make import Headers, published

COMMENT = {"text": "First!", "author": {"name": "Ida"}}
PATH = "/v1/articles/a-ferry/comments"
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def postgres(settings: Settings, client: TestClient, editor: Headers) -> Settings:
    published(client, editor, "A ferry")
    return settings


async def until(app: Application, outcome: str) -> None:
    """Ask until the answer is of a kind."""
    async with asyncio.timeout(30):
        while (await ask(app, "/v1/articles")).outcome != outcome:
            await asyncio.sleep(0.01)


def follower_of(app: Application) -> PostgresFollower:
    follower = app.front.keeper.follower
    assert isinstance(follower, PostgresFollower)
    return follower


def test_while_nobody_listens_nothing_is_given(postgres: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.05)

    async def story() -> None:
        async with running(postgres) as app:
            await until(app, "hit")
            database = app.state.services.database
            listen, refused = database.listen, asyncio.Event()

            async def refuse() -> Any:
                refused.set()
                raise psycopg.OperationalError("refused")

            database.listen = refuse
            listener = follower_of(app)._listener
            assert listener
            with psycopg.connect(postgres.database, autocommit=True) as connection:
                pid = listener._connection.info.backend_pid
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            await refused.wait()
            for _ in range(3):
                reply = await ask(app, "/v1/articles")
                assert (reply.status, reply.outcome) == (200, "fwd=bypass")
            assert len(app.front.keeper.memory) == 0
            database.listen = listen
            await until(app, "hit")

    asyncio.run(story())


def test_after_a_while_without_a_look_nothing_is_given(postgres: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with running(postgres) as app:
            await until(app, "hit")
            follower = follower_of(app)
            monkeypatch.setattr(follower, "_is_trusted", lambda: False)
            assert (await ask(app, "/v1/articles")).outcome == "fwd=bypass"
            monkeypatch.undo()
            await until(app, "hit")

    asyncio.run(story())


def test_another_process_is_told(postgres: Settings, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without polls: `client` is an app of its own, which notifies this one."""
    monkeypatch.setattr(following, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(following, "TRUSTED_SECONDS", 3600.0)

    async def story() -> None:
        async with running(postgres) as app:
            before = await ask(app, PATH)
            await until(app, "hit")
            assert (await asyncio.to_thread(client.post, PATH, json=COMMENT)).status_code == 201
            async with asyncio.timeout(30):
                while (await ask(app, PATH)).body == before.body:
                    await asyncio.sleep(0.01)

    asyncio.run(story())


def test_others_are_polled(postgres: Settings, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and workers notify nobody."""

    async def story() -> None:
        async with running(postgres) as app:
            before = await ask(app, PATH)
            client.app.state.services.database.on_write = None  # type: ignore[attr-defined]
            assert (await asyncio.to_thread(client.post, PATH, json=COMMENT)).status_code == 201
            async with asyncio.timeout(30):
                while (await ask(app, PATH)).body == before.body:
                    await asyncio.sleep(0.01)

    asyncio.run(story())


def test_no_look_without_requests(postgres: Settings, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request after a pause waits for a look, whoever has written meanwhile, and told nobody."""
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    client.app.state.services.database.on_write = None  # type: ignore[attr-defined]
    pauses: list[float] = []

    async def story() -> None:
        async with running(postgres) as app:
            await until(app, "hit")
            follower, before = follower_of(app), await ask(app, PATH)
            assert follower._listener
            wait = follower._listener.wait

            async def note_pause(seconds: float) -> None:
                pauses.append(seconds)
                await wait(seconds)

            monkeypatch.setattr(follower._listener, "wait", note_pause)
            follower._listener.wake()  # it may have begun to wait before that
            async with asyncio.timeout(30):
                while following.IDLE_SECONDS not in pauses:
                    await asyncio.sleep(0.01)
            writes = follower._writes
            await app.state.services.database.write(lambda _session: None)  # without an event
            assert (await asyncio.to_thread(client.post, PATH, json=COMMENT)).status_code == 201
            assert follower._writes == writes
            follower._trusted_until = 0.0  # as time passes
            after = await ask(app, PATH)
            assert (after.outcome, after.body != before.body) == ("fwd=uri-miss; stored", True)

    asyncio.run(story())


def test_a_page_of_the_log_is_not_kept_while_events_wait(postgres: Settings) -> None:
    """An event waits until no transaction may write an earlier one; when that ends without a trace, nobody is told."""

    async def changes(app: Application) -> Reply:
        return await ask(app, "/v1/changes?types=comment")

    async def story() -> None:
        async with running(postgres) as app:
            async with asyncio.timeout(30):
                while (await changes(app)).outcome != "hit":
                    await asyncio.sleep(0.01)
            with psycopg.connect(postgres.database) as connection:
                connection.execute("SELECT pg_current_xact_id()")  # which holds back all later events
                assert (await ask(app, PATH, "POST", body=COMMENT)).status == 201
                for _ in range(3):
                    reply = await changes(app)
                    assert (reply.outcome, reply.json["data"]) == ("fwd=uri-miss", [])
                connection.rollback()
            async with asyncio.timeout(30):
                while not (await changes(app)).json["data"]:
                    await asyncio.sleep(0.01)

    asyncio.run(story())


def test_own_writes_are_seen_at_once(postgres: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with running(postgres) as app:
            for number in range(5):
                await ask(app, PATH)
                body = {**COMMENT, "text": f"Number {number}"}
                assert (await ask(app, PATH, "POST", body=body)).status == 201
                assert len((await ask(app, PATH)).json["data"]) == number + 1

    asyncio.run(story())
