"""What is asked for as it comes in, and what confirming gives."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.kit.ids import AnyId
from app.kit.rules import both, exactly_one, given, where
from app.kit.text import HttpUrl, Identifier
from app.subscriptions.schemas import KINDS, Email, Frequency, Kind, ManageTokenOut, SubscriptionOut

_TARGET = both(exactly_one("id", "slug"), where("type", ["comment"], given("id")))


class TargetIn(BaseModel):
    """What a subscription shall be about, by id or slug."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_TARGET)

    type: Literal["section", "series", "author", "tag", "article", "comment"]
    id: AnyId | None = Field(None, description="Its id.")
    slug: Identifier | None = Field(None, description="Its slug instead; comments have none.")

    @model_validator(mode="after")
    def _one(self) -> "TargetIn":
        if (self.id is None) == (self.slug is None) or (self.type == "comment" and self.id is None):
            raise ValueError("give either id or slug; for a comment its id")
        return self


class SubscriptionIn(BaseModel):
    """A subscription to ask for."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = Field(
        None,
        description="Where to send it; never shown, and mailed to only once it was confirmed. Needed unless the "
        "caller's token proves an address: then that one is taken.",
    )
    kind: Kind = Field(description=KINDS)
    target: TargetIn | None = Field(None, description="What it is about; none: the whole site.")
    frequency: Frequency = Field("immediate", description="At once, or gathered in a daily or weekly digest.")
    confirm_url: HttpUrl | None = Field(
        None,
        description="The page that the mail leads to, with `token` added to its query; on the publication's site or "
        "one of its front ends. It sends the token on by `POST /v1/subscriptions/confirm`.",
    )


class AcceptedOut(BaseModel):
    """The one answer, whatever is known of the address."""

    accepted: Literal[True]


class ConfirmIn(BaseModel):
    """The token of a mail."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=200, description="`bc_…`, from the link in the mail.")


class ConfirmedOut(ManageTokenOut):
    """A subscription that holds now."""

    subscription: SubscriptionOut
