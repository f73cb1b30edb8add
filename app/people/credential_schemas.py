"""Invitations, passwords, one-time codes and passkeys, as sent and returned."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from app.core.models import BaseModel, InputModel
from app.core.schema_rules import exactly_one
from app.db.rows import JsonObject
from app.people.passwords import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH
from app.text.emails import Email
from app.text.inputs import Length, Name
from app.text.names import PersonName

GivenPassword = Annotated[str, Length(1, MAX_PASSWORD_LENGTH)]
NewPassword = Annotated[
    str,
    Length(1, MAX_PASSWORD_LENGTH),
    Field(description=f"At least {MIN_PASSWORD_LENGTH} characters; frequent words and names are not counted."),
]
GivenDevice = Annotated[str, Length(1, 400)]
Code = Annotated[
    str, Length(6, 40), Field(description="The code that the authenticator app shows, or a recovery code.")
]
InvitationToken = Annotated[str, Length(1, 400), Field(description="The token of the invitation: `bi_…`.")]
Credential = Annotated[
    JsonObject,
    Field(description="`toJSON()` of the `PublicKeyCredential` that the browser returned (WebAuthn level 3)."),
]


class PasswordSignInIn(InputModel):
    """An e-mail address and a password."""

    email: Email
    password: GivenPassword
    totp: Code | None = Field(None, description="A one-time or recovery code, if the person uses them.")
    device: GivenDevice | None = Field(None, description="The `device_token` of an earlier sign-in by this client.")


class PasskeySignInIn(InputModel):
    """The answer of an authenticator."""

    credential: Credential


class InvitationOut(BaseModel):
    """A new invitation."""

    id: str
    person_id: str
    expires_at: datetime
    token: str = Field(description="The token: `bi_…`. It is returned only once.")
    url: str = Field(description="Page at which the person accepts the invitation, with the token.")


class InvitationIn(InputModel):
    """An invitation."""

    token: InvitationToken


class AcceptIn(InputModel):
    """The acceptance of an invitation, with a password or a passkey."""

    model_config = ConfigDict(json_schema_extra=exactly_one("password", "passkey"))

    token: InvitationToken
    name: PersonName | None = Field(None, description="Another name for oneself.")
    email: Email | None = Field(None, description="Address to sign in with, where the invitation is for none.")
    password: NewPassword | None = None
    passkey: Credential | None = None
    totp: Code | None = Field(None, description="A one-time or recovery code, if the person uses them already.")


class PasswordIn(InputModel):
    """A new password."""

    password: NewPassword


class TotpOut(BaseModel):
    """The secret of one-time codes, which are asked for once the first one was sent."""

    secret: str = Field(description="The secret in Base32.")
    uri: str = Field(description="`otpauth://totp/…`, to be shown as a QR code.")


class TotpIn(InputModel):
    """The first one-time code."""

    code: Annotated[str, Length(6, 40), Field(description="The code that the authenticator app shows.")]


class RecoveryCodesOut(BaseModel):
    """Codes to sign in with where the authenticator is lost; each is good for once."""

    recovery_codes: list[str]


class PasskeyIn(InputModel):
    """A new passkey."""

    name: Name = Field(description="Name by which its owner knows it, such as that of the device.")
    credential: Credential


class PasskeyOut(BaseModel):
    """A passkey."""

    id: str
    name: str
    backed_up: bool = Field(description="Whether it is synchronised between devices.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="Time of the last sign-in.")
