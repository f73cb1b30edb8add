"""What tests of personal data begin with."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.core.settings import Settings
from tests.make import Headers, published

SECRET = "a secret that the site and this server share"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same, of a publication whose site knows its readers."""
    return settings.model_copy(update={"reader_secret": SecretStr(SECRET)})


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    """A published article."""
    return published(client, editor, "Discussed")


@pytest.fixture
def reader() -> Callable[..., Headers]:
    """Headers of a reader: `reader("ann", email=…, email_verified=True)`."""

    def make(subject: str, **claims: Any) -> Headers:
        known = {"sub": subject, "exp": int(datetime.now(UTC).timestamp()) + 600, **claims}
        return {"Authorization": f"Bearer {jwt.encode(known, SECRET, 'HS256')}"}

    return make
