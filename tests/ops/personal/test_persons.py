"""Export and erasure by e-mail address, for who answers the requests of persons."""

import asyncio
import json
import mailbox
import re
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.comments.reading import C
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.net.smtp import MaildirMailer
from app.people.sessions import SESSION_CACHE_SECONDS
from tests.make import Headers, Person, ok, patched, person, said, sign_in
from tests.moderation.stock import comment, participant, stored
from tests.ops.personal.test_personal_data import EMAIL, NAMED, dump

pytestmark = pytest.mark.portable

Article = dict[str, Any]


def test_what_bears_an_address_is_exported_and_erased(
    client: TestClient, db: Database, article: Article, admin: Headers, reader: Callable[..., Headers]
) -> None:
    me = reader("ann", name="Zqxreader", email=EMAIL, email_verified=True)
    said(client, article, "Zqxread.", me)
    guest = said(client, article, "Zqxtyped.", author=NAMED)
    imported = participant(db, name="Zqximported", email=EMAIL)
    comment(db, article, "Zqxold.", state="published", participant_id=imported, email=EMAIL, author_name="Zqxold")
    of_others = comment(db, article, "Of Cy.", state="published")
    answer = client.post("/v1/persons/export", json={"email": "ZqxMail@Site.example"}, headers=admin)
    assert answer.headers["cache-control"] == "private, no-store"
    assert ok(answer) == ok(client.get("/v1/me/data", headers=me))
    assert {row["source"] for row in answer.json()["comments"]} == {"Zqxread.", "Zqxtyped.", "Zqxold."}

    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        ok(client.post("/v1/persons/erase", json={"email": EMAIL}, headers=admin | key), 204)
    assert "zqx" not in dump(db).lower()
    assert stored(db, C, id=of_others)[0]["state"] == "published"
    assert stored(db, C, id=guest["id"])[0]["state"] == "removed"
    assert ok(client.post("/v1/persons/export", json={"email": EMAIL}, headers=admin))["comments"] == []
    ok(client.post("/v1/persons/erase", json={"email": EMAIL}, headers=admin), 204)  # nothing is left
    rows = ok(client.get("/v1/audit?subject_kind=person", headers=admin))["data"]
    assert [row["action"] for row in rows[::-1]] == ["person.export", "person.erase"] * 2
    assert len({row["detail"]["person"] for row in rows}) == 1
    assert {row["subject_id"] for row in rows} == {None}


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_only_administrators_name_whom_they_mean(
    client: TestClient, admin: Headers, editor: Headers, make_key: Callable[..., Headers], verb: str
) -> None:
    url, body = f"/v1/persons/{verb}", {"email": EMAIL}
    assert client.post(url, json=body).status_code == 401
    assert client.post(url, json=body, headers=editor).status_code == 403
    assert client.post(url, json=body, headers=make_key("subscribers:manage", "comments:moderate")).status_code == 403
    answer = client.post(url, json={"email": "Nobody at all"}, headers=admin)
    assert answer.status_code == 422
    assert "Nobody" not in answer.text


def test_mails_that_were_stored_for_an_erased_person_are_deleted(
    client: TestClient, settings: Settings, admin: Headers, reader: Callable[..., Headers]
) -> None:
    """Those that were written into the data folder, as there is no SMTP server; what was sent to others is theirs."""
    folder = settings.data_dir / "mail"
    own, others = (
        ["Zqx <zqxmail@Site.example>", "zqxmail@site.example", "zqxjürgen@bücher.example"],
        ["bo@site.example"],
    )
    for to in (*own, *others):
        mail = EmailMessage()
        mail["To"] = to
        asyncio.run(MaildirMailer(folder).send(mail, to.rpartition("<")[2].rstrip(">")))
    ok(client.post("/v1/persons/erase", json={"email": "ZqxJürgen@xn--bcher-kva.example"}, headers=admin), 204)
    assert len(mailbox.Maildir(folder)) == 3
    me = reader("ann", name="Ann", email=EMAIL, email_verified=True)
    ok(client.delete("/v1/me/data", headers=me), 204)
    assert [mail["To"] for mail in mailbox.Maildir(folder)] == ["bo@site.example"]


@pytest.fixture
def staff(client: TestClient, db: Database, admin: Headers, article: Article) -> Person:
    """Somebody of the staff who has done something of everything, with the canary in each name."""
    zqx = person(client, db, "Zqxname", desk=None)
    body = {"name": "Zqxname's phone", "scopes": ["content:write"], "person_id": zqx.id}
    key = {"Authorization": f"Bearer {ok(client.post('/v1/keys', json=body, headers=admin), 201)['key']}"}
    url, with_etag = f"/v1/articles/{article['id']}", {**zqx.headers, "If-Match": "*"}
    for headers in (zqx.headers, key):
        patched(client, headers, article, title="Another title")
        patched(client, headers, article, title="A third title")
    ok(client.post(f"{url}/submit", json={}, headers=with_etag))
    ok(client.post(f"{url}/corrections", json={"text": "It was four."}, headers=with_etag))
    ok(client.patch(f"{url}/corrections/1", json={"text": "It was five."}, headers=with_etag))
    note = ok(client.post(f"{url}/notes", json={"text": "Who says so?"}, headers=zqx.headers), 201)
    ok(client.patch(f"/v1/notes/{note['id']}", json={"done": True}, headers=with_etag))
    ok(client.post("/v1/tasks", json={"title": "Call", "assignee": "me"}, headers=zqx.headers), 201)
    ok(client.put(f"{url}/lock", headers=zqx.headers))
    release = ok(client.post("/v1/releases", json={"name": "Sunday"}, headers=zqx.headers), 201)
    assert release["actor_name"] == "Zqxname"
    ok(client.post("/v1/tags", json={"name": "Old"}, headers=admin), 201)
    ok(client.post("/v1/tags/old/merge", json={"into": None}, headers=with_etag), 202)
    said(client, article, "The desk says so.", zqx.headers)
    ok(client.post(f"/v1/people/{zqx.id}/invitations", json={}, headers={**admin, "Idempotency-Key": "invite"}), 201)
    return zqx


def test_staff_are_exported_and_erased(
    client: TestClient, db: Database, admin: Headers, editor: Headers, article: Article, staff: Person
) -> None:
    asked = {"email": staff.email}
    found = ok(client.post("/v1/persons/export", json=asked, headers=admin))
    assert found == ok(client.post("/v1/persons/export", json={"person_id": staff.id}, headers=admin))
    told = found["staff"]
    assert (told["name"], told["email"], told["grants"][0]["role"]) == ("Zqxname", staff.email, "desk")
    lists = "sessions invitations keys actions revisions approvals notes tasks".split()
    assert [name for name in lists if not told[name]] == []
    assert [row["text"] for row in found["comments"]] == ["The desk says so."]
    secrets = {"hash", "secret", "password", "recovery", "public_key", "credential_id"}
    assert not [name for name in re.findall(r'"(\w+)":', json.dumps(told)) if any(word in name for word in secrets)]
    with db.connect() as connection:
        hashes = connection.execute(sa.text("SELECT access_hash, refresh_hash FROM person_session")).all()
    assert not any(value in json.dumps(found) for row in hashes for value in row)

    ok(client.post("/v1/persons/erase", json=asked, headers=admin), 204)
    left = [line for line in dump(db).lower().splitlines() if "zqx" in line]
    assert left == []
    time.sleep(SESSION_CACHE_SECONDS)
    assert client.get("/v1/whoami", headers=staff.headers).status_code == 401
    revisions = ok(client.get(f"/v1/articles/{article['id']}/revisions", headers=editor))["data"]
    assert {(row["actor_name"], row["person_id"]) for row in revisions if row["person_id"]} == {
        ("Erased person", staff.id)
    }
    actions = ok(client.get(f"/v1/audit?person={staff.id}&limit=100", headers=admin))["data"]
    assert {row["actor_name"] for row in actions} == {"Erased person"}
    assert "session.start" in {row["action"] for row in actions}
    (note,) = ok(client.get(f"/v1/articles/{article['id']}/notes", headers=editor))["data"]
    assert (note["text"], note["by"], note["done_by"]) == ("Who says so?", "Erased person", "Erased person")
    assert ok(client.post("/v1/persons/export", json=asked, headers=admin))["staff"] is None
    again = ok(client.post("/v1/persons/export", json={"person_id": staff.id}, headers=admin))
    assert (again["staff"]["name"], again["comments"]) == ("Erased person", [])


def test_the_name_of_a_deleted_person_is_erased(
    client: TestClient, db: Database, admin: Headers, staff: Person
) -> None:
    ok(client.delete(f"/v1/people/{staff.id}", headers=admin), 204)
    assert "zqxname" in dump(db).lower()
    ok(client.post("/v1/persons/erase", json={"person_id": staff.id}, headers=admin), 204)
    assert "zqx" not in dump(db).lower()
    for sent in ({}, {"email": EMAIL, "person_id": staff.id}, {"person_id": "x"}):
        assert client.post("/v1/persons/erase", json=sent, headers=admin).status_code == 422
    for verb in ("export", "erase"):
        sent = {"person_id": new_id()}
        assert client.post(f"/v1/persons/{verb}", json=sent, headers=admin).status_code == 404


def test_the_only_administrator_is_not_erased(client: TestClient, db: Database, admin: Headers) -> None:
    ada = person(client, db, "Ada", admin=None)
    answer = client.post("/v1/persons/erase", json={"email": ada.email}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert ok(client.get(f"/v1/people/{ada.id}", headers=admin))["email"] == ada.email


def test_a_namesake_keeps_the_name_and_former_names_are_erased(
    client: TestClient, db: Database, admin: Headers, editor: Headers, article: Article
) -> None:
    one, other = (person(client, db, name, desk=None) for name in ("Sam Lee", "Other"))
    ok(client.patch(f"/v1/people/{other.id}", json={"name": "Sam Lee"}, headers=admin))
    other = sign_in(client, db, other)
    url, with_etag = f"/v1/articles/{article['id']}", {"If-Match": "*"}
    body = {"name": "Sam's phone", "scopes": ["content:write"], "person_id": one.id}
    phone = {"Authorization": f"Bearer {ok(client.post('/v1/keys', json=body, headers=admin), 201)['key']}"}
    done: dict[str, str] = {}
    for who, headers in (("one", one.headers), ("other", other.headers), ("phone", phone)):
        note = ok(client.post(f"{url}/notes", json={"text": who}, headers=editor), 201)
        task = ok(client.post("/v1/tasks", json={"title": who}, headers=editor), 201)
        for kind, made in (("notes", note), ("tasks", task)):
            path = f"/v1/{kind}/{made['id']}"
            if (who, kind) != ("phone", "tasks"):  # keys write tasks of no article nowhere
                done[path] = ok(client.patch(path, json={"done": True}, headers={**headers, **with_etag}))["done_by"]
    for headers in (one.headers, other.headers):
        ok(client.post(f"{url}/submit", json={}, headers={**headers, **with_etag}))
    told = ok(client.post("/v1/persons/export", json={"person_id": other.id}, headers=admin))["staff"]
    assert ([row["text"] for row in told["notes"]], [row["title"] for row in told["tasks"]]) == (["other"], ["other"])
    ok(client.patch(f"/v1/people/{one.id}", json={"name": "Sam Former"}, headers=admin))
    ok(client.post("/v1/persons/erase", json={"person_id": one.id}, headers=admin), 204)

    def look() -> list[str]:
        notes = ok(client.get(f"{url}/notes", headers=editor))["data"]
        tasks = ok(client.get("/v1/tasks", headers=editor))["data"]
        assert {row["done_by"] for row in tasks if row["title"] == "one"} <= {"Erased person"}
        return [row["done_by"] for row in notes]

    assert look() == ["Erased person", "Sam Lee", "Erased person"]
    shown = ok(client.get(url, headers=editor))["editing"]["approval"]
    assert shown["by"] == "Sam Lee", "the last step is the namesake's"
    ok(client.post("/v1/persons/erase", json={"person_id": other.id}, headers=admin), 204)
    assert look() == ["Erased person"] * 3
    assert "Sam Lee" not in dump(db)
    assert "Sam Former" not in dump(db)
