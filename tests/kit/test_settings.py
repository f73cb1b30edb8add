"""Settings: what cannot work is refused with a word about it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.kit.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_zone", "Nowhere/Land"),
        ("time_zone", "../../etc/passwd"),
        ("site_url", "site.example"),
        ("article_path", "/news"),
        ("article_path", "{slug}"),
        ("log_format", "xml"),
        ("max_body_size", 1),
        ("reader_jwks_url", "http://site.example/keys"),
        ("reader_jwks_url", "https:///keys"),
        ("reader_jwks_url", "file:///etc/passwd"),
        ("reader_jwks_url", "http://localhost.site.example/keys"),
        ("reader_secret", "x" * 31),
    ],
)
def test_what_cannot_work_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **{name: value})


def test_defaults_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_FRONTEND_ORIGINS", "https://a.example, https://b.example/")
    monkeypatch.setenv("BROADSHEET_DATA_DIR", "somewhere")
    monkeypatch.setenv("BROADSHEET_SITE_URL", "https://site.example/")
    settings = Settings(_env_file=None)
    assert settings.frontend_origins == ["https://a.example", "https://b.example"]
    assert settings.database == f"sqlite:///{Path('somewhere') / 'broadsheet.db'}"
    assert settings.media == str(Path("somewhere") / "media")
    assert settings.site_url == "https://site.example"


def test_the_secret_that_readers_are_known_by_is_not_printed() -> None:
    settings = Settings(_env_file=None, reader_secret="canary" * 6, reader_jwks_url="http://localhost:9/keys")
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump_json()}"
