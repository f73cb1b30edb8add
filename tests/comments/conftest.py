"""What tests of comments begin with."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.make import Headers, published


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A published article."""
    return published(client, editor)


@pytest.fixture
def moderator(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that may moderate."""
    return make_key("comments:moderate")
