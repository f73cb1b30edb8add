"""One request makes an answer, and none that may be older than a change is kept or shared."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from tests.edge.asgi import Gate, ask, running
from tests.make import Headers, published

COMMENT = {"text": "First!", "author": {"name": "Ida"}}


@pytest.fixture
def article(settings: Settings, client: TestClient, editor: Headers) -> dict[str, Any]:
    return published(client, editor, "A ferry")


def test_a_thousand_at_once_are_answered_by_one(settings: Settings, article: dict[str, Any]) -> None:
    async def story() -> None:
        async with running(settings) as app:
            gate = Gate(app)
            tasks = [asyncio.create_task(ask(app, "/v1/articles?limit=5")) for _ in range(500)]
            tasks += [asyncio.create_task(ask(app, "/v1/articles?limit=%35", headers={"X-Request-ID": "a"}))] * 500
            await gate.arrived.wait()
            gate.open()
            replies = await asyncio.gather(*tasks)
            assert gate.runs == 1
            assert {reply.body for reply in replies} == {replies[0].body}
            assert replies[0].outcome == "fwd=uri-miss; stored"
            assert {reply.outcome for reply in replies[1:]} <= {"fwd=uri-miss; collapsed", "hit"}
            assert len({reply.headers["x-request-id"] for reply in replies}) == 501
            assert (await ask(app, "/v1/articles?limit=5")).outcome == "hit"

    asyncio.run(story())


def test_those_who_wait_count_towards_the_limit(settings: Settings, article: dict[str, Any]) -> None:
    async def story() -> None:
        async with running(settings.model_copy(update={"rate_limits": "read=5/minute"})) as app:
            gate = Gate(app)
            tasks = [asyncio.create_task(ask(app, "/v1/articles")) for _ in range(8)]
            await gate.arrived.wait()
            gate.open()
            replies = await asyncio.gather(*tasks)
            assert sorted(reply.status for reply in replies) == [200] * 5 + [429] * 3

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/v1/articles/a-ferry/comments", "/v1/articles"])
def test_an_answer_older_than_a_change_is_neither_kept_nor_shared(
    path: str, settings: Settings, article: dict[str, Any]
) -> None:
    async def story() -> None:
        async with running(settings) as app:
            gate = Gate(app)
            early = asyncio.create_task(ask(app, path))
            await gate.arrived.wait()
            written = await ask(app, "/v1/articles/a-ferry/comments", "POST", body=COMMENT)
            assert written.status == 201
            late = [asyncio.create_task(ask(app, path)) for _ in range(5)]
            while app.front.keeper.flights and len(asyncio.all_tasks()) < 7:
                await asyncio.sleep(0)
            gate.open()
            outcomes = {"fwd=uri-miss"}
            if settings.database.startswith("postgresql"):  # it may be kept until the next look, which evicts it
                outcomes.add("fwd=uri-miss; stored")
            assert (await early).outcome in outcomes
            for reply in await asyncio.gather(*late):
                assert reply.body != (await early).body
            assert (await ask(app, path)).body == (await late[0]).body

    asyncio.run(story())


def test_a_change_of_something_else_does_not_hinder(settings: Settings, client: TestClient, editor: Headers) -> None:
    one, other = published(client, editor, "One"), published(client, editor, "Other")
    while one["id"][-3:] == other["id"][-3:]:
        other = published(client, editor, "Other")

    async def story() -> None:
        async with running(settings) as app:
            gate = Gate(app)
            reading = asyncio.create_task(ask(app, f"/v1/articles/{one['id']}"))
            await gate.arrived.wait()
            await ask(app, f"/v1/articles/{other['id']}/comments", "POST", body=COMMENT)
            gate.open()
            assert (await reading).outcome == "fwd=uri-miss; stored"

    asyncio.run(story())


def test_what_cannot_be_kept_holds_nobody_up(settings: Settings, client: TestClient) -> None:
    async def story() -> None:
        async with running(settings) as app:
            replies = await asyncio.gather(*[ask(app, "/v1/whoami") for _ in range(20)])
            assert {reply.status for reply in replies} == {200}
            assert {reply.headers["cache-control"] for reply in replies} == {"private, no-store"}
            assert len({reply.headers["x-request-id"] for reply in replies}) == 20

    asyncio.run(story())


def test_who_waits_goes_on_if_the_app_fails(settings: Settings, client: TestClient) -> None:
    async def story() -> None:
        async with running(settings) as app:
            inner, entered, opened = app.front.app, asyncio.Event(), asyncio.Event()
            calls = []

            async def fail_once(scope: Any, receive: Any, send: Any) -> None:
                calls.append(scope["path"])
                if len(calls) == 1:
                    entered.set()
                    await opened.wait()
                    raise RuntimeError("lost")
                await inner(scope, receive, send)

            app.front.app = fail_once
            first = asyncio.create_task(ask(app, "/v1/articles"))
            await entered.wait()
            others = [asyncio.create_task(ask(app, "/v1/articles")) for _ in range(3)]
            await asyncio.sleep(0)
            opened.set()
            with pytest.raises(RuntimeError, match="lost"):
                await first
            assert [reply.status for reply in await asyncio.gather(*others)] == [200] * 3

    asyncio.run(story())


def test_a_stream_passes_through(settings: Settings, client: TestClient, article: dict[str, Any]) -> None:
    async def story() -> None:
        async with running(settings) as app:
            reply = await ask(app, f"/v1/articles/{article['id']}/live")
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert reply.outcome == "fwd=uri-miss"
            assert not app.front.keeper.flights

    asyncio.run(story())


def test_other_processes_are_seen(settings: Settings, client: TestClient, article: dict[str, Any]) -> None:
    """`client` is another app on the same store: on SQLite its writes are seen at once."""
    path = "/v1/articles/a-ferry/comments"

    async def story(write: Callable[[], Any]) -> None:
        async with running(settings) as app:
            first = await ask(app, path)
            assert (await ask(app, path)).outcome == "hit"
            answer = await asyncio.to_thread(write)
            position = answer.headers["broadsheet-position"]
            on_sqlite = settings.database.startswith("sqlite")
            second = await ask(app, path if on_sqlite else f"{path}?min_position={position}")
            assert second.body != first.body

    asyncio.run(story(lambda: client.post(path, json=COMMENT)))
