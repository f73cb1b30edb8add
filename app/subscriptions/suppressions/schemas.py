"""Suppressions as they come in and go out."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.kit.paging import PageQuery
from app.subscriptions.schemas import Email

Reason = Literal["unsubscribe", "bounce", "complaint"]


class SuppressionIn(BaseModel):
    """An address that shall get no mail."""

    model_config = ConfigDict(extra="forbid")

    email: Email = Field(description="Kept as a hash alone.")
    reason: Reason = Field(
        "complaint",
        description="`complaint`: reported as spam (RFC 5965); `bounce`: its server refuses it; `unsubscribe`: they "
        "want nothing. The last ends when a reader who is signed in with this address subscribes again.",
    )


class SuppressionOut(BaseModel):
    """An address that gets no mail. Which one it is cannot be read from it."""

    id: str
    reason: Reason
    created_at: datetime
    created_by: str | None = Field(description="Id of the key that asked for it; null: the subscriber or their server.")


class SuppressionQuery(PageQuery):
    """Filters of the list of suppressions."""

    reason: Reason | None = Field(None, description="Only those with this reason.")
    email: Email | None = Field(None, description="Only that of this address.")
