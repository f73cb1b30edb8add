"""What the tests of this room say again and again."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

Send = Callable[..., Response]


@pytest.fixture
def send(client: TestClient, editor: dict[str, str]) -> Send:
    """`send("PATCH", path, {…})` as an editor who replaces any version."""

    def send(method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> Response:
        headers = {**editor, "If-Match": "*", **more.pop("headers", {})}
        return client.request(method, path, json=body, headers=headers, **more)

    return send


@pytest.fixture
def make(send: Send) -> Callable[..., dict[str, Any]]:
    """`make("sections", name="Report")` gives what was made."""

    def make(kind: str, **body: Any) -> dict[str, Any]:
        answer = send("POST", f"/v1/{kind}", body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return make
