"""The change feed: which changes it lists and which it does not, and its cursors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic_core
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.changes import changes
from app.changes.schemas import ChangesOut
from app.db import Database
from app.db.columns import table_of
from app.events.catalog import TagChanged
from app.events.log import emit, find_settled_position, prune_events
from app.events.tables import Event
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference
from app.web.fields import dump_json
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
EVENT = table_of(Event)
NOBODY = "0199aaaa-0000-7000-8000-00000000000{}"


def read(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    """Return all changes."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = make.ok(client.get(f"/v1/changes?limit=100{cursor}{query}"))
        found += page["data"]
        cursor = f"&cursor={page['page']['next']}"
        if not page["page"]["more"]:
            return found


def said(changes: list[dict[str, Any]], kind: str) -> list[tuple[str, str]]:
    return [(change["op"], change["id"]) for change in changes if change["type"] == kind]


def state_facts(db: Database, number: int) -> None:
    with db.transaction() as session:
        for at in range(number):
            emit(session, TagChanged(subject_id=NOBODY.format(at % 10), slug="t", created=True))


def test_an_article_from_its_publication_to_its_retraction(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor)
    make.act(client, editor, article, "corrections", {"text": "Four."})
    make.act(client, editor, make.patched(client, editor, article, title="B"), "publish")
    assert [(c["op"], c["revision"], c["reason"], c["status"]) for c in read(client)] == [
        ("upsert", 1, None, None),
        ("upsert", 1, None, None),
        ("upsert", 2, None, None),
    ]
    answer = make.act(client, editor, article, "retract", {"reason": "It was wrong."})
    (change,) = read(client)
    assert change | {"position": "", "at": ""} == {
        "position": "",
        "type": "article",
        "op": "withdraw",
        "id": article["id"],
        "of": None,
        "revision": 2,
        "at": "",
        "reason": "It was wrong.",
        "status": 410,
    }
    assert answer["state"] == "retracted"
    other = make.published(client, editor)
    make.act(client, editor, other, "unpublish")
    law = make.published(client, editor)
    make.act(client, editor, law, "retract", {"reason": "An order.", "legal": True})
    assert [(c["reason"], c["status"]) for c in read(client)[1:]] == [("unpublished", 404), ("An order.", 451)]


def test_a_page_has_the_form_of_its_model(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor)
    make.comment(client, article, "Four?")
    make.act(client, editor, article, "retract", {"reason": "It was wrong."})
    for query in ("", "limit=1", "types=comment,article"):
        body = client.get(f"/v1/changes?{query}").content
        assert dump_json(ChangesOut, pydantic_core.from_json(body)) == body, query


@pytest.mark.parametrize("number", [5, 6, 7])
def test_a_full_page_and_its_end(client: TestClient, db: Database, number: int) -> None:
    state_facts(db, number)
    page = make.ok(client.get("/v1/changes?limit=3"))
    second = make.ok(client.get(f"/v1/changes?limit=3&cursor={page['page']['next']}"))
    places = [int(change["position"].partition(".")[2]) for change in page["data"] + second["data"]]
    assert places == sorted(places)
    assert len(places) == min(number, 6)
    assert (page["page"]["more"], second["page"]["more"]) == (True, number > 6)
    assert second["page"]["next"].endswith(second["data"][-1]["position"])


def test_what_is_hidden_now_is_not_told(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    far = {"rights": {"embargoed_until": "2999-01-01T00:00:00Z"}}
    make.draft(client, editor)
    make.published(client, editor, **far)
    shown = make.published(client, editor)
    comment, other = make.comment(client, shown), make.comment(client, shown, "And I do not.")
    make.notice(client, editor, scope="article", target_id=make.draft(client, editor)["id"], placement="both", text="x")
    asked = {"exact": "Once upon", "question": "When?"}
    make.ok(client.post(f"/v1/articles/{shown['id']}/anchors", headers=editor, json=asked), 201)
    changes = read(client, "&types=article,comment,notice,discussion,votes,reactions")
    assert said(changes, "article") == [("upsert", shown["id"])]
    assert said(changes, "comment") == [("upsert", comment["id"]), ("upsert", other["id"])]
    assert said(changes, "notice") == []
    assert said(changes, "discussion") == [("upsert", shown["id"])]
    moderator = make_key("comments:moderate")
    make.ok(client.post(f"/v1/comments/{other['id']}/remove", json={"reason": "So."}, headers=moderator))
    assert said(read(client), "comment") == [("upsert", comment["id"]), ("delete", other["id"])]
    hide = client.put(
        f"/v1/articles/{shown['id']}/discussion", json={"state": "hidden"}, headers={**moderator, "If-Match": "*"}
    )
    make.ok(hide)
    assert said(read(client), "comment") == []
    make.patched(client, editor, shown, **far)
    assert [(c["type"], c["op"], c["reason"]) for c in read(client)] == [("article", "withdraw", "embargoed")]


def test_counts_come_only_if_asked_for(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor)
    comment, guest = make.comment(client, article), make.guest(client)
    make.ok(client.put(f"/v1/comments/{comment['id']}/vote", json={"value": 1}, headers=guest))
    make.ok(client.put(f"/v1/articles/{article['id']}/reaction", json={"value": "agree"}, headers=guest))
    assert {change["type"] for change in read(client)} == {"article", "comment"}
    counts = read(client, "&types=votes,reactions")
    assert [(c["type"], c["id"], c["of"]) for c in counts] == [
        ("votes", comment["id"], {"type": "article", "id": article["id"]}),
        ("reactions", article["id"], None),
    ]


def test_terms_notices_and_pictures(client: TestClient, editor: Headers, db: Database) -> None:
    with db.transaction() as session:
        unseen, seen = (create_reference(session, SYSTEM, f"https://a.example/{n}.jpg") for n in "ab")
    section, tag = make.section(client, editor, "News"), "Fog"
    make.published(client, editor, section="news", tags=[tag], image=seen)
    notice = make.notice(client, editor, scope="section", target_id="news", placement="both", text="Mind.")
    make.notice(client, editor, scope="site", placement="both", text="All.")
    series = make.series(client, editor, "Long")
    make.ok(client.delete(f"/v1/series/{series['id']}", headers={**editor, "If-Match": "*"}), 204)
    changes = read(client)
    assert said(changes, "media") == [("upsert", seen)] != [("upsert", unseen)]
    assert [c["type"] for c in changes] == "media section tag article notice notice series series".split()
    assert said(changes, "series") == [("upsert", series["id"]), ("delete", series["id"])]
    notices = [(c["id"], c["of"]) for c in changes if c["type"] == "notice"]
    assert notices[0] == (notice["id"], {"type": "section", "id": section["id"]})
    assert notices[1][1] == {"type": "site", "id": None}


def test_the_cursor_is_there_when_nothing_is_new(client: TestClient, db: Database) -> None:
    empty = make.ok(client.get("/v1/changes"))
    assert empty["data"] == []
    assert empty["page"]["limit"] == 20
    assert not empty["page"]["more"]
    state_facts(db, 3)
    after = f"/v1/changes?cursor={empty['page']['next']}"
    page = client.get(f"{after}&limit=2")
    found = make.ok(page)
    assert (len(found["data"]), found["page"]["more"]) == (2, True)
    assert f"cursor={found['page']['next']}" in page.headers["link"]
    assert page.headers["cache-control"] == "private, no-store"
    rest = make.ok(client.get(f"/v1/changes?cursor={found['page']['next']}&fields=type,op"))
    assert rest["data"] == [{"type": "tag", "op": "upsert"}]
    again = make.ok(client.get(f"/v1/changes?cursor={rest['page']['next']}"))
    assert (again["data"], again["page"]["next"], again["page"]["more"]) == ([], rest["page"]["next"], False)


def test_a_page_looks_only_so_far(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_EVENTS_READ", 10)
    state_facts(db, 25)
    first = make.ok(client.get("/v1/changes?types=author"))
    assert (first["data"], first["page"]["more"]) == ([], True)
    assert len(read(client)) == 25
    assert read(client, "&types=author") == []


def test_a_page_is_cut_by_size(client: TestClient, editor: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        article = make.published(client, editor)
        make.act(client, editor, article, "retract", {"reason": f"{number}" * 1000})
    assert len(read(client)) == 3
    monkeypatch.setattr(changes, "MAX_PAGE_BYTES", 9000)
    page = make.ok(client.get("/v1/changes?limit=100"))
    assert (len(page["data"]), page["page"]["more"]) == (2, True)
    assert [change["reason"][0] for change in read(client)] == ["0", "1", "2"]


def test_a_cursor_is_good_until_what_comes_next_is_pruned(client: TestClient, db: Database) -> None:
    start = make.ok(client.get("/v1/changes"))["page"]["next"]
    state_facts(db, 4)
    page = make.ok(client.get("/v1/changes?limit=2"))
    cursor, last = page["page"]["next"], make.ok(client.get("/v1/changes"))["page"]["next"]
    long_ago = datetime.now(UTC) - timedelta(days=101)
    second = page["data"][1]["position"].partition(".")[2]
    with db.transaction() as session:
        session.execute(sa.update(EVENT).where(EVENT.c.seq <= int(second)).values(at=long_ago))
        assert prune_events(session, datetime.now(UTC) - timedelta(days=100)) == 2
    assert len(make.ok(client.get(f"/v1/changes?cursor={cursor}"))["data"]) == 2  # it has seen all that is gone
    assert len(make.ok(client.get("/v1/changes"))["data"]) == 2  # from the oldest that is kept
    gone = client.get(f"/v1/changes?cursor={start}")
    assert make.ok(gone, 410)["code"] == "cursor_expired"
    assert gone.headers["link"] == '</v1/export.ndjson>; rel="alternate"'
    assert "/v1/export.ndjson" in gone.json()["detail"]
    with db.transaction() as session:  # somebody who comes every day to a quiet publication misses nothing
        session.execute(sa.update(EVENT).values(at=long_ago))
        assert prune_events(session, datetime.now(UTC) - timedelta(days=100)) == 1
    state_facts(db, 1)
    with db.transaction() as session:
        assert prune_events(session, datetime.now(UTC) - timedelta(days=100)) == 1
    assert len(make.ok(client.get(f"/v1/changes?cursor={last}"))["data"]) == 1


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=1.1", "cursor=", "types=event", "types=", "limit=0", "limit=101"]
)
def test_what_cannot_be_read(client: TestClient, query: str) -> None:
    answer = make.ok(client.get(f"/v1/changes?{query}"), 400)
    assert answer["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_cursor_of_another_log(client: TestClient, db: Database) -> None:
    name = client.app.state.services.vault.log_name()  # type: ignore[attr-defined]
    state_facts(db, 1)
    with db.connect() as connection:
        here = find_settled_position(connection)
    assert make.ok(client.get(f"/v1/changes?cursor={name}.{here}"))["data"] == []
    for cursor in (f"00000000.{here}", f"{name}.{here.xid}.{here.seq + 1}", f"{name}.{here.xid}.{2**63}"):
        assert make.ok(client.get(f"/v1/changes?cursor={cursor}"), 400)["code"] == "invalid_parameter"
