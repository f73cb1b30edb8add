"""Plain factories: each makes one thing through the API, as a client would, and returns its answer's JSON."""

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.clock import now
from app.db import Database
from app.identity.participants import PARTICIPANT
from app.identity.schemas import SYSTEM
from app.people import tables as people_tables
from app.people.people import create_person, set_grants
from app.people.schemas import NewPersonIn, PersonGrantIn
from app.people.sessions import start_session

Headers = dict[str, str]

# What readers do without a key: it changes something all the same.
ANYONE = {
    "POST /v1/guests",
    "POST /v1/articles/{article}/comments",
    "POST /v1/sync/comments",
    "PATCH /v1/comments/{comment}",
    "DELETE /v1/comments/{comment}",
    "POST /v1/comments/{comment}/reports",
    "POST /v1/articles/{article}/reports",
    "POST /v1/comments/{comment}/appeal",
    "PUT /v1/comments/{comment}/vote",
    "PUT /v1/articles/{article}/reaction",
    "DELETE /v1/me/data",
    "POST /v1/subscriptions",
    "POST /v1/subscriptions/confirm",
    "POST /v1/subscriptions/rotate",
    "PATCH /v1/subscriptions/{subscription}",
    "DELETE /v1/subscriptions/{subscription}",
    "POST /v1/unsubscribe/{token}",
    "POST /hub",
    "POST /v1/sign-in/oidc",
    "POST /v1/sign-in/oidc/finish",
    "POST /v1/sign-in/oidc/{provider}/logout",
    "POST /v1/sign-in/refresh",
    "POST /v1/sign-in/password",
    "POST /v1/sign-in/passkey",
    "POST /v1/sign-in/passkey/options",
    "POST /v1/invitations/accept",
    "POST /v1/invitations/passkey/options",
    "PUT /v1/media/uploads/{upload}/file",
}


def ok(answer: Any, status: int = 200) -> Any:
    """The JSON of an answer that must have a status."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    return answer.json() if answer.content else None


def draft(client: TestClient, headers: Headers, title: str = "A title", **fields: Any) -> dict[str, Any]:
    """A draft article."""
    body = {"title": title, "body": {"html": "<p>Once upon a time.</p>"}, **fields}
    return ok(client.post("/v1/articles", json=body, headers=headers), 201)


def version(client: TestClient, headers: Headers, article: dict[str, Any]) -> Headers:
    """Headers with the key and the current version of an article."""
    answer = client.get(f"/v1/articles/{article['id']}", headers=headers)
    return {**headers, "If-Match": answer.headers["etag"]}


def act(client: TestClient, headers: Headers, article: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    """A verb of publishing on the current version, whichever that is."""
    url = f"/v1/articles/{article['id']}/{verb}"
    return ok(client.post(url, json=body, headers={**headers, "If-Match": "*"}))


def published(client: TestClient, headers: Headers, title: str = "A title", **fields: Any) -> dict[str, Any]:
    """A published article."""
    return act(client, headers, draft(client, headers, title, **fields), "publish")


def patched(client: TestClient, headers: Headers, article: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An article with changes saved to the current version, whichever that is."""
    url = f"/v1/articles/{article['id']}"
    return ok(client.patch(url, json=fields, headers={**headers, "If-Match": "*"}))


def section(client: TestClient, headers: Headers, name: str, **fields: Any) -> dict[str, Any]:
    """A section."""
    return ok(client.post("/v1/sections", json={"name": name, **fields}, headers=headers), 201)


def author(client: TestClient, headers: Headers, name: str, **fields: Any) -> dict[str, Any]:
    """An author."""
    return ok(client.post("/v1/authors", json={"name": name, **fields}, headers=headers), 201)


def series(client: TestClient, headers: Headers, name: str, **fields: Any) -> dict[str, Any]:
    """A series."""
    return ok(client.post("/v1/series", json={"name": name, **fields}, headers=headers), 201)


def notice(client: TestClient, headers: Headers, **fields: Any) -> dict[str, Any]:
    """A notice."""
    return ok(client.post("/v1/notices", json=fields, headers=headers), 201)


def guest(client: TestClient) -> Headers:
    """Headers of a new guest."""
    return {"Authorization": f"Bearer {ok(client.post('/v1/guests'), 201)['guest_token']}"}


def prove_guests(db: Database) -> None:
    """Let the e-mail of every guest be proven, so that each counts for themselves and not for their network address."""
    with db.transaction() as session:
        session.execute(sa.update(PARTICIPANT).values(email="guest@mail.example", confirmed_at=now()))


def said(client: TestClient, article: dict[str, Any], text: str, headers: Headers | None = None, **fields: Any) -> Any:
    """A comment as its author gets it back; without headers, of a new guest named Ann."""
    author = {} if headers else {"author": {"name": "Ann"}}
    url = f"/v1/articles/{article['id']}/comments"
    return ok(client.post(url, json={"text": text, **author, **fields}, headers=headers or {}), 201)


def titles(client: TestClient, query: str = "", headers: Headers | None = None) -> list[str]:
    """Titles of a list of articles."""
    answer = client.get(f"/v1/articles?fields=title&{query}", headers=headers or {})
    return [row["title"] for row in ok(answer)["data"]]


def comment(client: TestClient, article: dict[str, Any], text: str = "I agree.", **fields: Any) -> dict[str, Any]:
    """A comment by a new guest, or with `headers` by somebody known."""
    headers = fields.pop("headers", None)
    body = {"text": text, **({} if headers else {"author": {"name": "Ida"}}), **fields}
    return ok(client.post(f"/v1/articles/{article['id']}/comments", json=body, headers=headers), 201)


def bearer(token: str) -> Headers:
    """Headers with a token."""
    return {"Authorization": f"Bearer {token}"}


def pages(client: TestClient, path: str, **asked: Any) -> list[list[Any]]:
    """The pages of a list, of which all but the last are full; read backwards they are the same."""
    answer = client.get(path, params=asked)
    forwards = [ok(answer)["data"]]
    while link := answer.links.get("next"):
        assert answer.json()["page"]["next"] in link["url"]
        assert len(forwards[-1]) == answer.json()["page"]["limit"]
        answer = client.get(link["url"])
        forwards.append(ok(answer)["data"])
    assert answer.json()["page"]["next"] is None
    backwards = forwards[-1:]
    while link := answer.links.get("prev"):
        assert answer.json()["page"]["prev"] in link["url"]
        answer = client.get(link["url"])
        backwards.append(ok(answer)["data"])
        assert answer.json()["page"]["next"] is not None
    assert answer.json()["page"]["prev"] is None
    assert backwards[::-1] == forwards
    return forwards


@dataclass(frozen=True)
class Person:
    """Somebody of the staff who signed in."""

    id: str
    name: str
    email: str
    access: str
    refresh: str

    @property
    def headers(self) -> Headers:
        return {"Authorization": f"Bearer {self.access}"}


def person(client: TestClient, db: Database, name: str = "Ada", **roles: list[str] | None) -> Person:
    """A person who has signed in, with roles in sections, or everywhere."""
    email = f"{name.lower().replace(' ', '.')}@example.com"
    with db.transaction() as session:
        person_id = create_person(session, SYSTEM, NewPersonIn(name=name, email=email))
        session.get_one(people_tables.Person, person_id).accepted_at = now()
        set_grants(session, SYSTEM, person_id, [PersonGrantIn(role=role, sections=roles[role]) for role in roles])
    return sign_in(client, db, Person(person_id, name, email, "", ""))


def sign_in(client: TestClient, db: Database, person: Person) -> Person:
    """The person in another session."""
    vault = client.app.state.services.vault  # type: ignore[attr-defined]
    with db.transaction() as session:
        row = session.get_one(people_tables.Person, person.id)
        tokens = start_session(session, vault, row, "password", "testclient")
    return replace(person, access=tokens.access, refresh=tokens.refresh)


def explain(db: Database, query: str) -> str:
    """The plan of a query; on PostgreSQL without scans of whole tables, which are cheap while these are small."""
    with db.connect() as connection:
        if db.dialect == "sqlite":
            return str(connection.execute(sa.text(f"EXPLAIN QUERY PLAN {query}")).all())
        connection.execute(sa.text("SET enable_seqscan = off"))
        plan = str(connection.execute(sa.text(f"EXPLAIN {query}")).all())
        connection.execute(sa.text("RESET enable_seqscan"))
        return plan
