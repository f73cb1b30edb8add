"""Bans: what can be banned, until when, for whom, and that the addresses are not kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.db import Database
from app.identity.secrets import SALT_PERIOD
from app.moderation.bans import BAN, address_hash_expiry
from app.moderation.pipeline import ban_values, has_ban, normalize_email
from tests.make import Headers, ok, section
from tests.moderation.cases import STRANGER
from tests.moderation.stock import comment, participant, report, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
HASH = "c" * 64


def impose(client: TestClient, headers: Headers, status: int = 201, **body: Any) -> dict[str, Any]:
    """A ban."""
    return ok(client.post("/v1/bans", json=body, headers=headers), status)


def is_banned(db: Database, who: Any = None, addresses: tuple[str, ...] = (), email: str | None = None) -> bool:
    with db.transaction() as session:
        return has_ban(session, who, addresses, email)


def test_the_identity_behind_a_comment(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    who = participant(db, name="Troll")
    one = comment(db, article, participant_id=who)
    assert not is_banned(db, {**STRANGER, "id": who})
    made = impose(client, moderator, comment_id=one, kind="identity", reason="Insults.")
    assert is_banned(db, {**STRANGER, "id": who})
    assert not is_banned(db, {**STRANGER, "id": new_id()})
    author = {"id": who.replace("-", ""), "name": "Troll", "kind": "guest"}
    assert (made["author"], made["comment_id"], made["until"], made["reason"]) == (author, one, None, "Insults.")
    assert made["created_by"]
    ok(client.delete(f"/v1/bans/{made['id']}", headers=moderator), 204)
    assert not is_banned(db, {**STRANGER, "id": who})
    assert client.delete(f"/v1/bans/{made['id']}", headers=moderator).status_code == 404


def test_an_address_is_banned_while_its_salt_is_known(
    client: TestClient, db: Database, article: Article, moderator: Headers
) -> None:
    one = comment(db, article, address_hash=HASH)
    made = impose(client, moderator, comment_id=one, kind="address")
    assert made["until"] == format_rfc3339(address_hash_expiry(now()))
    assert SALT_PERIOD < address_hash_expiry(now()) - now() <= 2 * SALT_PERIOD
    for addresses in ((HASH, "d"), ("d", HASH)):
        assert is_banned(db, None, addresses)
    assert not is_banned(db, None, ("d", "e"))
    soon = format_rfc3339(now() + timedelta(hours=1))
    other = comment(db, article, address_hash="e" * 64)
    assert impose(client, moderator, comment_id=other, kind="address", until=soon)["until"] == soon
    old = comment(db, article, address_hash="f" * 64, age=61 * 24 * 60)
    assert impose(client, moderator, 422, comment_id=old, kind="address")["errors"][0]["code"] == "not_known"


def test_an_email_and_its_variants(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article, email="bad@mail.example")
    impose(client, moderator, comment_id=one, kind="email")
    for email in ("bad@mail.example", "BAD@Mail.Example", "bad+other@mail.example"):
        assert is_banned(db, None, (), email)
        assert is_banned(db, {**STRANGER, "email": email})
    assert not is_banned(db, None, (), "good@mail.example")
    assert "bad@" not in str(stored(db, BAN))
    assert normalize_email(" A.B+c+d@X.example ") == "a.b@x.example"


def test_a_domain_and_those_below_it(client: TestClient, db: Database, moderator: Headers) -> None:
    made = impose(client, moderator, kind="email_domain", value="Spam.example")
    assert made["domain"] == "spam.example"
    for email in ("a@spam.example", "b@mail.spam.example"):
        assert is_banned(db, None, (), email)
    for email in ("a@notspam.example", "a@spam.example.org", "spam.example@site.example"):
        assert not is_banned(db, None, (), email)
    assert impose(client, moderator, kind="email_domain", value="x@other.example")["domain"] == "other.example"


def test_a_ban_ends(client: TestClient, db: Database, moderator: Headers) -> None:
    body = {"kind": "email", "value": "bad@mail.example"}
    impose(client, moderator, **body, until=format_rfc3339(now() + timedelta(hours=1)))
    assert impose(client, moderator, 409, **body)["code"] == "already_banned"
    with db.transaction() as session:
        session.execute(BAN.update().values(until=now() - timedelta(seconds=1)))
    assert not is_banned(db, None, (), "bad@mail.example")
    impose(client, moderator, **body)
    assert is_banned(db, None, (), "bad@mail.example")
    assert len(stored(db, BAN)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "email"},
        {"kind": "identity", "value": "bad@mail.example"},
        {"kind": "address", "value": "10.0.0.0/8"},
        {"kind": "email", "value": "mail.example"},
        {"kind": "email", "value": "bad@"},
        {"kind": "email_domain", "value": "com"},
        {"kind": "email_domain", "value": "a b.example"},
        {"kind": "email", "value": "bad@mail.example", "until": "2020-01-01T00:00:00Z"},
        {"kind": "email", "value": "bad@mail.example", "comment_id": new_id()},
        {"kind": "identity", "comment_id": new_id()},
        {"kind": "name", "value": "bad@mail.example"},
    ],
)
def test_what_cannot_be_banned(client: TestClient, db: Database, moderator: Headers, body: dict[str, Any]) -> None:
    impose(client, moderator, 422, **body)
    assert stored(db, BAN) == []


def test_what_a_comment_does_not_tell(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article)
    for kind in ("address", "email", "email_domain"):
        assert impose(client, moderator, 422, comment_id=one, kind=kind)["errors"][0]["code"] == "not_known"


def test_the_list(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article, address_hash=HASH, email="bad@mail.example")
    for kind in ("identity", "address", "email", "email_domain"):
        impose(client, moderator, comment_id=one, kind=kind)
    answer = client.get("/v1/bans?limit=3&count=exact", headers=moderator)
    page = ok(answer)
    assert [row["kind"] for row in page["data"]] == ["email_domain", "email", "address"]
    assert page["page"]["total"] == 4
    (last,) = ok(client.get(f"/v1/bans?cursor={page['page']['next']}", headers=moderator))["data"]
    assert last["kind"] == "identity"
    assert HASH not in answer.text
    assert "bad@" not in answer.text
    (found,) = ok(client.get("/v1/bans?kind=address&fields=kind", headers=moderator))["data"]
    assert found == {"kind": "address"}


def test_only_moderators_of_everything_ban(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    limited = make_key("comments:moderate", sections=[section(client, editor, "Sport")["id"]])
    for headers, status in (({}, 401), (editor, 403), (limited, 403)):
        impose(client, headers, status, kind="email", value="bad@mail.example")
        assert client.delete(f"/v1/bans/{new_id()}", headers=headers).status_code == status


def test_who_is_banned_does_not_report(client: TestClient, db: Database, article: Article, moderator: Headers) -> None:
    one = comment(db, article, state="published")
    hashed = client.app.state.services.vault.hash_address("10.0.0.1")[0]
    impose(client, moderator, comment_id=comment(db, article, address_hash=hashed), kind="address")
    assert ok(report(client, one, "10.0.0.1"), 403)["code"] == "banned"
    ok(report(client, one, "10.0.0.2"), 202)


def test_all_that_somebody_could_be_banned_by_is_asked_for() -> None:
    who = {**STRANGER, "email": "a@one.two.three.four.example"}
    found = ban_values(who, ("x", "y"), "b@five.six.seven.eight.example")
    assert len(found) == len(set(found)) == 11
    assert {"address:x", "address:y", f"identity:{who['id']}", "email_domain:four.example"} <= set(found)
    assert "email_domain:example" not in found


@pytest.mark.parametrize(("named", "theirs"), [("192.0.2.7", "192.0.2.7"), ("2001:DB8::7", "2001:db8::1:2:3:4")])
def test_a_network_address_is_banned_by_hand(
    client: TestClient, db: Database, moderator: Headers, named: str, theirs: str
) -> None:
    vault = client.app.state.services.vault  # type: ignore[attr-defined]
    made = impose(client, moderator, kind="address", value=named, reason="A flood.")
    assert made["until"] == format_rfc3339(address_hash_expiry(now()))
    assert is_banned(db, None, vault.hash_address(theirs))
    assert not is_banned(db, None, vault.hash_address("198.51.100.1"))
    with db.connect() as connection:
        assert named.lower() not in str(connection.execute(BAN.select()).all()).lower()
    impose(client, moderator, 409, kind="address", value=named)
    ok(client.delete(f"/v1/bans/{made['id']}", headers=moderator), 204)
    soon = format_rfc3339(now() + timedelta(hours=1))
    assert impose(client, moderator, kind="address", value=named, until=soon)["until"] == soon


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("address", "192.0.2.0/24"),
        ("address", "2001:db8::/32"),
        ("address", "site.example"),
        ("address", "a@site.example"),
        ("address", "fe80::1%eth0"),
        ("email", "192.0.2.7"),
        ("email_domain", "2001:db8::7"),
        ("identity", "192.0.2.7"),
    ],
)
def test_what_is_no_address_of_its_kind_is_refused(
    client: TestClient, moderator: Headers, kind: str, value: str
) -> None:
    answer = client.post("/v1/bans", json={"kind": kind, "value": value}, headers=moderator)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/value"
    assert value not in answer.text


def test_one_ban_is_read_by_its_id(client: TestClient, moderator: Headers, editor: Headers) -> None:
    made = impose(client, moderator, kind="email_domain", value="spam.example")
    url = f"/v1/bans/{made['id']}"
    assert ok(client.get(url, headers=moderator)) == made
    assert client.get(url, headers=editor).status_code == 403
    assert client.get(f"/v1/bans/{new_id()}", headers=moderator).status_code == 404
