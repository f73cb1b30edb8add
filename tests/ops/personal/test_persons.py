"""Export and erasure by e-mail address, for who answers the requests of persons."""

import asyncio
import mailbox
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.comments.reading import C
from app.core.settings import Settings
from app.db import Database
from app.net.smtp import MaildirMailer
from tests.make import Headers, ok, said
from tests.moderation.stock import comment, participant, stored
from tests.ops.personal.test_personal_data import EMAIL, NAMED, dump

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
