"""A receiver on the loopback, and what the worker and the courier do, done at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from tests.make import ok
from tests.receiver import Receiver, work_through

Headers = dict[str, str]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks may reach this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


@pytest.fixture
def manager(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that manages webhooks."""
    return make_key("webhooks:manage")


@pytest.fixture
def work(db: Database, settings: Settings) -> Callable[[], None]:
    """Read the log to its end, then send all that is due."""

    return lambda: work_through(settings)


@pytest.fixture
def hook(client: TestClient, manager: Headers, receiver: Receiver) -> dict[str, Any]:
    """A webhook for everything, at the receiver."""
    return ok(client.post("/v1/webhooks", json={"url": receiver.url, "events": ["*"]}, headers=manager), 201)


def verified(hook: dict[str, Any], message: tuple[Headers, bytes]) -> Any:
    """A message that is genuine, as a receiver finds out."""
    headers, body = message
    return Webhook(hook["secret"]).verify(body, headers)


def sent(client: TestClient, manager: Headers, hook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    """The deliveries of a webhook as the API lists them."""
    return ok(client.get(f"/v1/webhooks/{hook['id']}/deliveries{query}", headers=manager))["data"]
