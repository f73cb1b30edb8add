"""What editors do with passages."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from starlette.testclient import TestClient

from app.anchors.anchors import ANCHOR
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from tests import make
from tests.anchors.conftest import TEXT

pytestmark = pytest.mark.portable

Headers = dict[str, str]
Mark = Callable[..., str]
Publish = Callable[..., None]
ASKED = {"exact": "bakes the bread", "question": "Who buys it?"}


@pytest.fixture
def send(client: TestClient, editor: Headers) -> Callable[..., Response]:
    """`send("PATCH", path, {…})` as an editor who replaces any version."""

    def send(method: str, path: str, body: Any = None, headers: Headers = editor) -> Response:
        return client.request(method, f"/v1/{path}", json=body, headers={"If-Match": "*", **headers})

    return send


Send = Callable[..., Response]


def test_an_editor_asks(client: TestClient, send: Send, article: dict[str, Any], db: Database) -> None:
    answer = send("POST", "articles/ferry/anchors", ASKED)
    made = make.ok(answer, 201)
    assert (made["kind"], made["question"], made["exact"]) == ("prompt", "Who buys it?", "bakes the bread")
    assert answer.headers["location"] == f"/v1/anchors/{made['id']}"
    assert make.ok(client.get("/v1/articles/ferry/anchors"))["data"] == [made]
    with db.connect() as connection:
        fact = read_after(connection, START, 1000)[-1]
    assert (fact.type, fact.subject_id, fact.payload) == ("anchor.changed", made["id"], {"article_id": article["id"]})


def test_asking_twice(send: Send, mark: Mark) -> None:
    marked = mark("bakes the bread")
    made = make.ok(send("POST", "articles/ferry/anchors", ASKED), 201)
    assert (made["id"], made["comments"]) == (marked, 1)
    assert make.ok(send("POST", "articles/ferry/anchors", ASKED), 201) == made
    refused = send("POST", "articles/ferry/anchors", {**ASKED, "question": "Why?"})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_asked")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"exact": "bakes the cake", "question": "Who?"}, "quote_not_found", "/exact"),
        ({"exact": "bakes", "revision": 9, "question": "Who?"}, "quote_not_found", "/exact"),
        ({"exact": "bakes"}, "invalid_body", "/question"),
        ({"exact": "bakes", "question": " "}, "invalid_body", "/question"),
        ({"exact": "bakes", "question": "Who?", "start": 1}, "invalid_body", ""),
    ],
)
def test_what_does_not_fit(body: dict[str, Any], code: str, pointer: str, send: Send, article: dict[str, Any]) -> None:
    refused = send("POST", "articles/ferry/anchors", body)
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["errors"][0]["pointer"]) == (code, pointer)


def test_a_draft_has_no_anchors(client: TestClient, editor: Headers, send: Send) -> None:
    make.draft(client, editor, "Draft")
    refused = send("POST", "articles/draft/anchors", {"exact": "Once", "question": "When?"})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")


def test_who_may(client: TestClient, make_key: Callable[..., Headers], editor: Headers, send: Send, mark: Mark) -> None:
    news = make.section(client, editor, "News")["id"]
    anchor_id = mark("The ferry")
    calls = [("POST", "articles/ferry/anchors", ASKED), ("PATCH", f"anchors/{anchor_id}", {"question": "Where to?"})]
    calls += [("POST", f"anchors/{anchor_id}/{verb}", None) for verb in ("detach", "redact")]
    for method, path, body in calls:
        assert client.request(method, f"/v1/{path}", json=body, headers={"If-Match": "*"}).status_code == 401
        assert send(method, path, body, make_key("comments:moderate")).status_code == 403
        assert send(method, path, body, make_key("content:write", sections=[news])).status_code == 403


def test_versions_are_compared(client: TestClient, editor: Headers, mark: Mark) -> None:
    path = f"/v1/anchors/{mark('The ferry')}"
    tag = client.get(path).headers["etag"]
    assert client.patch(path, json={"question": "Where to?"}, headers=editor).status_code == 428
    changed = client.patch(path, json={"question": "Where to?"}, headers={**editor, "If-Match": tag})
    assert (changed.json()["kind"], changed.json()["question"]) == ("prompt", "Where to?")
    assert client.patch(path, json={"question": "Why?"}, headers={**editor, "If-Match": tag}).status_code == 412
    again = client.patch(path, json={"question": None}, headers={**editor, "If-Match": changed.headers["etag"]})
    assert (again.json()["kind"], again.json()["question"]) == ("passage", None)
    assert client.post("/v1/anchors/x/detach", headers={**editor, "If-Match": "*"}).status_code == 404


def test_an_editor_puts_a_lost_anchor_where_it_belongs(
    client: TestClient, send: Send, mark: Mark, publish: Publish
) -> None:
    anchor_id = mark("bakes the bread")
    publish(TEXT[0], "All that they eat is of his making.")
    assert make.ok(client.get(f"/v1/anchors/{anchor_id}"))["state"] == "orphaned"
    wrong = send("PATCH", f"anchors/{anchor_id}", {"place": {"exact": "bakes"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/place/exact")
    stale = send("PATCH", f"anchors/{anchor_id}", {"place": {"exact": "The ferry", "revision": 1}})
    assert (stale.status_code, stale.json()["errors"][0]["pointer"]) == (422, "/place/revision")
    put = make.ok(send("PATCH", f"anchors/{anchor_id}", {"place": {"exact": "of his making"}}))
    assert (put["state"], put["exact"], put["revision"]) == ("anchored", "bakes the bread", 2)
    publish("Before.", TEXT[0], "All that they eat is of his making.")
    moved = make.ok(client.get(f"/v1/anchors/{anchor_id}"))
    assert (moved["start"], moved["end"]) == (put["start"] + 9, put["end"] + 9)


def test_a_detached_anchor_stays_off_until_it_is_put_back(
    client: TestClient, send: Send, mark: Mark, publish: Publish
) -> None:
    anchor_id = mark("bakes the bread")
    off = make.ok(send("POST", f"anchors/{anchor_id}/detach"))
    assert (off["state"], off["start"], off["comments"], off["exact"]) == ("detached", None, 1, "bakes the bread")
    assert make.ok(send("POST", f"anchors/{anchor_id}/detach")) == off
    publish("Before.", *TEXT)
    assert make.ok(client.get(f"/v1/anchors/{anchor_id}"))["state"] == "detached"
    put = make.ok(send("PATCH", f"anchors/{anchor_id}", {"place": {"exact": "bakes the bread"}}))
    assert (put["state"], put["revision"]) == ("anchored", 2)


def test_redacted_words_are_gone_for_good(
    client: TestClient, send: Send, mark: Mark, publish: Publish, db: Database
) -> None:
    anchor_id = mark("Her brother bakes")
    gone = make.ok(send("POST", f"anchors/{anchor_id}/redact"))
    assert (gone["exact"], gone["prefix"], gone["suffix"], gone["redacted"]) == (None, None, None, True)
    assert (gone["state"], gone["comments"]) == ("anchored", 1)
    assert (gone["start"], gone["end"]) == (45, 45 + len(TEXT[1]))
    with db.connect() as connection:
        tables = [table for table in ANCHOR.metadata.sorted_tables if table.name.startswith("anchor")]
        assert len(tables) == 2
        assert "brother" not in str([connection.execute(sa.select(table)).all() for table in tables])
    assert mark("Her brother bakes", comments=0) == anchor_id
    publish("Before.", TEXT[0], TEXT[1].replace("Her brother", "Someone"))
    follows = make.ok(client.get(f"/v1/anchors/{anchor_id}"))
    assert (follows["state"], follows["start"]) == ("anchored", 45 + len("Before.") + 2)
    refused = send("PATCH", f"anchors/{anchor_id}", {"place": {"exact": "Someone bakes"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    publish(TEXT[0], "Her brother bakes no more; the oven was sold to a museum inland.")
    assert make.ok(client.get(f"/v1/anchors/{anchor_id}"))["state"] == "orphaned"


def test_redacted_words_do_not_come_back_from_an_earlier_text(
    client: TestClient, send: Send, mark: Mark, publish: Publish
) -> None:
    anchor_id = mark("Her brother bakes the bread that")
    publish(TEXT[0], TEXT[1].replace("Her brother", "Her father"))
    make.ok(send("POST", f"anchors/{anchor_id}/redact"))
    with pytest.raises(Exception, match="changed since") as refused:
        mark("Her brother bakes the bread", revision=1)
    assert getattr(refused.value, "code", "") == "stale_revision"
