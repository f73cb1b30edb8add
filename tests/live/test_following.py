"""Streams that stay open, on a running server."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from bench import servers
from bench.live import follow
from tests import make, processes
from tests.flows.conftest import serving
from tests.live.conftest import PATIENCE, following

Headers = dict[str, str]


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    return make.published(client, editor, "Fog")


@pytest.fixture
def url(article: dict[str, Any]) -> str:
    return f"/v1/articles/{article['id']}/live"


@pytest.fixture
def address(lasting: Settings, article: dict[str, Any]) -> Iterator[str]:
    """Run a server; `client` is another app on the same store."""
    with serving(lasting) as found:
        yield found


def test_every_client_hears_everything_once_also_from_another_process(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "subprocess", SimpleNamespace(Popen=processes.popen, PIPE=subprocess.PIPE))
    found = follow(database_url, tmp_path, clients=40, seconds=2, per_minute=600, every=0.02)
    assert (found.comments, found.missed, found.repeated, found.disordered) == (20, 0, 0, 0)
    assert found.reconnects > 10


def test_a_comment_is_told_as_it_is_read(client: TestClient, address: str, url: str, article: dict[str, Any]) -> None:
    with following(address, url) as reader, following(address, url) as other:
        said = make.said(client, article, "Ünïcode,\nand <b>two</b> lines.")
        event = reader.until("comment.published")
        assert event == other.until("comment.published")
        assert event.data == make.ok(client.get(f"/v1/comments/{said['id']}"))
        client.delete(f"/v1/comments/{said['id']}", headers=make.bearer(said["edit_token"]))
        assert reader.until("comment.removed").data["id"] == said["id"]


def test_a_storm_of_votes_is_few_counts(
    client: TestClient, db: Database, address: str, url: str, article: dict[str, Any]
) -> None:
    said = make.said(client, article, "Yes.")
    voters = [make.guest(client) for _ in range(12)]
    make.prove_guests(db)
    with following(address, url) as reader:
        for voter in voters:
            make.ok(client.put(f"/v1/comments/{said['id']}/vote", json={"value": 1}, headers=voter))
            make.ok(client.put(f"/v1/articles/{article['id']}/reaction", json={"value": "agree"}, headers=voter))
        up, seen = 0, []
        for event in reader:
            seen.append(event.type)
            up = event.data["votes"].get(said["id"], {"up": up})["up"]
            if up == event.data["reactions"]["agree"] == len(voters):
                break
        assert set(seen) == {"counts"}
        assert len(seen) < len(voters)


@pytest.mark.parametrize(
    ("verb", "body", "state"), [("unpublish", None, "unpublished"), ("retract", {"reason": "Wrong."}, "retracted")]
)
def test_a_stream_ends_with_its_article(
    client: TestClient,
    editor: Headers,
    address: str,
    url: str,
    article: dict[str, Any],
    verb: str,
    body: Any,
    state: str,
) -> None:
    with following(address, url) as reader:
        make.act(client, editor, article, verb, body)
        *_, last = list(reader)
    assert (last.type, last.data["state"]) == ("article.updated", state)
    assert last.data["reason"] == (body and "Wrong.")
    assert httpx2.get(address + url, headers={"Last-Event-ID": last.id}).status_code == (410 if body else 404)


def test_streams_end_when_the_server_is_told_to(
    capsys: pytest.CaptureFixture[str], lasting: Settings, url: str, article: dict[str, Any]
) -> None:
    server = serving(lasting)
    with server as address:
        reading = following(address, url)
        reader = reading.__enter__()
    assert list(reader) == [], "a whole answer: what is cut off raises"
    reading.__exit__(None, None, None)
    assert "graceful shutdown exceeded" not in capsys.readouterr().err


def test_places_are_counted_and_come_back(lasting: Settings, url: str, article: dict[str, Any]) -> None:
    few = lasting.model_copy(update={"live_streams": 1})
    with serving(few) as address, httpx2.Client(base_url=address, timeout=PATIENCE) as client:
        with following(address, url):
            answer = client.get(url)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "broadsheet_live_streams 1.0" in client.get("/metrics").text
        while "broadsheet_live_streams 1.0" in client.get("/metrics").text:
            pass  # until the server has noticed that the client went away
        with following(address, url):
            pass


def test_one_address_holds_so_many(lasting: Settings, url: str, article: dict[str, Any]) -> None:
    few = lasting.model_copy(update={"live_streams_per_caller": 1, "rate_limits": "on"})
    with serving(few) as address, following(address, url):
        answer = httpx2.get(address + url)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        assert int(answer.headers["retry-after"]) > 0
