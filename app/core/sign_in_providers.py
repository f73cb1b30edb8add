"""OpenID Connect providers through which people sign in, as the operator configures them in `BROADSHEET_OIDC`."""

from typing import Annotated
from urllib.parse import urlsplit

import pydantic_core
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from app.core.models import InputModel
from app.text.inputs import is_http_url

MAX_PROVIDERS = 20
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def is_secure_url(url: str) -> bool:
    """Whether a URL is https, or http on this machine itself, without credentials and fragment."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    return is_http_url(url) and "#" not in url and (parts.scheme == "https" or is_local)


def _require_secure(url: str) -> str:
    if not is_secure_url(url):
        raise ValueError("must be an https URL without credentials and fragment; http only on localhost")
    return url


def _require_issuer(url: str) -> str:
    if "?" in _require_secure(url):
        raise ValueError("must be the provider's issuer as its discovery document has it, without a query")
    return url


def _parse_shorthand(value: object) -> object:
    """Let the slug of a role stand for that role everywhere."""
    return {"role": value} if isinstance(value, str) else value


_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
_SecureUrl = Annotated[str, StringConstraints(max_length=500), AfterValidator(_require_secure)]
_Domain = Annotated[str, StringConstraints(to_lower=True, max_length=253, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")]
_ScopeToken = Annotated[str, StringConstraints(max_length=100, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]  # RFC 6749 §3.3


class GroupRole(InputModel):
    """The role that members of a group of the provider have, in some sections or everywhere."""

    model_config = ConfigDict(frozen=True)

    role: _Slug
    sections: tuple[_Slug, ...] | None = Field(None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _is_possible(self) -> "GroupRole":
        if self.role == "admin" and self.sections is not None:
            raise ValueError("the role admin cannot be limited to sections")
        return self


class SignInProvider(InputModel):
    """An OpenID Connect provider, the client that it knows this server as, and whom it may sign in."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    name: str = Field(min_length=1, max_length=100)
    issuer: Annotated[str, StringConstraints(max_length=300), AfterValidator(_require_issuer)]
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$")]
    client_secret: SecretStr = SecretStr("")
    redirect_uris: tuple[_SecureUrl, ...] = Field(min_length=1, max_length=20)
    scopes: tuple[_ScopeToken, ...] = Field(("openid", "email", "profile"), max_length=20)
    groups_claim: str = Field("", max_length=200)
    roles: dict[str, Annotated[GroupRole, BeforeValidator(_parse_shorthand)]] = Field({}, max_length=200)
    allowed_domains: tuple[_Domain, ...] = Field((), max_length=100)
    create_people: bool = False
    trust_email: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> "SignInProvider":
        if "openid" not in self.scopes:
            raise ValueError("scopes must contain openid")
        if self.roles and not self.groups_claim:
            raise ValueError("roles need groups_claim, the claim of the ID token that lists a person's groups")
        if self.create_people and not self.allowed_domains:
            raise ValueError("create_people needs allowed_domains, else anybody with an account could sign in")
        return self


def parse_providers(value: object) -> object:
    """Parse the setting, which is JSON text in the environment."""
    if not isinstance(value, str):
        return value
    try:
        providers = pydantic_core.from_json(value) if value.strip() else []
    except ValueError:
        providers = None
    if not isinstance(providers, list):  # not within `except`: the error would show the text, which contains secrets
        raise ValueError("must be a JSON list of providers")
    return providers


def require_different_ids(providers: tuple[SignInProvider, ...]) -> tuple[SignInProvider, ...]:
    """Raise ValueError where two providers have the same id."""
    if len({provider.id for provider in providers}) < len(providers):
        raise ValueError("must not give two providers the same id")
    return providers
