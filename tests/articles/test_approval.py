"""Approval: what of a text may become public, who may approve it, and what lists and histories tell."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.core.clock import format_rfc3339
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.search.indexing import index_article
from tests.make import act, bearer, draft, explain, ok, patched, person, published, section

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STRICT = {"required": True, "four_eyes": True}


@pytest.fixture
def reporter(make_key: Callable[..., Headers]) -> Headers:
    return make_key("content:write", "content:publish")


@pytest.fixture
def approver(make_key: Callable[..., Headers]) -> Headers:
    return make_key("content:write", "content:approve", "content:publish")


@pytest.fixture
def strict(client: TestClient, admin: Headers) -> str:
    """A section that requires approval by somebody else; returns its slug."""
    slug: str = section(client, admin, "Politics")["slug"]
    require(client, admin, slug)
    return slug


def require(client: TestClient, admin: Headers, slug: str | None, **rule: Any) -> Any:
    place = f"/v1/sections/{slug}/approval" if slug else "/v1/approval"
    return ok(client.put(place, json=rule or STRICT, headers={**admin, **ANY}))


def refused(
    client: TestClient, headers: Headers, article: Any, verb: str, body: Any = None, *, method: str = "POST"
) -> Any:
    """What 409 `approval_required` answers to a verb, or to a PATCH without one."""
    url = f"/v1/articles/{article['id']}" + (f"/{verb}" if verb else "")
    answer = client.request(method, url, json=body, headers={**headers, **ANY}).json()
    assert (answer["status"], answer["code"]) == (409, "approval_required"), answer
    return answer


def advance(db: Database) -> None:
    with db.transaction() as session:
        advance_due_articles(session, index_article)


def sees(client: TestClient, article: Any) -> str | None:
    """The title that readers see."""
    answer = client.get(f"/v1/articles/{article['id']}")
    return answer.json()["title"] if answer.status_code == 200 else None


def test_only_the_approved_revision_becomes_public(
    client: TestClient, strict: str, reporter: Headers, approver: Headers
) -> None:
    article = draft(client, reporter, "One", section=strict)
    assert refused(client, reporter, article, "publish")["revision"] == 1
    waiting = act(client, reporter, article, "submit", {"note": "Please read."})
    assert waiting["editing"]["approval"] | {"at": None} == {
        "state": "submitted",
        "revision": 1,
        "at": None,
        "by": "test key",
    }
    answer = client.post(f"/v1/articles/{article['id']}/approve", json={"revision": 1}, headers={**reporter, **ANY})
    assert answer.status_code == 403  # lacks the scope
    act(client, approver, article, "approve", {"revision": 1})
    edited = patched(client, reporter, article, title="Two")
    assert edited["editing"]["approval"]["state"] == "none"
    assert refused(client, reporter, article, "publish")["revision"] == 2
    assert act(client, reporter, article, "publish", {"revision": 1})["state"] == "published"
    assert sees(client, article) == "One"
    refused(client, reporter, article, "publish")
    act(client, approver, article, "return", {"revision": 1, "note": "No."})
    assert sees(client, article) == "One"  # what readers see stays
    patched(client, reporter, article, slug="another", featured=True)  # facts need content:publish alone
    act(client, reporter, article, "corrections", {"text": "It was four."})
    act(client, reporter, article, "unpublish")
    refused(client, reporter, article, "publish", {"revision": 1})
    steps = ok(client.get(f"/v1/articles/{article['id']}/approval", headers=approver))["data"]
    assert [(step["action"], step["revision"], step["own"], step["note"]) for step in steps] == [
        ("returned", 1, False, "No."),
        ("approved", 1, False, None),
        ("submitted", 1, False, "Please read."),
    ]
    assert client.get(f"/v1/articles/{article['id']}/approval").status_code == 401


def test_nobody_approves_a_text_of_their_own(
    client: TestClient, strict: str, reporter: Headers, approver: Headers, make_key: Callable[..., Headers]
) -> None:
    other = make_key("content:write", "content:approve")
    article = draft(client, approver, "Own", section=strict)
    patched(client, reporter, article, title="Edited by another")
    url = f"/v1/articles/{article['id']}/approve"
    answer = client.post(url, json={"revision": 2}, headers={**approver, **ANY})
    assert (answer.status_code, answer.json()["code"]) == (403, "four_eyes")
    act(client, other, article, "approve", {"revision": 2})
    patched(client, reporter, article, dek="Since then by others alone")
    act(client, approver, article, "approve", {"revision": 3})
    patched(client, approver, article, dek="Mine")
    patched(client, reporter, article, dek="Not mine")
    act(client, other, article, "approve", {"revision": 5})
    restored = {**reporter, **ANY}
    ok(client.post(f"/v1/articles/{article['id']}/revisions/4/restore", headers=restored))
    answer = client.post(url, json={"revision": 6}, headers={**approver, **ANY})
    assert answer.json()["code"] == "four_eyes"  # restored by another, but written by the approver


def test_rules_are_inherited_and_judge_earlier_approvals(
    client: TestClient, admin: Headers, reporter: Headers, approver: Headers
) -> None:
    for name, parent in (("World", None), ("Asia", "world"), ("Sport", None)):
        section(client, admin, name, parent=parent)
    own = draft(client, approver, "Own", section="asia")
    act(client, approver, own, "approve", {"revision": 1})  # not required: recorded all the same
    require(client, admin, "world", required=True)
    act(client, reporter, own, "publish")
    act(client, reporter, own, "unpublish")
    require(client, admin, "world", **STRICT)
    refused(client, reporter, own, "publish")  # an approval by its writer does not satisfy the stricter rule
    assert ok(client.get("/v1/sections/asia/approval", headers=approver))["effective"]["required"]
    require(client, admin, "asia", required=False)
    act(client, reporter, own, "publish")
    wrong = client.put("/v1/approval", json={"required": True, "roles": ["nobody"]}, headers={**admin, **ANY})
    assert wrong.json()["errors"][0]["pointer"] == "/roles"
    require(client, admin, None, required=True, roles=["desk"])
    nobody = draft(client, reporter, "Of no section")
    url = f"/v1/articles/{nobody['id']}/approve"
    assert client.post(url, json={"revision": 1}, headers={**approver, **ANY}).status_code == 403  # has no role
    refused(client, reporter, nobody, "publish")
    require(client, admin, "asia", required=None)
    answer = ok(client.get("/v1/sections/asia/approval", headers=approver))
    assert answer["own"] == {"required": None, "roles": None, "four_eyes": False}
    assert answer["effective"] == {"required": True, "roles": None, "four_eyes": True}
    stale = client.put("/v1/approval", json={}, headers={**admin, "If-Match": '"v0"'})
    assert stale.status_code == 412
    ok(client.delete("/v1/sections/sport", headers={**admin, **ANY}), 204)


def test_a_live_article_does_not_leave_its_section_without_approval(
    client: TestClient, admin: Headers, strict: str, reporter: Headers, approver: Headers
) -> None:
    section(client, admin, "Sport")
    article = draft(client, reporter, "One", section=strict)
    act(client, approver, article, "approve", {"revision": 1})
    act(client, reporter, article, "publish")
    patched(client, reporter, article, title="Two", section="sport")
    refused(client, reporter, article, "publish")
    answer = client.post(
        "/v1/articles/bulk",
        json={"operations": [{"op": "publish", "article": article["id"], "if_match": "*"}]},
        headers=reporter,
    )
    assert answer.json()["data"][0]["code"] == "approval_required"
    act(client, approver, article, "approve", {"revision": 2})
    act(client, reporter, article, "publish")
    assert sees(client, article) == "Two"


@pytest.mark.parametrize("why", ["returned", "required meanwhile", "embargo"])
def test_the_worker_publishes_nothing_that_is_not_approved(
    client: TestClient, db: Database, admin: Headers, reporter: Headers, approver: Headers, why: str
) -> None:
    slug = section(client, admin, "Politics")["slug"]
    if why == "returned":
        require(client, admin, slug)
    with time_machine.travel(BEGIN, tick=False) as clock:
        article = draft(client, reporter, "Early", section=slug)
        url, at = f"/v1/articles/{article['id']}/schedule", {"at": format_rfc3339(BEGIN + HOUR)}
        if why == "returned":
            refused(client, reporter, article, "schedule", at, method="PUT")
            act(client, approver, article, "approve", {"revision": 1})
        if why == "embargo":
            patched(client, reporter, article, rights={"embargoed_until": at["at"]})
            act(client, reporter, article, "publish")
        else:
            ok(client.put(url, json=at, headers={**reporter, **ANY}))
        if why == "returned":
            act(client, approver, article, "return", {"note": "Who says so?"})
        else:
            require(client, admin, slug)
        clock.move_to(BEGIN + HOUR)
        if why == "embargo":
            refused(client, reporter, article, "", {"rights": {"embargoed_until": None}}, method="PATCH")
        advance(db)
        assert sees(client, article) is None
        found = ok(client.get(f"/v1/articles/{article['id']}", headers=approver))
        assert found["state"] == ("unpublished" if why == "embargo" else "draft")
        assert found["editing"]["approval"]["state"] == "returned"
        assert found["editing"]["approval"]["by"] == "system"
        logged = ok(client.get("/v1/audit?action=article.hold", headers=admin))["data"]
        assert [(entry["subject_id"], entry["detail"]["revision"]) for entry in logged] == [(article["id"], 1)]
        act(client, approver, article, "approve", {"revision": 1})
        act(client, reporter, article, "publish")


def test_editors_list_articles_by_their_approval(
    client: TestClient, db: Database, strict: str, reporter: Headers, approver: Headers
) -> None:
    waiting, back, done = (draft(client, reporter, title, section=strict) for title in ("A", "B", "C"))
    draft(client, reporter, "D")
    act(client, reporter, waiting, "submit")
    act(client, approver, back, "return", {"note": "No."})
    act(client, approver, done, "approve", {"revision": 1})

    def titles(state: str) -> list[str]:
        rows = ok(client.get(f"/v1/articles?approval={state}&sort=edited_at", headers=approver))["data"]
        return [row["title"] for row in rows]

    assert [titles(state) for state in ("submitted", "returned", "approved", "none")] == [["A"], ["B"], ["C"], ["D"]]
    assert client.get("/v1/articles?approval=submitted").status_code == 401
    assert "ix_article_approval" in explain(
        db, "SELECT id FROM article WHERE approval = 'submitted' ORDER BY edited_at, id LIMIT 20"
    )


def test_a_published_article_stays_as_it_is(client: TestClient, admin: Headers, reporter: Headers, strict: str) -> None:
    require(client, admin, strict, required=False)
    article = published(client, reporter, "One", section=strict)
    require(client, admin, strict)
    patched(client, reporter, article, title="Two", rights={"usage_terms": "None."})
    assert sees(client, article) == "One"
    refused(client, reporter, article, "publish")


def test_a_person_is_one_pair_of_eyes_with_all_their_keys(
    client: TestClient, db: Database, admin: Headers, strict: str
) -> None:
    ann, bo = (person(client, db, name, editor=None) for name in ("Ann", "Bo"))
    chief, reporter = person(client, db, "Chief", desk=[strict]), person(client, db, "Rita", reporter=[strict])
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "Ann's", ["content:write", "content:approve"], person_id=ann.id)[1]
    article = draft(client, ann.headers, "By Ann", section=strict)
    url = f"/v1/articles/{article['id']}/approve"
    for headers, code in ((ann.headers, "four_eyes"), (bearer(key), "four_eyes"), (reporter.headers, "forbidden")):
        answer = client.post(url, json={"revision": 1}, headers={**headers, **ANY})
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    require(client, admin, strict, required=True, four_eyes=True, roles=["desk"])
    assert client.post(url, json={"revision": 1}, headers={**bo.headers, **ANY}).status_code == 403
    refused(client, bo.headers, article, "publish")
    approved = act(client, chief.headers, article, "approve", {"revision": 1})
    assert approved["editing"]["approval"]["by"] == "Chief"
    act(client, bo.headers, article, "publish")
    steps = ok(client.get(f"/v1/articles/{article['id']}/approval", headers=chief.headers))["data"]
    assert [(step["actor_id"], step["roles"]) for step in steps] == [(chief.id, ["desk"])]
