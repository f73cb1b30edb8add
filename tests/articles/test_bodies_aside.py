"""Where texts are converted: away from the event loop and the writer, and again where another revision came between."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from app.articles import editing
from app.articles.editorial_routes import MAX_THREAD_CHARACTERS
from app.web.offload import Offload

pytestmark = pytest.mark.portable

LONG = "A sentence of a long text. " * (MAX_THREAD_CHARACTERS // 20)


@pytest.fixture
def whatever(editor: dict[str, str]) -> dict[str, str]:
    """Headers of an editor who changes whatever version there is."""
    return {**editor, "If-Match": "*"}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the processes beside, by name; all of it pickles."""
    known: list[str] = []
    run = Offload.run

    async def noted(self: Offload, function: Callable[..., Any], *arguments: Any) -> Any:
        known.append(function.__name__)
        pickle.loads(pickle.dumps((function, arguments)))
        return pickle.loads(pickle.dumps(await run(self, function, *arguments)))

    monkeypatch.setattr(Offload, "run", noted)
    return known


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_long_texts_are_converted_beside(client, whatever, runs, kind):
    made = client.post("/v1/articles", json={"title": "Long", "body": {kind: LONG}}, headers=whatever).json()
    changed = client.patch(f"/v1/articles/{made['id']}", json={"body": {kind: f"{LONG}!"}}, headers=whatever)
    operation = {"op": "patch", "article": made["id"], "if_match": "*", "body": {"body": {kind: f"{LONG}?"}}}
    assert (
        client.post("/v1/articles/bulk", json={"operations": [operation]}, headers=whatever).json()["data"][0]["status"]
        == 200
    )
    assert (changed.status_code, runs) == (200, ["read_body"] * 3)


def test_short_texts_and_those_of_no_article_are_not(client, whatever, runs):
    client.post("/v1/articles", json={"title": "Short", "body": {"html": "<p>Short.</p>"}}, headers=whatever)
    assert client.patch("/v1/articles/nowhere", json={"body": {"html": LONG}}, headers=whatever).status_code == 404
    assert runs == []


@pytest.mark.parametrize(("kind", "source"), [("html", "<b>" * 1000), ("markdown", "a\n" * 30_000)])
def test_what_cannot_be_read_is_refused_by_its_format(client, whatever, runs, kind, source):
    refused = client.post("/v1/articles", json={"title": "Odd", "body": {kind: source}}, headers=whatever)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == f"/body/{kind}"
    assert refused.json()["errors"][0]["code"] == "body_refused"


@pytest.mark.parametrize("times", [1, 2, 9])
def test_blocks_keep_the_ids_of_a_revision_that_came_between(client, whatever, monkeypatch, times):
    made = client.post("/v1/articles", json={"title": "One", "body": {"html": "<p>One.</p>"}}, headers=whatever).json()
    here, read, reads = f"/v1/articles/{made['id']}", editing.read_body, []

    def interrupted(body: Any, *more: Any) -> Any:
        if "Three" in body.html:
            reads.append(body)
            if len(reads) <= times:
                others = f"<p>One.</p><p>Two, as others have it.</p><p>{len(reads)}</p>"
                assert client.patch(here, json={"body": {"html": others}}, headers=whatever).status_code == 200
        return read(body, *more)

    monkeypatch.setattr(editing, "read_body", interrupted)
    text = "<p>One.</p><p>Two, as I have it.</p><p>Three.</p>"
    assert client.patch(here, json={"body": {"html": text}}, headers=whatever).status_code == 200
    assert len(reads) == min(times + 1, 3)
    saved = times + 1 if times < 3 else 4  # revisions before the last one
    old, new = (
        client.get(f"{here}/revisions/{n}?formats=blocks", headers=whatever).json()["body"]["blocks"]
        for n in (saved, saved + 1)
    )
    assert [block["text"] for block in new] == ["One.", "Two, as I have it.", "Three."]
    assert new[0]["id"] == old[0]["id"]
    assert new[1]["id"] == old[1]["id"]


def test_another_version_is_told_before_a_revision_that_came_between(client, whatever, monkeypatch):
    made = client.post("/v1/articles", json={"title": "One", "body": {"html": "<p>One.</p>"}}, headers=whatever)
    here, read = f"/v1/articles/{made.json()['id']}", editing.read_body

    def interrupted(body: Any, *more: Any) -> Any:
        if "Three" in body.html:
            assert client.patch(here, json={"body": {"html": "<p>Two.</p>"}}, headers=whatever).status_code == 200
        return read(body, *more)

    monkeypatch.setattr(editing, "read_body", interrupted)
    asked = client.patch(
        here, json={"body": {"html": "<p>Three.</p>"}}, headers={**whatever, "If-Match": made.headers["etag"]}
    )
    assert asked.status_code == 412
