"""Guests over HTTP."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from app.identity.participants import erase_participant, find_participant_by
from app.identity.secrets import GUEST_PREFIX
from app.identity.tokens import hash_token, make_token
from app.web.rate_limits import Limiter
from tests.make import Headers, ok
from tests.services import replace_services

pytestmark = pytest.mark.portable


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def test_a_guest_is_made_and_known(client: TestClient, db: Database) -> None:
    answer = client.post("/v1/guests")
    made = ok(answer, 201)
    assert answer.headers["cache-control"] == "private, no-store"
    assert made["guest_token"].startswith("bg_")
    anonymous = ok(client.get("/v1/whoami"))
    seen = ok(client.get("/v1/whoami", headers=bearer(made["guest_token"])))
    assert seen == {**anonymous, "kind": "guest", "id": made["id"]}
    with db.connect() as connection:
        row = find_participant_by(connection, "token_hash", hash_token(made["guest_token"]))
    assert row is not None
    assert (row["public_id"], row["kind"]) == (made["id"], "guest")
    assert made["id"] != row["id"]


def test_each_guest_is_another(client: TestClient) -> None:
    assert len({ok(client.post("/v1/guests"), 201)["guest_token"] for _ in range(3)}) == 3


def test_the_token_is_shown_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "5c6c0b1e"}
    ok(client.post("/v1/guests", headers=headers), 201)
    again = client.post("/v1/guests", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "shown_once")
    assert "bg_" not in again.text


def test_guests_and_edit_tokens_have_no_scopes(client: TestClient) -> None:
    vault = client.app.state.services.vault  # type: ignore[attr-defined]
    for token in (ok(client.post("/v1/guests"), 201)["guest_token"], vault.make_edit_token(new_id())):
        answer = client.get("/v1/keys", headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_edit_token_is_known_by_its_comment(client: TestClient) -> None:
    comment = new_id()
    token = client.app.state.services.vault.make_edit_token(comment)  # type: ignore[attr-defined]
    seen = ok(client.get("/v1/whoami", headers=bearer(token)))
    assert (seen["kind"], seen["id"], seen["scopes"]) == ("edit", comment, [])


@pytest.mark.parametrize(
    "token", ["bg_", "bg_" + "0" * 72, "be_" + "0" * 96, "be_", "bg_" + "ab" * 32 + "00000000", "a.b.c", "eyJhbGciOi.."]
)
def test_a_token_of_nobody_is_a_401(client: TestClient, token: str) -> None:
    answer = client.get("/v1/whoami", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert token not in answer.text


def test_a_wellformed_token_that_nobody_was_given_is_a_401(client: TestClient) -> None:
    token = make_token(GUEST_PREFIX)
    assert client.get("/v1/whoami", headers=bearer(token)).status_code == 401


def test_who_is_erased_is_nobody(client: TestClient, db: Database) -> None:
    token = ok(client.post("/v1/guests"), 201)["guest_token"]
    with db.transaction() as session:
        row = find_participant_by(session, "token_hash", hash_token(token))
        assert row is not None
        erase_participant(session, row["id"])
    assert client.get("/v1/whoami", headers=bearer(token)).status_code == 401


def test_a_guest_who_was_just_seen_costs_no_statement(client: TestClient, statements: list[str]) -> None:
    headers = bearer(ok(client.post("/v1/guests"), 201)["guest_token"])
    client.get("/v1/articles", headers=headers)
    statements.clear()
    client.get("/v1/articles", headers=headers)
    assert [text for text in statements if "participant" in text] == []


def test_an_idempotency_key_belongs_to_its_guest(client: TestClient, make_key: Callable[..., Headers]) -> None:
    key = {"Idempotency-Key": "one"}
    callers = [bearer(ok(client.post("/v1/guests"), 201)["guest_token"]) for _ in range(2)]
    callers.append(bearer(client.app.state.services.vault.make_edit_token(new_id())))  # type: ignore[attr-defined]
    for headers in (*callers, {}):
        assert client.post("/v1/guests", headers=headers | key).status_code == 201


def test_limits_are_each_callers_own(client: TestClient) -> None:
    first, second = (bearer(ok(client.post("/v1/guests"), 201)["guest_token"]) for _ in range(2))
    edit = bearer(client.app.state.services.vault.make_edit_token(new_id()))  # type: ignore[attr-defined]
    replace_services(client.app, limiter=Limiter("reader=2/minute,guest=1/hour,read=3/minute"))
    assert [client.get("/v1/whoami", headers=first).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/v1/whoami", headers=second).headers["ratelimit-policy"].startswith('"reader"')
    assert client.get("/v1/whoami", headers=edit).headers["ratelimit"].startswith('"read";r=2')  # with the strangers
    made = client.post("/v1/guests")
    assert (made.status_code, made.headers["ratelimit-policy"]) == (201, '"guest";q=1;w=3600')
    refused = client.post("/v1/guests")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 60
