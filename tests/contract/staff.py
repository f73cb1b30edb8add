"""People of the staff as callers of generated requests: each role by section, and those who signed out or are not done.

`bodies_of` has what they sign in with, so that some of the generated sign-ins are right.
"""

from typing import Any

from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from app.people.people import PERSON
from app.people.roles import ADMIN, BUILT_IN
from tests import make
from tests.contract.day import Checked, Headers, staff

PASSWORD = "fog over the old harbour"


def employ(
    api: Checked, client: TestClient, db: Database, admin: Headers, sections: dict[str, str]
) -> tuple[dict[str, Headers], dict[str, list[str]]]:
    """Let people sign in; return them as callers, and what stands in paths."""
    found = staff(api, admin)
    callers: dict[str, Headers] = {}
    people: dict[str, make.Person] = {}
    for role in (*BUILT_IN, found["role"]):
        for place, ids in {"everywhere": None, **{name: [one] for name, one in sections.items()}}.items():
            if role == ADMIN and ids is not None:
                continue
            name = f"{role} {place}"
            people[name] = make.person(client, db, name, **{role: ids})
            callers[name] = people[name].headers
    mixed = make.person(client, db, "mixed", reporter=None, moderator=[sections["here"]])
    callers["mixed"], callers["no role"] = mixed.headers, make.person(client, db, "nobody").headers
    out = make.person(client, db, "signed out", editor=None)
    make.ok(client.post("/v1/sign-out", headers=out.headers), 204)
    callers["signed out"] = out.headers
    gone = make.person(client, db, "suspended", editor=None)
    make.ok(client.patch(f"/v1/people/{gone.id}", json={"suspended": True}, headers=admin))
    callers["suspended"] = gone.headers
    begun = make.person(client, db, "begun", desk=None)  # has a secret for one-time codes, and confirmed none
    make.ok(client.post("/v1/people/me/totp", headers=begun.headers))
    callers["begun"] = begun.headers
    used = make.sign_in(client, db, people["editor everywhere"])
    make.ok(client.post("/v1/sign-in/refresh", json={"refresh_token": used.refresh}))
    callers["replaced"] = used.headers  # the former access token of a session
    pending = make.person(client, db, "pending", reporter=None)
    with db.transaction() as session:  # the password of these is right, and a code is asked for
        values = {"totp_secret": "JBSWY3DPEHPK3PXP", "totp_confirmed_at": now()}
        session.execute(PERSON.update().where(PERSON.c.id == pending.id).values(values))
        known = [pending.id, gone.id, begun.id]
        known_hash = session.execute(PERSON.select().where(PERSON.c.id == found["person"])).mappings().one()
        session.execute(PERSON.update().where(PERSON.c.id.in_(known)).values(password_hash=known_hash["password_hash"]))
    sessions = make.ok(client.get("/v1/people/me/sessions", headers=callers["desk everywhere"]))["data"]
    things = {
        "person": ["me", found["person"], pending.id, gone.id, people["editor here"].id],
        "role": [found["role"], "editor", ADMIN],
        "session": [row["id"] for row in sessions],
    }
    return callers, things


def bodies_of(api: Checked, client: TestClient, db: Database, admin: Headers) -> dict[str, list[Any]]:
    """Bodies that sign somebody in, or nearly, by operation."""
    spare = make.person(client, db, "spare", reporter=None)
    emails = ["zoe@example.org", "pending@example.com", "suspended@example.com", "begun@example.com"]
    right = [{"email": email, "password": PASSWORD} for email in (*emails, "nobody@example.org")]
    person = make.ok(client.post("/v1/people", json={"name": "New", "email": "new@example.org"}, headers=admin), 201)
    invited = make.ok(client.post(f"/v1/people/{person['id']}/invitations", headers=admin), 201)["token"]
    return {
        "POST /v1/sign-in/password": [
            *right,
            {**right[1], "totp": "000000"},
            {**right[0], "totp": "000000"},
            {**right[0], "password": f"{PASSWORD}s"},
        ],
        "POST /v1/sign-in/refresh": [{"refresh_token": spare.refresh}, {"refresh_token": spare.access}],
        "POST /v1/invitations/accept": [
            {"token": invited, "password": "short"},
            {"token": invited, "password": "lantern of the lighthouse"},
            {"token": invited, "passkey": {}},
        ],
        "POST /v1/invitations/passkey/options": [{"token": invited}],
    }
