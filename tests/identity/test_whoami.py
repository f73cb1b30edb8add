"""Who am I."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

pytestmark = pytest.mark.portable


def test_anonymous(client: TestClient) -> None:
    answer = client.get("/v1/whoami")
    assert answer.status_code == 200
    nothing = {"scopes": [], "sections": None, "person": None, "grants": [], "needs_second_factor": False}
    assert answer.json() == {"kind": "anonymous", "id": None, "name": None, **nothing}


def test_a_key_sees_its_scopes(client: TestClient, make_key: Callable[..., dict[str, str]]) -> None:
    answer = client.get("/v1/whoami", headers=make_key("content:read"))
    assert answer.json()["scopes"] == ["content:read"]
    assert answer.json()["grants"] == [{"role": None, "scopes": ["content:read"], "sections": None}]
