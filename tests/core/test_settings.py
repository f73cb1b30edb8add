"""Settings: what cannot work is refused with a word about it."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.cli.common import explain
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


PROVIDER = {
    "id": "id",
    "name": "Id",
    "issuer": "https://id.example",
    "client_id": "desk",
    "client_secret": "hush",
    "redirect_uris": ["https://desk.example/signed-in"],
}


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ("{", "BROADSHEET_OIDC: Value error, must be a JSON list of providers"),
        ({}, "BROADSHEET_OIDC: Value error, must be a JSON list of providers"),
        ([PROVIDER, PROVIDER], "BROADSHEET_OIDC: Value error, must not give two providers the same id"),
        ([{**PROVIDER, "client_secret": 7}], "BROADSHEET_OIDC: 0.client_secret: Input should be a valid string"),
        ([{**PROVIDER, "secret": "hush"}], "BROADSHEET_OIDC: 0.secret: Extra inputs are not permitted"),
        ([{**PROVIDER, "issuer": "http://id.example"}], "0.issuer: Value error, must be an https URL"),
        ([{**PROVIDER, "issuer": "https://id.example/?a=b"}], "0.issuer: Value error, must be the provider's issuer"),
        ([{**PROVIDER, "redirect_uris": []}], "0.redirect_uris: "),
        ([{**PROVIDER, "redirect_uris": ["http://desk.example/"]}], "0.redirect_uris.0: Value error, must be an https"),
        ([{**PROVIDER, "redirect_uris": ["https://desk.example/#a"]}], "0.redirect_uris.0: Value error, must be an"),
        ([{**PROVIDER, "scopes": ["email"]}], "scopes must contain openid"),
        ([{**PROVIDER, "roles": {"staff": "editor"}}], "roles need groups_claim"),
        ([{**PROVIDER, "groups_claim": "groups", "roles": {"staff": {"role": "No"}}}], "0.roles.staff.role: "),
        (
            [{**PROVIDER, "groups_claim": "groups", "roles": {"staff": {"role": "admin", "sections": ["sport"]}}}],
            "0.roles.staff: Value error, the role admin cannot be limited to sections",
        ),
        ([{**PROVIDER, "create_people": True}], "create_people needs allowed_domains"),
        ([{**PROVIDER, "allowed_domains": ["example"]}], "0.allowed_domains.0: "),
    ],
)
def test_providers_are_refused_without_showing_secrets(
    providers: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_OIDC", providers if isinstance(providers, str) else json.dumps(providers))
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None)
    assert message in (explain(refused.value) or "")
    assert "hush" not in f"{refused.value} {explain(refused.value)}"


def test_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = {
        **PROVIDER,
        "groups_claim": "groups",
        "roles": {"staff": "editor", "sport": {"role": "desk", "sections": ["sport"]}},
        "allowed_domains": ["Example.ORG"],
    }
    monkeypatch.setenv("BROADSHEET_OIDC", json.dumps([provider]))
    settings = Settings(_env_file=None)
    (configured,) = settings.oidc
    assert configured.client_secret.get_secret_value() == "hush"
    assert "hush" not in repr(settings)
    assert configured.allowed_domains == ("example.org",)
    assert configured.roles["staff"].sections is None
    assert configured.roles["sport"].sections == ("sport",)


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
