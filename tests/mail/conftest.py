"""What tests of mail begin with: a publication whose mail goes to a server of the test."""

from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from tests.mail.post import Mailbox, serving, token_in, work
from tests.make import Headers, ok, published

SECRET = "a secret that the site and this server share"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """What the mail server takes."""
    return Mailbox()  # type: ignore[return-value]


@pytest.fixture
def settings(settings: Settings, mailbox: Mailbox) -> Iterator[Settings]:
    """The same, with a mail server."""
    with serving(mailbox) as port:
        update = {
            "smtp_url": f"smtp://127.0.0.1:{port}",
            "api_url": "https://api.example",
            "reader_secret": SecretStr(SECRET),
        }
        yield settings.model_copy(update=update)


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A published article."""
    return published(client, editor, "Discussed")


@pytest.fixture
def reader() -> Callable[..., Headers]:
    """Headers of a reader whom the site has signed in: `reader("ann@mail.example", email_verified=True)`."""

    def make(email: str, **claims: Any) -> Headers:
        known = {"sub": email, "email": email, "name": "Reader", "exp": int(now().timestamp()) + 600, **claims}
        return {"Authorization": f"Bearer {jwt.encode(known, SECRET, 'HS256')}"}

    return make


@pytest.fixture
def subscribed(client: TestClient, mailbox: Mailbox) -> Callable[..., dict[str, Any]]:
    """`subscribed("ann@mail.example", "comments.all", article=id)`: asked for, confirmed; the answer to confirming."""

    def make(email: str, kind: str, frequency: str = "immediate", **target: str) -> dict[str, Any]:
        body: dict[str, Any] = {"email": email, "kind": kind, "frequency": frequency}
        for name, value in target.items():
            body["target"] = {"type": name, "id": value}
        ok(client.post("/v1/subscriptions", json=body), 202)
        work(client)
        token = token_in(mailbox.to(email)[-1])
        found: dict[str, Any] = ok(client.post("/v1/subscriptions/confirm", json={"token": token}))
        return found

    return make
