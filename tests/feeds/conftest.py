"""What tests of syndication begin with."""

import pytest

from app.core.settings import Settings

API = "https://api.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The API is reached elsewhere than the site."""
    return settings.model_copy(update={"api_url": API})
