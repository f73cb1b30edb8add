"""The first person: how the owner of a new installation comes in."""

import pytest
from starlette.testclient import TestClient

from app.cli.demo import about_owner, invite_owner
from app.db import Database
from tests import make

pytestmark = pytest.mark.portable


def invite(db: Database) -> str | None:
    with db.transaction() as session:
        return invite_owner(session)


def test_the_owner_is_invited_until_somebody_has_come_in(client: TestClient, db: Database) -> None:
    first, second = invite(db), invite(db)
    assert first is not None
    assert second is not None
    assert f"/#/invitation/{second}" in about_owner(second, "http://localhost:8001/#/invitation/", "http://localhost")
    body = {"password": "a good long sentence", "name": "Ines"}
    for token, fields, code in (
        (first, {"email": "ines@example.com"}, "invitation_invalid"),
        (second, {}, "invalid_body"),
    ):
        answer = client.post("/v1/invitations/accept", json={"token": token, **body, **fields})
        assert answer.json()["code"] == code
    options = make.ok(client.post("/v1/invitations/passkey/options", json={"token": second}))
    assert options["user"]["name"] == "Owner"
    accepted = {"token": second, "email": "ines@example.com", **body}
    tokens = make.ok(client.post("/v1/invitations/accept", json=accepted))
    own = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = make.ok(client.get("/v1/people/me", headers=own))
    assert (me["name"], me["email"], me["grants"][0]["role"]) == ("Ines", "ines@example.com", "admin")
    assert invite(db) is None
    assert about_owner(None, "", "") == ""
    assert client.delete("/v1/people/me", headers=own).json()["code"] == "last_admin"
    assert client.patch("/v1/people/me", json={"suspended": True}, headers=own).json()["code"] == "last_admin"
    zoe = make.ok(client.post("/v1/people", json={"name": "Zoe", "email": "zoe@example.com"}, headers=own), 201)
    token = make.ok(client.post(f"/v1/people/{zoe['id']}/invitations", headers=own), 201)["token"]
    answer = client.post("/v1/invitations/accept", json={"token": token, "email": "other@example.com", **body})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/email")


def test_nobody_is_invited_where_there_are_people(client: TestClient, db: Database) -> None:
    make.person(client, db, "Ada")
    assert invite(db) is None
