"""Invitations, passwords, one-time codes and passkeys: what lets people in, and what does not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
import time_machine
from sqlmodel import Session
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.problems import Invalid
from app.core.settings import Settings
from app.db import Database
from app.identity.tables import Replay
from app.main import create_app
from app.people import passwords, sessions
from app.people.invitations import INVITATION_LIFETIME
from app.people.passwords import Passwords, check_password
from app.people.tables import Person
from tests import make
from tests.people.authenticator import Authenticator, encode

pytestmark = pytest.mark.portable

Headers = dict[str, str]
CONTEXTS = ("Ada Lovelace", "ada@example.com", "The Harbour Times", "harbourtimes.example")
PASSWORD, OTHER = "a good long sentence", "yet another sentence"


@pytest.fixture(autouse=True)
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request reads its session again, as all do after a second."""
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1.0)


def post(client: TestClient, path: str, body: Any = None, headers: Headers | None = None, status: int = 200) -> Any:
    return make.ok(client.post(f"/v1/{path}", json=body, headers=headers or {}), status)


def refused(client: TestClient, path: str, body: Any, **headers: str) -> str:
    """The code of a refusal."""
    answer = client.post(f"/v1/{path}", json=body, headers=headers)
    assert answer.status_code in (401, 409, 410, 422, 429), answer.text
    assert "@" not in answer.text
    code: str = answer.json()["code"]
    return code


def invite(client: TestClient, admin: Headers, name: str = "Ada Lovelace", email: str = "ada@example.com") -> Any:
    person = post(client, "people", {"name": name, "email": email}, admin, 201)
    return post(client, f"people/{person['id']}/invitations", None, admin, 201)


def accept(client: TestClient, invitation: Any, **fields: Any) -> Any:
    return post(client, "invitations/accept", {"token": invitation["token"], **fields})


def sign_in(client: TestClient, password: str = PASSWORD, email: str = "ada@example.com", **fields: Any) -> Any:
    return client.post("/v1/sign-in/password", json={"email": email, "password": password, **fields})


def bearer(tokens: Any) -> Headers:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_an_invitation_leads_in_once(client: TestClient, db: Database, admin: Headers) -> None:
    invitation = invite(client, admin)
    assert invitation["url"] == f"https://site.example/desk/#/invitation/{invitation['token']}"
    assert refused(client, "sign-in/password", {"email": "ada@example.com", "password": PASSWORD}) == "sign_in_failed"
    body = {"token": invitation["token"], "name": "Ada L.", "password": PASSWORD}
    for wrong in ({}, {"password": PASSWORD, "passkey": {}}, {"password": "short"}, {"password": "ada lovelace 12"}):
        assert refused(client, "invitations/accept", {"token": invitation["token"], **wrong}) == "invalid_body"
    forged = invitation["token"][:-1] + ("0" if invitation["token"][-1] != "0" else "1")
    for token in (forged, "bi_", "x", invitation["id"], f"bi_{'0' * 96}"):
        assert refused(client, "invitations/accept", {**body, "token": token}) == "invitation_invalid"
    tokens = post(client, "invitations/accept", body)
    assert client.get("/v1/people/me", headers=bearer(tokens)).json()["methods"] == ["password"]
    assert tokens["person"]["name"] == "Ada L."
    assert refused(client, "invitations/accept", {**body, "password": OTHER}) == "invitation_invalid"
    assert sign_in(client, OTHER).status_code == 401
    assert sign_in(client, email="ADA@EXAMPLE.com").status_code == 200
    with db.transaction() as session:
        stored = session.scalars(sa.select(Person.password_hash)).one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("how", ["expired", "again", "address", "suspended", "deleted"])
def test_an_invitation_is_withdrawn(client: TestClient, admin: Headers, how: str) -> None:
    invitation = invite(client, admin)
    url, moment = f"/v1/people/{invitation['person_id']}", now()
    if how == "expired":
        moment += INVITATION_LIFETIME + timedelta(seconds=1)
    elif how == "again":
        post(client, f"people/{invitation['person_id']}/invitations", None, admin, 201)
    elif how == "deleted":
        make.ok(client.delete(url, headers=admin), 204)
    else:
        change = {"email": "new@example.com"} if how == "address" else {"suspended": True}
        make.ok(client.patch(url, json=change, headers=admin))
    with time_machine.travel(moment, tick=False):
        body = {"token": invitation["token"], "password": PASSWORD}
        assert refused(client, "invitations/accept", body) == "invitation_invalid"
        assert refused(client, "invitations/passkey/options", {"token": body["token"]}) == "invitation_invalid"
    if how == "suspended":
        assert refused(client, f"people/{invitation['person_id']}/invitations", None, **admin) == "person_suspended"


def test_of_two_who_accept_at_once_one_comes_in(client: TestClient, admin: Headers) -> None:
    invitation = invite(client, admin)
    body = {"token": invitation["token"], "password": PASSWORD}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/invitations/accept", json=body).status_code, range(2)))
    assert sorted(answers) == [200, 410]


def test_an_unknown_address_is_answered_as_a_known_one(
    client: TestClient, admin: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(client, invite(client, admin), password=PASSWORD)
    invite(client, admin, "Bob", "bob@example.com")
    checked = []
    verify = Passwords._verify

    def note(self: Passwords, stored: str, password: str) -> bool:
        checked.append(stored.rsplit("$", 2)[0])
        return verify(self, stored, password)

    monkeypatch.setattr(Passwords, "_verify", note)
    shown = set()
    for email in ("ada@example.com", "bob@example.com", "nobody@example.com"):
        answer = sign_in(client, OTHER, email)
        names = ("x-request-id", "date", "ratelimit", "server-timing")
        headers = {name: value for name, value in answer.headers.items() if name not in names}
        shown.add((answer.status_code, answer.text.replace(answer.headers["x-request-id"], ""), str(headers)))
    assert len(shown) == 1
    assert [len(set(checked)), len(checked)] == [1, 3], "the same work"
    assert passwords._UNKNOWN.startswith(checked[0])


def test_a_one_time_code_is_used_once(client: TestClient, admin: Headers) -> None:
    with time_machine.travel(now().replace(microsecond=0), tick=False) as clock:
        own = bearer(accept(client, invite(client, admin), password=PASSWORD))
        made = post(client, "people/me/totp", None, own)
        assert made["uri"].startswith("otpauth://totp/The%20Example:ada@example.com?secret=")
        assert sign_in(client).status_code == 200, "not confirmed yet"
        generator = pyotp.TOTP(made["secret"])
        url = "/v1/people/me/totp"
        wrong = client.put(url, json={"code": "000000"}, headers=own)
        assert wrong.status_code in (200, 422)
        codes = make.ok(client.put(url, json={"code": generator.at(now())}, headers=own))["recovery_codes"]
        assert len(set(codes)) == 10
        assert client.get("/v1/people/me", headers=own).json()["methods"] == ["password", "totp"]
        assert (sign_in(client).json()["code"], sign_in(client, OTHER).json()["code"]) == (
            "totp_required",
            "sign_in_failed",
        )
        assert sign_in(client, totp=generator.at(now())).json()["code"] == "sign_in_failed", "used to confirm"
        clock.shift(30)
        code = generator.at(now())
        assert sign_in(client, totp=code).status_code == 200
        assert sign_in(client, totp=code).status_code == 401
        assert sign_in(client, totp=codes[0].upper()).status_code == 200
        assert sign_in(client, totp=codes[0]).status_code == 401
        clock.shift(-30)
        assert sign_in(client, totp=generator.at(now())).status_code == 401, "an earlier one"
        again = post(
            client, f"people/{client.get('/v1/people/me', headers=own).json()['id']}/invitations", None, admin, 201
        )
        body = {"token": again["token"], "password": OTHER}
        assert refused(client, "invitations/accept", body) == "totp_required"
        post(client, "invitations/accept", {**body, "totp": codes[1]})
        assert client.get("/v1/people/me", headers=own).status_code == 401, "all sessions have ended"


def test_credentials_change_soon_after_a_sign_in(client: TestClient, db: Database, admin: Headers) -> None:
    ada, start = make.person(client, db, "Ada"), now()
    steps: list[tuple[str, str, Any]] = [
        ("PUT", "password", {"password": PASSWORD}),
        ("POST", "totp", None),
        ("DELETE", "password", None),
    ]
    with time_machine.travel(start + timedelta(minutes=9), tick=False):
        late = client.post("/v1/sign-in/refresh", json={"refresh_token": ada.refresh}).json()
    with time_machine.travel(start + timedelta(minutes=16), tick=False):
        for method, path, body in steps:
            answer = client.request(method, f"/v1/people/me/{path}", json=body, headers=bearer(late))
            assert answer.json()["code"] == "sign_in_again"
    eve = make.person(client, db, "Eve")
    for method, path, body in steps:
        url = f"/v1/people/{ada.id}/{path}"
        assert client.request(method, url, json=body, headers=eve.headers).status_code == 403
        if method != "DELETE":
            assert client.request(method, url, json=body, headers=admin).status_code == 403, "not even an admin"
    fresh, other = make.sign_in(client, db, ada), make.sign_in(client, db, ada)
    make.ok(client.put("/v1/people/me/password", json={"password": PASSWORD}, headers=fresh.headers), 204)
    assert client.get("/v1/people/me", headers=other.headers).status_code == 401
    assert client.get("/v1/people/me", headers=fresh.headers).status_code == 200
    last = client.delete("/v1/people/me/password", headers=fresh.headers)
    assert last.json()["code"] == "last_sign_in_method"
    assert client.delete(f"/v1/people/{ada.id}/password", headers=admin).status_code == 204


def test_a_passkey_signs_in(client: TestClient, db: Database, admin: Headers) -> None:
    invitation, device = invite(client, admin), Authenticator()
    options = post(client, "invitations/passkey/options", {"token": invitation["token"]})
    assert options["authenticatorSelection"] | {"requireResidentKey": 0} == {
        "residentKey": "required",
        "userVerification": "required",
        "requireResidentKey": 0,
    }
    credential = device.create(options)
    own = bearer(accept(client, invitation, passkey=credential))
    answer = device.answer(post(client, "sign-in/passkey/options"))
    assert post(client, "sign-in/passkey", {"credential": answer})["person"]["name"] == "Ada Lovelace"
    assert refused(client, "sign-in/passkey", {"credential": answer}) == "sign_in_failed", "a replay"
    device.count = 0
    copied = device.answer(post(client, "sign-in/passkey/options"))
    assert refused(client, "sign-in/passkey", {"credential": copied}) == "sign_in_failed", "a copy"
    device.count = 5
    second = Authenticator()
    made = second.create(post(client, "people/me/passkeys/options", None, own))
    row = post(client, "people/me/passkeys", {"name": "Key", "credential": made}, own, 201)
    assert client.post("/v1/people/me/passkeys", json={"name": "K", "credential": made}, headers=own).status_code == 422
    listed = client.get("/v1/people/me/passkeys", headers=own).json()["data"]
    assert [one["name"] for one in listed] == ["Key", "First passkey"]
    first = listed[1]["id"]
    eve = make.person(client, db, "Eve")
    assert client.delete(f"/v1/people/me/passkeys/{first}", headers=eve.headers).status_code == 404
    assert client.delete(f"/v1/people/me/passkeys/{first}", headers=own).status_code == 204
    gone = device.answer(post(client, "sign-in/passkey/options"))
    assert refused(client, "sign-in/passkey", {"credential": gone}) == "sign_in_failed"
    assert client.delete(f"/v1/people/me/passkeys/{row['id']}", headers=own).json()["code"] == "last_sign_in_method"
    good = second.answer(post(client, "sign-in/passkey/options"))
    make.ok(client.patch(f"/v1/people/{invitation['person_id']}", json={"suspended": True}, headers=admin))
    assert refused(client, "sign-in/passkey", {"credential": good}) == "sign_in_failed"


BAD: dict[str, Callable[[Authenticator], None]] = {
    "origin": lambda device: setattr(device, "origin", "https://evil.example"),
    "port": lambda device: setattr(device, "origin", "https://site.example:8443"),
    "domain": lambda device: setattr(device, "rp_id", "evil.example"),
    "not verified": lambda device: setattr(device, "flags", 1),
    "not present": lambda device: setattr(device, "flags", 4),
    "key": lambda device: setattr(device, "key", Authenticator().key),
    "user": lambda device: setattr(device, "user", encode(b"01890000-0000-7000-8000-000000000000")),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_wrong_answer_of_an_authenticator_is_refused(client: TestClient, db: Database, admin: Headers) -> None:
    person, device = make.person(client, db, "Ada"), Authenticator()
    options = post(client, "people/me/passkeys/options", None, person.headers)
    body = {"name": "Key", "credential": device.create(options)}
    eve = make.person(client, db, "Eve")
    assert client.post("/v1/people/me/passkeys", json=body, headers=eve.headers).status_code == 422, "for another"
    post(client, "people/me/passkeys", body, person.headers, 201)
    wrong = [*BAD, "challenge", "registration"]
    good = vars(device).copy()
    for name in wrong:
        vars(device).update(good)
        challenge = post(client, "sign-in/passkey/options")
        if name == "challenge":
            challenge["challenge"] = encode(b"x" * 52)
        elif name == "registration":
            challenge = post(client, "people/me/passkeys/options", None, person.headers)
        else:
            BAD[name](device)
        assert refused(client, "sign-in/passkey", {"credential": device.answer(challenge)}) == "sign_in_failed", name
    for name in ("origin", "domain", "not verified"):
        other = Authenticator()
        BAD[name](other)
        body["credential"] = other.create(post(client, "people/me/passkeys/options", None, person.headers))
        answer = client.post("/v1/people/me/passkeys", json=body, headers=person.headers)
        assert answer.json()["code"] == "passkey_invalid", name
    with time_machine.travel(now() + timedelta(minutes=6), tick=False):
        late = device.answer(challenge)
        assert refused(client, "sign-in/passkey", {"credential": late}) == "sign_in_failed"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_authenticator_may_answer_nonsense(client: TestClient, db: Database) -> None:
    person, device = make.person(client, db, "Ada"), Authenticator()
    credential = device.create(post(client, "people/me/passkeys/options", None, person.headers))
    post(client, "people/me/passkeys", {"name": "K", "credential": credential}, person.headers, 201)
    junk: list[Any] = [None, 0, "", "é", "AAAA", [], {}, "!", "A" * 3000, encode(b"{}"), encode(b"[" * 5000), True]
    for make_one, path in ((device.create, "people/me/passkeys"), (device.answer, "sign-in/passkey")):
        options = "people/me/passkeys/options" if make_one == device.create else "sign-in/passkey/options"
        good = make_one(post(client, options, None, person.headers))
        cases = [{**good, name: value} for name in ("id", "rawId", "type", "response") for value in junk]
        for name in good["response"]:
            cases += [{**good, "response": {**good["response"], name: value}} for value in junk]
        for case in [*cases, {}, {"id": good["id"]}]:
            body = {"name": "K", "credential": case}
            if make_one == device.answer:
                del body["name"]
            answer = client.post(f"/v1/{path}", json=body, headers=person.headers)
            assert answer.status_code in (200, 201, 401, 422), (case, answer.text)


def test_tokens_are_stored_for_no_idempotency_key(client: TestClient, db: Database, admin: Headers) -> None:
    invitation = invite(client, admin)
    again = {"Idempotency-Key": "once", **admin}
    url = f"people/{invitation['person_id']}/invitations"
    invitation = post(client, url, None, again, 201)
    assert refused(client, url, None, **again) == "shown_once"
    key, body = {"Idempotency-Key": "twice"}, {"token": invitation["token"], "password": PASSWORD}
    own = bearer(post(client, "invitations/accept", body, key))
    post(client, "sign-in/password", {"email": "ada@example.com", "password": PASSWORD}, key)
    secret = post(client, "people/me/totp", None, {**own, **key})["secret"]

    def kept(session: Session) -> str:
        return str([(row.key, row.body, row.headers) for row in session.scalars(sa.select(Replay))])

    with db.transaction() as session:
        stored = kept(session)
    assert "once" in stored
    assert not [word for word in (invitation["token"], secret, own["Authorization"][7:]) if word in stored]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("a good long sentence", None),
        ("gute Nacht, Freunde!", None),
        ("十二文字以上のパスワード例文", None),
        ("eleven char", "short"),
        ("password1234", "guessable"),
        ("PasswordPassword", "guessable"),
        ("aaaaaaaaaaaaaaaa", "guessable"),
        ("ada.lovelace1815", "guessable"),
        ("lovelace-example", "guessable"),
        ("123456789012", "guessable"),
        ("abababababababab", "guessable"),
        ("P@ssw0rd-2026!", "guessable"),
        ("Harbour-Times-2026", "guessable"),
        ("harbourtimes.example", "guessable"),
        ("correct horse battery staple", "guessable"),
        ("Summer2026Winter", "guessable"),
        ("a harbour full of old boats", None),
    ],
)
def test_what_a_good_password_is(password: str, code: str | None) -> None:
    if code is None:
        check_password(password, *CONTEXTS)
        return
    with pytest.raises(Invalid) as refusal:
        check_password(password, *CONTEXTS)
    assert [error["code"] for error in refusal.value.errors] == [code]
    assert password not in str(refusal.value)


def test_attempts_count_by_address_range_and_account(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "sign-in=4/hour,sign-in-range=9/hour,account=3/hour"
    app = create_app(settings.model_copy(update={"rate_limits": limits}), with_worker=False)
    with TestClient(app, raise_server_exceptions=False) as client:

        def attempt(email: str, address: str, **headers: str) -> int:
            client._transport.client = (address, 1)  # type: ignore[attr-defined]
            body = {"email": email, "password": OTHER}
            return client.post("/v1/sign-in/password", json=body, headers=headers).status_code

        forwarded = [{"X-Forwarded-For": f"192.0.2.{n}"} for n in range(5)]
        one = [attempt(f"{n}@example.com", "2001:db8:1:1::1", **forwarded[n]) for n in range(5)]
        assert one == [401, 401, 401, 401, 429], "one address, whatever it says"
        same = attempt("new@example.com", "2001:db8:1:1:ffff::2")
        assert same == 429, "and its /64"
        wide = [attempt(f"x{n}@example.com", f"2001:db8:1:{n + 2}::1") for n in range(6)]
        assert wide == [401, 401, 401, 401, 401, 429], "its /48"
        many = [attempt("Ada@example.com" if n % 2 else "ada@EXAMPLE.com", f"2001:db8:{n + 9}::1") for n in range(4)]
        assert many == [401, 401, 401, 429], "an account that nobody has"


def test_nobody_is_locked_out_by_those_who_guess(settings: Settings, admin: Headers) -> None:
    """Whoever has signed in before, has attempts of their own: with their token, and for their address alone."""
    limits = "sign-in=99/hour,account=3/hour"
    app = create_app(settings.model_copy(update={"rate_limits": limits}), with_worker=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        own = accept(client, invite(client, admin), password=PASSWORD)
        other = accept(client, invite(client, admin, "Bo", "bo@example.com"), password=PASSWORD)["device_token"]
        device = own["device_token"]
        forged = f"{device[:-1]}{'0' if device[-1] != '0' else '1'}"
        guesses = [sign_in(client, OTHER).status_code]
        guesses += [sign_in(client, OTHER, device=one).status_code for one in (other, forged)]
        assert guesses == [401, 401, 401]
        assert sign_in(client, device=other).status_code == 429
        refreshed = post(client, "sign-in/refresh", {"refresh_token": own["refresh_token"]})
        assert refreshed["device_token"] == device
        assert sign_in(client, device=device).status_code == 200
        assert [sign_in(client, OTHER, device=device).status_code for _ in range(3)] == [401, 401, 429], "no free pass"


SELF_SERVICE = {"people/me", "people/me/sessions", "people/me/passkeys", "whoami"}


@pytest.mark.parametrize("asked_of", ["all", "reporter, admin", "desk"])
def test_people_without_a_second_factor_can_only_set_it_up(
    settings: Settings, db: Database, admin: Headers, asked_of: str
) -> None:
    parsed = Settings(_env_file=None, require_second_factor=asked_of)  # type: ignore[arg-type]  as from the environment
    changed = settings.model_copy(update={"require_second_factor": parsed.require_second_factor})
    with TestClient(create_app(changed, with_worker=False), raise_server_exceptions=False) as client:
        invitation = invite(client, admin)
        url = f"people/{invitation['person_id']}/grants"
        make.ok(client.put(f"/v1/{url}", json=[{"role": "reporter"}], headers=admin))
        own = bearer(accept(client, invitation, password=PASSWORD))
        is_asked = asked_of != "desk"
        for path in ("articles?state=draft", "tasks", "people", "audit", "editorial/live?last_event_id=0.0"):
            answer = client.get(f"/v1/{path}", headers=own)
            if is_asked:
                assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required"), path
        writing = client.post("/v1/articles", json={"title": "Mine"}, headers=own)
        assert writing.status_code == (403 if is_asked else 201)
        for path in SELF_SERVICE:
            assert client.get(f"/v1/{path}", headers=own).status_code == 200, path
        assert make.ok(client.get("/v1/whoami", headers=own))["needs_second_factor"] is is_asked
        assert client.patch("/v1/people/me", json={"suspended": True}, headers=own).status_code == 403
        if not is_asked:
            return
        again = bearer(make.ok(sign_in(client)))
        secret = post(client, "people/me/totp", None, again)["secret"]
        code = {"code": pyotp.TOTP(secret).now()}
        make.ok(client.put("/v1/people/me/totp", json=code, headers=again))
        assert make.ok(client.post("/v1/articles", json={"title": "Mine"}, headers=again), 201)
        make.ok(client.delete("/v1/people/me/totp", headers=again), 204)
        assert client.get("/v1/tasks", headers=again).json()["code"] == "second_factor_required"
        device = Authenticator()
        options = post(client, "people/me/passkeys/options", None, again)
        credential = {"credential": device.create(options), "name": "Phone"}
        post(client, "people/me/passkeys", credential, again, 201)
        assert client.get("/v1/tasks", headers=again).status_code == 403, "this session began with a password alone"
        answer = {"credential": device.answer(post(client, "sign-in/passkey/options"))}
        by_passkey = bearer(post(client, "sign-in/passkey", answer))
        assert client.get("/v1/tasks", headers=by_passkey).status_code == 200
