"""Sign-in through OpenID providers, as sent and returned."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.core.models import BaseModel, InputModel
from app.people.attempts import MAX_BINDING_LENGTH


class ProviderOut(BaseModel):
    """A provider through which people sign in."""

    id: str
    name: str = Field(description="Name to show on a button.")


class SignInOut(BaseModel):
    """The ways to sign in."""

    methods: list[Literal["password", "passkey", "oidc"]]
    providers: list[ProviderOut] = Field(description="OpenID providers, for `POST /v1/sign-in/oidc`.")


class OidcIn(InputModel):
    """The provider through which somebody wants to sign in."""

    provider: str = Field(min_length=1, max_length=40, description="Id of the provider.")
    redirect_uri: str = Field(
        min_length=1, max_length=500, description="Page that the browser returns to: one that the settings list."
    )


class OidcOut(BaseModel):
    """A sign-in that has begun."""

    url: str = Field(description="Page of the provider to send the browser to.")
    state: str = Field(description="The `state` with which the browser returns.")
    binding: str = Field(
        description="Proof that the sign-in was begun in this browser: keep it there, as in `sessionStorage`, and send "
        "it to nobody but this API."
    )


class OidcFinishIn(InputModel):
    """What the browser returned with, and the binding that it kept."""

    state: str = Field(min_length=1, max_length=200, description="Parameter `state` of the address.")
    binding: str = Field(min_length=1, max_length=MAX_BINDING_LENGTH, description="The `binding` of the beginning.")
    code: str = Field(min_length=1, max_length=4096, description="Parameter `code` of the address.")
    iss: str | None = Field(
        None, max_length=500, description="Parameter `iss` of the address (RFC 9207); null if it has none."
    )


class IdentityOut(BaseModel):
    """An account at a provider with which a person signs in."""

    id: str
    issuer: str
    provider: str | None = Field(description="Name of the provider; null if it is not in the settings any more.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="Time of the last sign-in.")
