"""Fixtures for tests of feeds."""

import pytest

from app.core.settings import Settings

API = "https://api.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Use different hosts for the API and the site."""
    return settings.model_copy(update={"api_url": API})
