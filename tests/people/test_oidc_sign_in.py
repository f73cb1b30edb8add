"""Sign-in through OpenID providers: from the button to the session, and who is let in."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.core.sign_in_providers import SignInProvider
from app.db import Database
from app.main import create_app
from app.people import sessions
from app.people.spent_tokens import prune_spent_tokens
from app.people.tables import Person, PersonIdentity
from tests import make
from tests.contract.day import Checked
from tests.make import ok
from tests.people.provider import REDIRECT_URI, Provider

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[..., TestClient]]:
    """Start an app with these providers; each is a process of its own to the store."""
    clients: list[TestClient] = []

    def begin(*providers: dict[str, Any]) -> TestClient:
        configured = tuple(map(SignInProvider.model_validate, providers))
        app = create_app(settings.model_copy(update={"oidc": configured}), with_worker=False)
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield begin
    for client in clients:
        client.__exit__()


def begin(client: TestClient, provider: Provider, provider_id: str = "test") -> dict[str, str]:
    """Go to the provider and come back; return the body with which the sign-in is finished."""
    asked = {"provider": provider_id, "redirect_uri": REDIRECT_URI}
    begun = ok(client.post("/v1/sign-in/oidc", json=asked))
    response = provider.consent(begun["url"])
    assert response["state"] == begun["state"]
    return {**response, "binding": begun["binding"]}


def finish(client: TestClient, body: dict[str, str]) -> tuple[int, str]:
    """Return the status and the problem of the finish, without a problem the name of the person."""
    answer = client.post("/v1/sign-in/oidc/finish", json=body)
    assert answer.headers["cache-control"] == "private, no-store" or answer.status_code != 200
    told = answer.json()
    return answer.status_code, told.get("code") or told["person"]["name"]


def sign_in(client: TestClient, provider: Provider, **user: Any) -> tuple[int, str]:
    """Sign in as the user of the provider with some claims changed."""
    provider.user |= user
    return finish(client, begin(client, provider))


def invite(client: TestClient, admin: Headers, name: str, email: str) -> str:
    person: str = ok(client.post("/v1/people", json={"name": name, "email": email}, headers=admin), 201)["id"]
    return person


REFUSED, EXPIRED = (403, "sign_in_refused"), (400, "sign_in_expired")


def test_an_invited_person_signs_in(
    start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database
) -> None:
    client = start(provider.settings())
    api = Checked(client)
    ways = ok(api.send("GET", "/v1/sign-in"))
    assert ways == {"methods": ["password", "passkey", "oidc"], "providers": [{"id": "test", "name": "Test"}]}
    ann = invite(client, admin, "Ann", "Ann@example.org")
    asked = {"provider": "test", "redirect_uri": REDIRECT_URI}
    begun = ok(api.send("POST", "/v1/sign-in/oidc", json=asked))
    body = {**provider.consent(begun["url"]), "binding": begun["binding"]}
    tokens = ok(api.send("POST", "/v1/sign-in/oidc/finish", json=body))
    api.send("POST", "/v1/sign-in/oidc/finish", json=body)
    api.send("POST", "/v1/sign-in/oidc", json={**asked, "provider": "other"})
    assert tokens["person"] == {"id": ann, "name": "Ann"}
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert ok(client.get("/v1/whoami", headers=headers))["id"] == ann
    (identity,) = ok(api.send("GET", "/v1/people/me/identities", headers=headers))["data"]
    assert (identity["issuer"], identity["provider"]) == (provider.issuer, "Test")
    assert not api.faults
    (session,) = ok(client.get("/v1/people/me/sessions", headers=headers))["data"]
    assert session["method"] == "oidc"
    assert ok(client.get("/v1/people/me", headers=headers))["methods"] == ["oidc"]
    # From now on the account counts, and not the address.
    assert sign_in(client, provider, email="another@example.org", email_verified=False) == (200, "Ann")
    ok(client.patch(f"/v1/people/{ann}", json={"suspended": True}, headers=admin))
    assert sign_in(client, provider) == REFUSED
    ok(client.patch(f"/v1/people/{ann}", json={"suspended": False}, headers=admin))
    assert sign_in(client, provider) == (200, "Ann")
    actions = [entry["action"] for entry in client.get(f"/v1/audit?actor={ann}", headers=admin).json()["data"]]
    assert sorted(set(actions)) == ["person.link", "session.start"]


def test_a_sign_in_is_finished_once_in_its_browser_and_in_time(
    start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database
) -> None:
    with Provider() as other:
        configured = provider.settings(), other.settings(id="other", name="Other")
        client, process = start(*configured), start(*configured)
        invite(client, admin, "Ann", "ann@example.org")
        body, victim = begin(client, provider), begin(process, provider)
        assert finish(client, {**body, "state": victim["state"]}) == EXPIRED
        assert finish(client, {**body, "binding": victim["binding"]}) == EXPIRED
        assert finish(client, {**body, "binding": body["binding"][:-1] + "x"}) == EXPIRED
        assert finish(client, {**body, "binding": f"bo_{'0' * 64}"}) == EXPIRED
        assert finish(client, {**body, "code": victim["code"]}) == REFUSED  # another's code, with its own verifier
        assert finish(client, body) == EXPIRED  # that was the end of it
        assert finish(process, victim) == REFUSED  # the provider takes a code once
        body = begin(client, provider)
        assert finish(process, body) == (200, "Ann")
        with db.transaction() as session:
            assert prune_spent_tokens(session) == 0
        assert [finish(one, body) for one in (client, process)] == [EXPIRED, EXPIRED]
        # A browser that was sent to one provider comes back from the other.
        mixed = begin(client, provider) | {"iss": other.issuer}
        assert finish(client, mixed) == REFUSED
        assert finish(client, begin(client, other, "other") | {"iss": provider.issuer}) == REFUSED
        requests = provider.requests["/token"] + other.requests["/token"]
        assert finish(client, {name: mixed[name] for name in mixed if name != "iss"}) == REFUSED
        assert provider.requests["/token"] + other.requests["/token"] == requests  # no provider got the code
        late = begin(client, provider)
        with time_machine.travel(now() + timedelta(minutes=10)):
            assert finish(client, late) == EXPIRED
            with db.transaction() as session:
                assert prune_spent_tokens(session) == 3
        # What the settings no longer say is over too.
        gone, moved = begin(client, other, "other"), begin(client, provider)
        changed = start(provider.settings(redirect_uris=["https://desk.example/elsewhere"]))
        assert [finish(changed, gone), finish(changed, moved)] == [EXPIRED, EXPIRED]
        for field, value in (("provider", "unknown"), ("redirect_uri", f"{REDIRECT_URI}/")):
            asked = {"provider": "test", "redirect_uri": REDIRECT_URI, field: value}
            refused = client.post("/v1/sign-in/oidc", json=asked)
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"/{field}")


def test_a_broken_provider_is_no_error_of_this_server(
    start: Callable[..., TestClient], provider: Provider, admin: Headers
) -> None:
    client = start(provider.settings())
    invite(client, admin, "Ann", "ann@example.org")
    replies: list[tuple[int, bytes, tuple[int, str]]] = [
        (500, b"", (503, "sign_in_provider_unavailable")),
        (200, b"x" * 300_000, (503, "sign_in_provider_unavailable")),
        (200, b"<html>", (502, "sign_in_provider_failed")),
        (401, b'{"error": "invalid_client"}', (502, "sign_in_provider_failed")),
    ]
    for status, body, problem in replies:
        begun = begin(client, provider)
        provider.replies["/token"] = lambda status=status, body=body: (status, {}, body)  # type: ignore[misc]
        assert finish(client, begun) == problem
    provider.replies.clear()
    provider.metadata = {"issuer": "https://other.example"}
    fresh = start(provider.settings())
    refused = fresh.post("/v1/sign-in/oidc", json={"provider": "test", "redirect_uri": REDIRECT_URI})
    assert (refused.status_code, refused.json()["code"]) == (503, "sign_in_provider_unavailable")
    assert int(refused.headers["retry-after"]) > 0


def test_who_is_let_in(start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database) -> None:
    client = start(provider.settings())
    assert sign_in(client, provider) == REFUSED  # nobody is invited
    invite(client, admin, "Ann", "ann@example.org")
    for unproven in ({"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email": None}):
        assert sign_in(client, provider, **unproven) == REFUSED
        provider.user |= {"email": "ann@example.org", "email_verified": True}
    assert sign_in(client, provider) == (200, "Ann")
    assert sign_in(client, provider, sub="eve") == REFUSED  # the address belongs to another account of this issuer
    with Provider() as other:
        stranger = start(other.settings())
        assert sign_in(stranger, other) == REFUSED  # another issuer says that it has the address too
        trusting = start(other.settings(trust_email=True, allowed_domains=["example.org"]))
        assert sign_in(trusting, other, email_verified=False) == REFUSED
        assert sign_in(trusting, other, email_verified=None, email="ann@elsewhere.example") == REFUSED
        assert sign_in(trusting, other, email="ANN@Example.org") == (200, "Ann")
        assert sign_in(trusting, other, email="ann@elsewhere.example") == REFUSED
    with db.transaction() as session:
        assert len(session.scalars(sa.select(PersonIdentity)).all()) == 2


def test_people_are_created_where_the_settings_say_so(
    start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database
) -> None:
    client = start(provider.settings(create_people=True, allowed_domains=["example.org"]))
    assert sign_in(client, provider, email="bob@elsewhere.example", sub="bob") == REFUSED
    assert sign_in(client, provider, email="ann@example.org", email_verified=False) == REFUSED
    assert sign_in(client, provider, email_verified=True) == (200, "Ann Marlow")
    assert sign_in(client, provider) == (200, "Ann Marlow")
    assert sign_in(client, provider, sub="x", email="cy.x@example.org", name="<b>\x00") == (200, "cy.x")
    with db.transaction() as session:
        people = session.scalars(sa.select(Person).order_by(Person.created_at)).all()
        assert [person.email for person in people] == ["ann@example.org", "cy.x@example.org"]
        assert all(person.accepted_at for person in people)


def test_accounts_are_linked_and_unlinked(
    start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database
) -> None:
    with Provider() as other:
        client = start(provider.settings(), other.settings(id="other", name="Other"))
        bea = make.person(client, db, "Bea")
        path = "/v1/people/me/identities"

        def link(who: Provider, provider_id: str, headers: Headers) -> Any:
            return client.post(path, json=begin(client, who, provider_id), headers=headers)

        linked = ok(link(provider, "test", bea.headers), 201)
        assert (linked["issuer"], linked["provider"], linked["last_used_at"]) == (provider.issuer, "Test", None)
        assert sign_in(client, provider) == (200, "Bea")
        assert link(provider, "test", bea.headers).json()["id"] == linked["id"]
        cy = make.person(client, db, "Cy")
        assert link(provider, "test", cy.headers).json()["code"] == "identity_taken"
        provider.user["sub"] = "second"
        assert link(provider, "test", bea.headers).json()["code"] == "identity_taken"
        with time_machine.travel(now() + timedelta(minutes=20)):
            stale = ok(client.post("/v1/sign-in/refresh", json={"refresh_token": cy.refresh}))["access_token"]
            assert link(other, "other", make.bearer(stale)).json()["code"] == "sign_in_again"
        assert link(provider, "test", {}).status_code == 401
        assert link(provider, "test", admin).status_code in (403, 404)
        second = ok(link(other, "other", bea.headers), 201)
        listed = ok(client.get(path, headers=bea.headers))["data"]
        assert [entry["id"] for entry in listed] == [second["id"], linked["id"]]
        assert client.get(f"/v1/people/{bea.id}/identities", headers=cy.headers).status_code == 403
        assert client.delete(f"/v1/people/{bea.id}/identities/{second['id']}", headers=cy.headers).status_code == 403
        assert client.delete(f"{path}/{second['id']}", headers=cy.headers).status_code == 404
        ok(client.delete(f"{path}/{linked['id']}", headers=bea.headers), 204)
        last = client.delete(f"{path}/{second['id']}", headers=bea.headers)
        assert (last.status_code, last.json()["code"]) == (409, "last_sign_in_method")
        ok(client.delete(f"/v1/people/{bea.id}/identities/{second['id']}", headers=admin), 204)  # and invites her again
        assert sign_in(client, provider, sub="ann") == REFUSED


def test_the_provider_ends_sessions(
    start: Callable[..., TestClient], provider: Provider, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)
    client = start(provider.settings())
    ann = make.person(client, db, "Ann")  # in a session that is none of the provider
    ok(client.post("/v1/people/me/identities", json=begin(client, provider), headers=ann.headers), 201)

    def sign_in_anew() -> Headers:
        tokens = ok(client.post("/v1/sign-in/oidc/finish", json=begin(client, provider)))
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    def log_out(token: str, provider_id: str = "test") -> int:
        answer = client.post(f"/v1/sign-in/oidc/{provider_id}/logout", data={"logout_token": token})
        status: int = answer.status_code
        return status

    headers, other = sign_in_anew(), sign_in_anew()
    moment = int(now().timestamp())
    invalid: list[dict[str, Any]] = [
        {"nonce": "n"},
        {"events": None},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"jti": None},
        {"sub": None, "sid": "1"},
        {"aud": "another-client"},
        {"iss": "https://other.example"},
        {"iat": moment - 400, "exp": None},
        {"iat": moment + 400},
    ]
    assert [claims for claims in invalid if log_out(provider.make_logout_token(**claims)) != 400] == []
    assert log_out("a.b.c") == 400
    assert log_out(provider.make_logout_token(), "other") == 404
    assert log_out(provider.make_logout_token(sub="stranger")) == 200
    assert ok(client.get("/v1/people/me", headers=headers))["name"] == "Ann"
    token = provider.make_logout_token()
    assert log_out(token) == 200
    assert [client.get("/v1/people/me", headers=ended).status_code for ended in (headers, other)] == [401, 401]
    ok(client.get("/v1/people/me", headers=ann.headers))
    headers = sign_in_anew()
    assert log_out(token) == 200  # it is spent, and ends nothing
    ok(client.get("/v1/people/me", headers=headers))


def test_groups_become_roles_at_each_sign_in(
    start: Callable[..., TestClient], provider: Provider, admin: Headers, db: Database
) -> None:
    roles = {
        "staff": "reporter",
        "sport": {"role": "editor", "sections": ["sport"]},
        "chiefs": "admin",
        "lost": {"role": "editor", "sections": ["no-such-section"]},
        "odd": "no-such-role",
    }
    client = start(provider.settings(groups_claim="groups", roles=roles))
    sport = ok(client.post("/v1/sections", json={"name": "Sport"}, headers=admin), 201)["id"]
    ann = invite(client, admin, "Ann", "ann@example.org")
    by_hand = {"role": "moderator", "sections": None}
    ok(client.put(f"/v1/people/{ann}/grants", json=[by_hand], headers=admin))

    def given(*groups: str) -> dict[str, list[str] | None]:
        assert sign_in(client, provider, groups=list(groups)) == (200, "Ann")
        grants = ok(client.get(f"/v1/people/{ann}", headers=admin))["grants"]
        assert {"provider": None, **by_hand} in grants, "what is given by hand stays"
        return {grant["role"]: grant["sections"] for grant in grants if grant["provider"] == "test"}

    assert given("staff", "sport", "lost", "odd", "unheard") == {"reporter": None, "editor": [sport]}
    assert given("sport", "chiefs") == {"editor": [sport], "admin": None}
    ok(client.put(f"/v1/people/{ann}/grants", json=[by_hand], headers=admin))  # leaves those of the provider
    assert given("sport") == {"editor": [sport]}
    provider.user.pop("groups")  # as providers do for somebody without groups
    assert sign_in(client, provider) == (200, "Ann")
    assert given() == {}
    assert given("staff") == {"reporter": None}
    # A provider that is not in the settings any more, or not the person's, gives nothing.
    with Provider() as other:
        changed = start(other.settings(id="other", trust_email=True))
        assert finish(changed, begin(changed, other, "other")) == (200, "Ann")
        assert [grant["role"] for grant in ok(client.get(f"/v1/people/{ann}", headers=admin))["grants"]] == [
            "moderator"
        ]
    assert given("sport") == {"editor": [sport]}
    with db.transaction() as session:
        session.get_one(Person, ann).password_hash = "set"
    (identity, _) = ok(client.get(f"/v1/people/{ann}/identities", headers=admin))["data"][::-1]
    ok(client.delete(f"/v1/people/{ann}/identities/{identity['id']}", headers=admin), 204)
    assert [grant["role"] for grant in ok(client.get(f"/v1/people/{ann}", headers=admin))["grants"]] == ["moderator"]
