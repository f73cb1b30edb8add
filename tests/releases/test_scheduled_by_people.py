"""A release that a person scheduled is published with what the person may do when its time comes, or not at all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.problems import Unavailable
from app.core.settings import Settings
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.search.indexing import index_article
from app.wiring import timers
from tests import make
from tests.releases.test_releases import ANY, Headers, release

pytestmark = pytest.mark.portable

AT = timedelta(hours=1)


def require_approval(client: TestClient, admin: Headers) -> None:
    make.ok(client.put("/v1/approval", json={"required": True, "four_eyes": False}, headers={**admin, **ANY}))


Change = Callable[[TestClient, Headers, make.Person], Any]
CHANGES: dict[str, tuple[Change, str]] = {
    "nothing": (lambda *_: None, ""),
    "suspended": (
        lambda client, admin, person: make.ok(
            client.patch(f"/v1/people/{person.id}", json={"suspended": True}, headers={**admin, **ANY})
        ),
        "forbidden",
    ),
    "without grants": (
        lambda client, admin, person: make.ok(
            client.put(f"/v1/people/{person.id}/grants", json=[], headers={**admin, **ANY})
        ),
        "forbidden",
    ),
    "approval required": (lambda client, admin, _: require_approval(client, admin), "approval_required"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_person_scheduled_needs_their_rights_at_its_time(
    client: TestClient, db: Database, admin: Headers, change: str
) -> None:
    ada = make.person(client, db, "Ada", desk=None)
    new = make.draft(client, ada.headers, "New")
    old = make.published(client, ada.headers, "Old")
    make.patched(client, ada.headers, old, title="Old, changed")
    url = release(
        client,
        ada.headers,
        {"op": "publish", "article": new["id"]},
        {"op": "publish", "article": old["id"]},
        {"op": "front", "front": "home", "body": {"title": "Home", "blocks": [{"kind": "newest"}]}},
    )
    at = format_rfc3339(now() + AT)
    make.ok(client.put(f"{url}/schedule", json={"at": at}, headers={**ada.headers, **ANY}))
    act, code = CHANGES[change]
    act(client, admin, ada)
    before = client.get("/v1/articles").content
    with time_machine.travel(now() + AT + timedelta(seconds=2), tick=False):
        with db.transaction() as session:
            assert timers(Settings(_env_file=None), index_article)["releases"].run(session) == 1
        shown = make.ok(client.get(url, headers=admin))
        if not code:
            assert (shown["state"], shown["failure"]) == ("published", None)
            assert set(make.titles(client)) == {"New", "Old, changed"}
            return
        assert (shown["state"], shown["failure"]["code"], shown["scheduled_at"]) == ("failed", code, None)
        assert client.get("/v1/articles").content == before
        assert client.get("/v1/fronts/home").status_code == 404
        entries = make.ok(client.get("/v1/audit?action=release.fail", headers=admin))["data"]
        assert [entry["detail"] for entry in entries] == [{"code": code}]
        with db.connect() as connection:
            last = read_after(connection, START, 100)[-1]
        assert (last.type, last.subject_id, last.article_id) == ("release.failed", shown["id"], None)
        assert last.payload == {
            **{name: shown["failure"][name] for name in ("code", "detail", "item")},
            "section_ids": [],
            "by": ada.id,
            "at": at,
        }


@pytest.mark.parametrize("error", [RuntimeError("an error of the program"), Unavailable("The store is busy.")])
def test_a_release_that_breaks_is_tried_again_but_not_for_long(
    client: TestClient, db: Database, editor: Headers, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    url = release(client, editor, {"op": "publish", "article": make.draft(client, editor, "New")["id"]})
    at = now() + AT
    make.ok(client.put(f"{url}/schedule", json={"at": format_rfc3339(at)}, headers={**editor, **ANY}))
    monkeypatch.setattr("app.releases.scheduling.carry_out", fail)
    for minutes, state in ((1, "scheduled"), (10, "scheduled"), (17, "failed")):
        with time_machine.travel(at + timedelta(minutes=minutes), tick=False), db.transaction() as session:
            assert timers(Settings(_env_file=None), index_article)["releases"].run(session) == 1
        shown = make.ok(client.get(url, headers=editor))
        assert shown["state"] == state
    assert shown["failure"]["code"] == "internal_error"
