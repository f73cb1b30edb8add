"""A receiver on this machine, and functions that do the work of worker and courier at once."""

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests.make import ok
from tests.receiver import Receiver, work_through

Headers = dict[str, str]


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the OpenAPI document of an app that is not started."""
    data = tmp_path_factory.mktemp("data")
    return create_app(Settings(_env_file=None, data_dir=data), with_worker=False).openapi()


@pytest.fixture
def receiver(document: dict[str, Any]) -> Iterator[Receiver]:
    """A receiver that compares messages with their schemas."""
    with Receiver() as found:
        yield found
    for message in found.told:
        webhook = document["webhooks"][message["type"]]["post"]
        schema = webhook["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.validate({**schema, "components": document["components"]}, message)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Allow webhooks on this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


@pytest.fixture
def manager(make_key: Callable[..., Headers]) -> Headers:
    """Return headers with a key that manages webhooks."""
    return make_key("webhooks:manage")


@pytest.fixture
def work(db: Database, settings: Settings) -> Callable[[], None]:
    """Read the log to its end, then send everything that is due."""

    return lambda: work_through(settings)


@pytest.fixture
def hook(client: TestClient, manager: Headers, receiver: Receiver) -> dict[str, Any]:
    """Create a webhook for all events at the receiver."""
    return ok(client.post("/v1/webhooks", json={"url": receiver.url, "events": ["*"]}, headers=manager), 201)


def verified(hook: dict[str, Any], message: tuple[Headers, bytes]) -> Any:
    """Verify the signature of a message and return the message."""
    headers, body = message
    return Webhook(hook["secret"]).verify(body, headers)


def sent(client: TestClient, manager: Headers, hook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    """List the deliveries of a webhook."""
    return ok(client.get(f"/v1/webhooks/{hook['id']}/deliveries{query}", headers=manager))["data"]
