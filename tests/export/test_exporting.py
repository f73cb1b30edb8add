"""The export: complete, in the shapes of the API, public content only, and limited in number."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.events.log import find_settled_position
from app.export import public, routes
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference
from app.publication.site import Site
from tests import make
from tests.changes.follower import lines

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def export(client: TestClient, query: str = "", headers: Headers | None = None) -> dict[str, list[Any]]:
    """Return the objects of an export by kind."""
    found: dict[str, list[Any]] = {}
    for line in lines(client.get(f"/v1/export.ndjson{query}", headers=headers or {})):
        found.setdefault(line["type"], []).append(line["data"])
    return found


def test_everything_public_in_the_shapes_of_the_api(client: TestClient, editor: Headers, db: Database) -> None:
    with db.transaction() as session:
        seen, unseen = (create_reference(session, SYSTEM, f"https://a.example/{n}.jpg") for n in "ab")
    make.section(client, editor, "News")
    make.author(client, editor, "Ann", image=seen)
    make.series(client, editor, "Long")
    article = make.published(client, editor, section="news", authors=["ann"], series="long", tags=["Fog"])
    hidden = make.draft(client, editor, "Hidden", image=unseen)
    make.notice(client, editor, scope="article", target_id=hidden["id"], placement="both", text="Nobody reads this.")
    notice = make.notice(client, editor, scope="site", placement="both", text="All.")
    comment = make.comment(client, article)
    found = export(client)
    assert found["article"] == make.ok(client.get("/v1/articles?formats=html"))["data"]
    for kind, url in (("section", "sections"), ("tag", "tags"), ("author", "authors"), ("series", "series")):
        assert found[kind] == make.ok(client.get(f"/v1/{url}"))["data"]
    assert [row["id"] for row in found["media"]] == [seen]
    assert [row["id"] for row in found["notice"]] == [notice["id"]]
    assert found["comment"] == [make.ok(client.get(f"/v1/comments/{comment['id']}"))]
    (manifest,) = found["manifest"]
    assert (manifest["format"], manifest["version"], manifest["site_name"]) == ("broadsheet-export", 1, "The Example")
    with db.connect() as connection:
        assert manifest["cursor"].endswith(str(find_settled_position(connection)))
    body = export(client, "?formats=markdown,text")["article"][0]["body"]
    assert body == {"text": "Once upon a time.", "markdown": "Once upon a time.\n"} | {"markdown": body["markdown"]}
    assert make.ok(client.get("/v1/export.ndjson?formats=pdf"), 400)["code"] == "invalid_parameter"
    assert make.ok(client.get("/v1/export.ndjson?fields=id"), 400)["code"] == "invalid_parameter"


def test_comments_of_a_hidden_discussion_stay_out(client: TestClient, admin: Headers) -> None:
    article = make.published(client, admin)
    make.comment(client, article)
    assert len(export(client)["comment"]) == 1
    body = {"state": "hidden"}
    make.ok(client.put("/v1/discussion", json=body, headers={**admin, "If-Match": "*"}))
    assert "comment" not in export(client)


def test_chunks_join(client: TestClient, editor: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "ARTICLES_PER_CHUNK", 2)
    monkeypatch.setattr(public, "ROWS_PER_CHUNK", 3)
    for number in range(5):
        make.comment(client, make.published(client, editor, tags=[f"t{number}", f"u{number}"]))
    found = export(client)
    assert {kind: len(rows) for kind, rows in found.items() if len(rows) > 1} == {"tag": 10, "article": 5, "comment": 5}
    assert [row["id"] for row in found["tag"]] == sorted(row["id"] for row in found["tag"])


def test_strangers_and_keys_have_places_of_their_own(
    client: TestClient, make_key: Callable[..., Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key("syndicate")
    monkeypatch.setitem(routes._RUNNING.number, "anonymous", routes.MAX_RUNNING["anonymous"])
    busy = client.get("/v1/export.ndjson")
    assert make.ok(busy, 503)["code"] == "unavailable"
    assert busy.headers["retry-after"] == "30"
    for _ in range(5):  # each leaves its place
        export(client, headers=key)


def test_a_client_that_stalls_or_goes_away_ends_it(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SEND_TIMEOUT_SECONDS", 0.01)
    closed = asyncio.Event()

    async def endless() -> Any:
        try:
            while True:
                yield b"x"
        finally:
            closed.set()

    async def run(*, stalls: bool) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        closed.clear()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if len(sent) > 3:
                await (asyncio.Event().wait() if stalls else asyncio.sleep(0))

        async def receive() -> dict[str, Any]:
            if stalls:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        content = endless()
        await routes._ExportStream(content, "key")({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        await content.aclose()
        return sent

    for stalls in (True, False):
        sent = asyncio.run(run(stalls=stalls))
        assert not any(message.get("more_body") is False for message in sent)  # never mistaken for a whole one
        assert closed.is_set()
        assert routes._RUNNING.number["key"] == 0


def test_memory_does_not_grow_with_the_publication(db: Database, settings: Settings) -> None:
    """Chunks are read one by one, not ahead of the client."""
    read: list[str] = []

    async def run() -> None:
        await db.start()

        def note(connection: Any, after: str | None, asked: public.ExportOptions) -> public.Chunk:
            read.append("")
            return public.Chunk([b"{}"], "x")

        stream = routes.read_lines(db, public.ExportOptions(Site.from_settings(settings), ()), b"", rest=0.0)
        await anext(stream)
        assert read == []
        for number in range(1, 4):
            await anext(stream)
            assert len(read) == number
        await stream.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "KINDS", {"tag": lambda *args: (read.append(""), public.Chunk([b"{}"], "x"))[1]})
        asyncio.run(run())
