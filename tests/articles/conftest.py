"""What the tests of this folder say again and again."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.make import ok

Headers = dict[str, str]
ANY = {"If-Match": "*"}
Put = Callable[..., dict[str, Any]]


@pytest.fixture
def moderator(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that moderates comments, reads drafts and may ask readers something."""
    return make_key("comments:moderate", "content:read", "content:publish")


@pytest.fixture
def put(client: TestClient, moderator: Headers) -> Put:
    """Set discussions: `put("/sections/world", state="closed")`; without a place those of the site."""

    def put(place: str = "", **fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = ok(client.put(f"/v1{place}/discussion", json=fields, headers={**moderator, **ANY}))
        return found

    return put
