"""Who am I."""

from collections.abc import Callable

from starlette.testclient import TestClient


def test_anonymous(client: TestClient) -> None:
    answer = client.get("/v1/whoami")
    assert answer.status_code == 200
    assert answer.json() == {"kind": "anonymous", "id": None, "name": None, "scopes": [], "sections": None}


def test_a_key_sees_its_scopes(client: TestClient, make_key: Callable[..., dict[str, str]]) -> None:
    answer = client.get("/v1/whoami", headers=make_key("content:read"))
    assert answer.json()["scopes"] == ["content:read"]
