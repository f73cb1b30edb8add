"""Mails to the staff: approval, notes and tasks, to whom they concern; and invitations, which work once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.db import Database
from tests import make
from tests.mail.post import Mailbox, links, text_of, work
from tests.make import Headers, Person, ok

pytestmark = pytest.mark.portable

ANY = {"If-Match": "*"}
TITLE = "<Rivers> & bridges"
CANARY = "Canary"


@pytest.fixture
def staff(client: TestClient, db: Database, admin: Headers) -> dict[str, Person]:
    """People of a section that requires four eyes, of another one, and an administrator."""
    make.section(client, admin, "Sport")
    make.section(client, admin, "Politics")
    rule = {"required": True, "four_eyes": True}
    ok(client.put("/v1/approval", json=rule, headers={**admin, **ANY}))
    return {
        "rita": make.person(client, db, "Rita", reporter=["sport"]),
        "edna": make.person(client, db, "Edna", editor=["sport"]),
        "ed": make.person(client, db, "Ed", editor=["sport"]),
        "paula": make.person(client, db, "Paula", editor=["politics"]),
        "adam": make.person(client, db, "Adam", admin=None),
    }


def told(mailbox: Mailbox) -> list[tuple[str, str]]:
    """Take the mails out of the box: to whom, and the subject, in order."""
    mails, mailbox.mails = mailbox.mails, []
    for mail in mails:
        for kind in ("plain", "html"):
            assert CANARY not in text_of(mail, kind)
    return sorted((mail["To"].addresses[0].username, str(mail["Subject"])) for mail in mails)


def test_texts_notes_and_tasks_are_told_to_whom_they_concern(
    client: TestClient, mailbox: Mailbox, staff: dict[str, Person], admin: Headers
) -> None:
    rita, edna, ed = (staff[name].headers for name in ("rita", "edna", "ed"))
    body = {"html": f"<p>{CANARY}</p>"}
    article = make.draft(client, rita, TITLE, section="sport", body=body)
    make.patched(client, ed, article, body={"html": f"<p>{CANARY}, too</p>"})
    url = f"/v1/articles/{article['id']}"

    def step(headers: Headers, verb: str, **sent: Any) -> list[tuple[str, str]]:
        ok(client.post(f"{url}/{verb}", json=sent, headers={**headers, **ANY}))
        work(client)
        return told(mailbox)

    waits = f"Waits for approval: {TITLE}"
    assert step(rita, "submit", note=CANARY) == [("edna", waits)], "Ed wrote a part of it, Paula reads other drafts"
    assert step(edna, "return", note=CANARY) == [("ed", f"Returned: {TITLE}"), ("rita", f"Returned: {TITLE}")]
    ok(client.patch("/v1/people/me", json={"mails": False}, headers=ed))
    ok(client.post(f"{url}/approve", json={"revision": 2}, headers={**edna, **ANY}))
    make.patched(client, rita, article, dek="Written on, which takes no approval away")
    work(client)
    assert told(mailbox) == [("rita", f"Approved: {TITLE}")]

    note = ok(client.post(f"{url}/notes", json={"text": CANARY, "assignee": staff["rita"].id}, headers=edna), 201)
    ok(client.post(f"{url}/notes", json={"text": CANARY, "assignee": "me"}, headers=edna), 201)
    sent = {"title": "Call <the> mayor", "assignee": staff["paula"].id}
    ok(client.post("/v1/tasks", json=sent, headers=edna), 201)
    ok(client.post("/v1/tasks", json={**sent, "article": article["id"]}, headers=edna), 201)  # she may not read it
    due = {"title": "Check", "assignee": "me", "due_at": "2020-01-01T00:00:00Z"}
    ok(client.post("/v1/tasks", json=due, headers=rita), 201)
    work(client)
    mails = list(mailbox.mails)
    assert told(mailbox) == [
        ("paula", "A task for you: Call <the> mayor"),
        ("rita", f"A note for you: {TITLE}"),
        ("rita", "Due: Check"),
    ]
    for mail in mails:
        assert "<the>" not in text_of(mail, "html")
        assert "<Rivers>" not in text_of(mail, "html")
        assert mail["List-Unsubscribe"] is None
    (noted,) = [mail for mail in mails if "note" in str(mail["Subject"])]
    assert f"https://site.example/desk/#/article/{article['id']}" in links(noted)

    ok(client.patch(f"/v1/notes/{note['id']}", json={"assignee": None}, headers={**edna, **ANY}))
    ok(client.patch(f"/v1/notes/{note['id']}", json={"assignee": staff["rita"].id}, headers={**edna, **ANY}))
    grants = [{"role": "reporter", "sections": ["politics"]}]
    ok(client.put(f"/v1/people/{staff['rita'].id}/grants", json=grants, headers=admin))
    work(client)
    assert told(mailbox) == [], "what she may no longer read when it is sent"


def test_administrators_are_asked_where_nobody_else_can_approve(
    client: TestClient, mailbox: Mailbox, staff: dict[str, Person], editor: Headers
) -> None:
    article = make.draft(client, editor, "Elsewhere")
    ok(client.post(f"/v1/articles/{article['id']}/submit", headers={**editor, **ANY}))
    work(client)
    assert told(mailbox) == [("adam", "Waits for approval: Elsewhere")]


def test_who_approves_a_move_may_approve_in_both_sections(
    client: TestClient, db: Database, mailbox: Mailbox, staff: dict[str, Person], admin: Headers, editor: Headers
) -> None:
    ok(client.put("/v1/approval", json={"required": False}, headers={**admin, **ANY}))
    article = make.published(client, editor, "Moving", section="sport")
    make.patched(client, editor, article, section="politics")
    for expected in ("adam", "both"):
        ok(client.post(f"/v1/articles/{article['id']}/submit", headers={**editor, **ANY}))
        work(client)
        assert [name for name, _ in told(mailbox)] == [expected]
        if expected == "adam":
            make.person(client, db, "Both", editor=["sport", "politics"])


def test_what_is_not_published_at_its_time_is_told_to_who_can_mend_it(
    client: TestClient, mailbox: Mailbox, staff: dict[str, Person], admin: Headers
) -> None:
    rita, edna = staff["rita"].headers, {**staff["edna"].headers, **ANY}
    rule, moment = "/v1/sections/sport/approval", now()
    ok(client.put(rule, json={"required": False}, headers={**admin, **ANY}))
    article, other = (make.draft(client, rita, title, section="sport") for title in (TITLE, "Other"))
    made = ok(client.post("/v1/releases", json={"name": "<b>Budget</b>", "note": CANARY}, headers=edna), 201)
    release = f"/v1/releases/{made['id']}"
    items = [{"op": "publish", "article": other["id"]}]
    ok(client.put(f"{release}/items", json={"items": items}, headers=edna))
    past = {"at": format_rfc3339(moment - timedelta(minutes=30))}
    for url in (f"/v1/articles/{article['id']}", release):
        with time_machine.travel(moment - timedelta(minutes=31)):
            ok(client.put(f"{url}/schedule", json=past, headers=edna))
    ok(client.put(rule, json={"required": True, "four_eyes": False}, headers={**admin, **ANY}))
    work(client)
    late = "Not published at its time:"
    reasons = [text_of(mail, "html") for mail in mailbox.mails]
    assert told(mailbox) == [
        ("ed", f"{late} {TITLE}"),
        ("ed", f"{late} <b>Budget</b>"),
        ("edna", f"{late} {TITLE}"),
        ("edna", f"{late} <b>Budget</b>"),
        ("rita", f"{late} {TITLE}"),
    ]
    for text in reasons:
        assert "is not approved" in text
        assert "<b>Budget" not in text
    with time_machine.travel(moment - timedelta(minutes=31)):
        ok(client.put(f"{release}/schedule", json=past, headers=edna))
    grants = [{"role": "editor", "sections": ["politics"]}]
    for name in ("edna", "ed"):
        ok(client.put(f"/v1/people/{staff[name].id}/grants", json=grants, headers=admin))
    work(client)
    assert [name for name, _ in told(mailbox)] == ["adam", "edna"], "who made it reads it still"
    assert ok(client.get(release, headers=admin))["failure"]["code"] == "forbidden"


def test_nobody_turns_off_the_mails_of_others(
    client: TestClient, staff: dict[str, Person], admin: Headers, make_key: Callable[..., Headers]
) -> None:
    url = f"/v1/people/{staff['rita'].id}"
    for headers in (staff["edna"].headers, make_key("content:write")):
        assert client.patch(url, json={"mails": False}, headers=headers).status_code == 403
    assert client.patch(url, json={"mails": "no"}, headers=staff["rita"].headers).status_code == 422
    assert ok(client.get(url, headers=staff["edna"].headers))["mails"] is None
    assert ok(client.patch(url, json={"mails": False}, headers=staff["rita"].headers))["mails"] is False
    assert ok(client.patch(url, json={"mails": True}, headers=admin))["mails"] is True


def invite(client: TestClient, mailbox: Mailbox, admin: Headers, person_id: str) -> str:
    """Invite somebody; the token of the link in the mail."""
    headers = {**admin, "Idempotency-Key": str(now())}
    ok(client.post(f"/v1/people/{person_id}/invitations", json={}, headers=headers), 201)
    work(client)
    (mail,) = mailbox.mails
    mailbox.mails = []
    assert mail["To"].addresses[0].addr_spec == "zoe@example.com"
    (link,) = {one for one in links(mail) if "invitation" in one}
    assert link in text_of(mail, "html")
    return link.removeprefix("https://site.example/desk/#/invitation/")


def test_an_invitation_is_mailed_works_once_and_is_for_one_address(
    client: TestClient, mailbox: Mailbox, admin: Headers
) -> None:
    zoe = ok(client.post("/v1/people", json={"name": "Zoe", "email": "Zoe@example.com"}, headers=admin), 201)

    def accept(token: str, **more: str) -> Any:
        sent = {"token": token, "password": "a good long sentence", **more}
        return client.post("/v1/invitations/accept", json=sent)

    def code(answer: Any) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    gone = (410, "invitation_invalid")
    replaced, token = (invite(client, mailbox, admin, zoe["id"]) for _ in range(2))
    assert code(accept(replaced)) == gone
    assert code(accept(token, email="eve@example.com")) == (422, "invalid_body"), "it is for its own address"
    for forged in (token[:-1] + ("0" if token[-1] != "0" else "1"), token.upper(), "bi_x"):
        assert code(accept(forged)) == gone
    assert ok(accept(token))["person"] == {"id": zoe["id"], "name": "Zoe"}
    assert code(accept(token)) == gone
    assert (
        client.post("/v1/sign-in/password", json={"email": "zoe@example.com", "password": "x" * 12}).status_code == 401
    )

    late = invite(client, mailbox, admin, zoe["id"])
    with time_machine.travel(now() + timedelta(days=7, seconds=1), tick=False):
        assert code(accept(late)) == gone
    moved = invite(client, mailbox, admin, zoe["id"])
    ok(client.patch(f"/v1/people/{zoe['id']}", json={"email": "new@example.com"}, headers=admin))
    assert code(accept(moved)) == gone, "it was sent to the former address"
    waiting = {"Idempotency-Key": "waiting"}
    ok(client.patch(f"/v1/people/{zoe['id']}", json={"email": "zoe@example.com"}, headers=admin))
    ok(client.post(f"/v1/people/{zoe['id']}/invitations", json={}, headers={**admin, **waiting}), 201)
    ok(client.patch(f"/v1/people/{zoe['id']}", json={"suspended": True}, headers=admin))
    work(client)
    assert mailbox.mails == [], "who was suspended before it was sent gets none"
