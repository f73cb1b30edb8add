"""Publishable keys: they read what anybody may read, share what is kept, and have a limit of their own."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import create_app
from tests.edge.asgi import Gate, ask, running
from tests.make import Headers, draft, ok, published

pytestmark = pytest.mark.portable

HIT, STORED, BYPASS = "Broadsheet; hit", "Broadsheet; fwd=uri-miss; stored", "Broadsheet; fwd=bypass"
PATH = "/v1/articles/a-ferry"


def make(db: Database, **quotas: int) -> tuple[str, Headers]:
    """Make a key; its id, and the headers to send."""
    with db.transaction() as session:
        key_id, key = keys.create_api_key(session, SYSTEM, "A page", ["public:read"], **quotas)
    return key_id, {"Authorization": f"Bearer {key}"}


@pytest.fixture
def key(make_key: Callable[..., Headers]) -> Headers:
    return make_key("public:read")


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    return published(client, editor, "A ferry")


def test_it_shares_what_is_kept(client: TestClient, key: Headers, article: dict[str, Any]) -> None:
    anonymous = client.get(PATH)
    answer = client.get(PATH, headers=key)
    assert (answer.content, answer.headers["cache-status"]) == (anonymous.content, HIT)
    for name in ("cache-control", "etag", "cache-tag", "vary"):
        assert answer.headers[name] == anonymous.headers[name]
    assert answer.headers["cache-control"].startswith("public, max-age")
    assert client.get("/v1/articles", headers=key).headers["cache-status"] == STORED
    assert client.get("/v1/articles").headers["cache-status"] == HIT
    scheme = {"Authorization": key["Authorization"].replace("Bearer ", "bearer  ")}
    assert client.get("/v1/articles", headers=scheme).headers["cache-status"] == HIT
    assert client.get("/v1/articles", headers={**key, "Cookie": "a=b"}).headers["cache-status"] == BYPASS
    assert client.get(PATH, headers={**key, "If-None-Match": answer.headers["etag"]}).status_code == 304


def test_it_sees_what_anybody_sees(client: TestClient, key: Headers, editor: Headers, article: dict[str, Any]) -> None:
    hidden = draft(client, editor, "Hidden")
    ok(client.patch(f"/v1/articles/{article['id']}", json={"title": "A boat"}, headers={**editor, "If-Match": "*"}))
    for path in (
        *(f"/v1/articles/{hidden['id']}", PATH, f"{PATH}?fields=title,editing", f"{PATH}?revision=2", "/v1/articles"),
        *("/v1/articles?state=draft", "/v1/changes", f"/v1/articles/{hidden['id']}/comments", "/v1/fronts/home"),
        *("/v1/search?q=hidden", "/feeds/site.rss", f"{PATH}/discussion", "/v1/articles?sort=-updated_at"),
        *("/v1/fronts/home?preview=true", "/v1/articles?fields=editing"),
    ):
        anonymous, answer = (client.get(path, headers=headers) for headers in ({}, key))
        expected = 403 if anonymous.status_code == 401 else anonymous.status_code  # the key is known, and lacks a scope
        assert answer.status_code == expected, path
        if answer.status_code < 400:
            assert answer.content == anonymous.content, path


def test_it_is_the_caller_where_callers_are_named(client: TestClient, key: Headers) -> None:
    answer = client.get("/v1/whoami", headers=key)
    assert ok(answer) == {**ok(answer), "kind": "key", "scopes": ["public:read"], "sections": None}
    assert answer.headers["cache-control"] == "private, no-store"


def test_what_is_kept_is_refused_to_a_revoked_key(
    client: TestClient,
    key: Headers,
    make_key: Callable[..., Headers],
    article: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin = make_key("admin")
    key_id = ok(client.get("/v1/whoami", headers=key))["id"]
    assert [client.get(PATH, headers=key).headers["cache-status"] for _ in range(2)] == [STORED, HIT]
    ok(client.delete(f"/v1/keys/{key_id}", headers=admin), 204)
    monkeypatch.setattr(keys, "KEY_CACHE_SECONDS", -1.0)  # a second later
    answer = client.get(PATH, headers=key)
    assert (answer.status_code, answer.headers["cache-status"]) == (401, BYPASS)
    assert client.get(PATH).headers["cache-status"] == HIT
    unknown = {"Authorization": "Bearer bp_" + "0" * 72}
    assert client.get(PATH, headers=unknown).status_code == 401


def test_a_key_that_is_revoked_while_an_answer_is_made_does_not_get_it(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, token = make(db)

    async def story() -> None:
        async with running(settings) as app:
            gate = Gate(app)
            first = asyncio.create_task(ask(app, "/v1/articles"))
            await gate.arrived.wait()
            waiting = asyncio.create_task(ask(app, "/v1/articles", headers=token))
            while app.state.services.callers.keys.find_cached(token["Authorization"][7:]) is None:
                await asyncio.sleep(0)
            with db.transaction() as session:
                keys.revoke_api_key(session, SYSTEM, key_id)
            monkeypatch.setattr(keys, "KEY_CACHE_SECONDS", -1.0)
            gate.open()
            assert (await first).status == 200
            assert (await waiting).status == 401

    asyncio.run(story())


@pytest.fixture
def limited(settings: Settings) -> Settings:
    return settings.model_copy(update={"rate_limits": "read=2/minute,publishable=5/minute"})


def test_it_has_a_limit_of_its_own(limited: Settings, key: Headers, article: dict[str, Any]) -> None:
    with TestClient(create_app(limited, with_worker=False)) as client:
        assert [client.get(PATH).status_code for _ in range(3)] == [200, 200, 429]
        answers = [client.get(PATH, headers=key) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers[:5]] == [
            f'"publishable";r={left}' for left in (4, 3, 2, 1, 0)
        ]


def test_quotas_of_a_key_are_counted_on_what_is_kept(limited: Settings, db: Database, article: dict[str, Any]) -> None:
    by_minute, by_day = make(db, quota_minute=3)[1], make(db, quota_day=4)[1]
    with TestClient(create_app(limited, with_worker=False)) as client:
        assert [client.get(PATH, headers=by_minute).status_code for _ in range(4)] == [200] * 3 + [429]
        answers = [client.get(PATH, headers=by_day) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert {answer.headers.get("cache-status") for answer in answers[:4]} == {HIT}
        assert answers[0].headers["ratelimit-policy"] == '"publishable";q=5;w=60, "quota-day";q=4;w=86400'
        assert '"quota-day";r=3;t=' in answers[0].headers["ratelimit"]
