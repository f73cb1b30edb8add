"""What the tests of kept answers share: an app that keeps them."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.settings import Settings
from app.edge.keeper import Keeper


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which answers are kept."""
    return settings.model_copy(update={"cache_size": 8})


@pytest.fixture
def keeper(client: Any) -> Keeper:
    """What the app of the test keeps."""
    found: Keeper = client.app.state.services.keeper
    return found


@pytest.fixture
def outcome(client: Any) -> Callable[..., str]:
    """Ask for an address, and tell what `Cache-Status` says of the answer."""

    def ask(address: str, **headers: str) -> str:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.get(address, headers=sent, follow_redirects=False)
        return str(answer.headers.get("cache-status", "")).removeprefix("Broadsheet; ")

    return ask
