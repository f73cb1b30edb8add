"""What tests of votes and reactions begin with."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.make import Headers, published


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A published article."""
    return published(client, editor, "Discussed")
