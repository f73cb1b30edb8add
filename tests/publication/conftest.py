"""What the tests of this room say again and again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from sqlmodel import Session
from starlette.testclient import TestClient

from app.db import Database

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


@pytest.fixture
def impatient(db: Database) -> Callable[[], AbstractContextManager[Session]]:
    """A transaction on PostgreSQL that fails where it would wait; elsewhere there is only one writer anyway."""
    if db.dialect == "sqlite":
        pytest.skip("there is only one writer")

    @contextmanager
    def impatient() -> Iterator[Session]:
        with db.transaction() as session:
            session.execute(sa.text("SET LOCAL lock_timeout = '10ms'"))
            yield session

    return impatient
