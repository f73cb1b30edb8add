"""Settings: what cannot work is refused with a word about it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_zone", "Nowhere/Land"),
        ("time_zone", "../../etc/passwd"),
        ("site_url", "site.example"),
        ("article_path", "/news"),
        ("article_path", "{slug}"),
        ("article_path", "/{slug}/news"),
        ("article_path", "/{topic}/{slug}"),
        ("type_paths", "page"),
        ("type_paths", "page=/{section}"),
        ("section_path", "/{section}"),
        ("tag_path", "/{sections}"),
        ("log_format", "xml"),
        ("max_body_size", 1),
        ("reader_jwks_url", "http://site.example/keys"),
        ("reader_jwks_url", "https:///keys"),
        ("reader_jwks_url", "file:///etc/passwd"),
        ("reader_jwks_url", "http://localhost.site.example/keys"),
        ("reader_secret", "x" * 31),
        ("checker_url", "site.example/check"),
        ("checker_url", "https://user:password@site.example/check"),
        ("checker_url", "file:///etc/passwd"),
        ("checker_secret", "whsec_short"),
        ("checker_secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("checker_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"),
        ("checker_on_unavailable", "drop"),
        ("flood_author", 0),
        ("max_links", -1),
        ("reactions", "Agree"),
        ("reactions", "agree,1st"),
        ("reactions", "a" * 32),
        ("reactions", "agree,agree"),
        ("reactions", ",".join("abcdefghijklm")),
    ],
)
def test_what_cannot_work_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **{name: value})


def test_defaults_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_FRONTEND_ORIGINS", "https://a.example, https://b.example/")
    monkeypatch.setenv("BROADSHEET_DATA_DIR", "somewhere")
    monkeypatch.setenv("BROADSHEET_TYPE_PATHS", "page=/{slug}, review=/reviews/{slug}/")
    monkeypatch.setenv("BROADSHEET_SITE_URL", "https://site.example/")
    settings = Settings(_env_file=None)
    assert settings.frontend_origins == ["https://a.example", "https://b.example"]
    assert settings.type_paths == {"page": "/{slug}", "review": "/reviews/{slug}"}
    assert settings.database == f"sqlite:///{Path('somewhere') / 'broadsheet.db'}"
    assert settings.media == str(Path("somewhere") / "media")
    assert settings.site_url == "https://site.example"


def test_secrets_are_not_printed() -> None:
    settings = Settings(
        _env_file=None,
        reader_secret="canary" * 6,
        reader_jwks_url="http://localhost:9/keys",
        checker_secret="whsec_" + "canary12" * 4,
    )
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_reactions_are_names_with_commas() -> None:
    assert Settings(_env_file=None).reactions == ("agree", "disagree", "insightful")
    assert Settings(_env_file=None, reactions=" thanks, well-said,").reactions == ("thanks", "well-said")  # type: ignore[arg-type]
    assert Settings(_env_file=None, reactions="").reactions == ()  # type: ignore[arg-type]
