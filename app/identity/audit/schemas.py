"""The audit log as it goes out."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.kit.clock import When
from app.kit.paging import PageQuery

_ID = r"^[0-9a-f-]{36}$"


class AuditOut(BaseModel):
    """One action."""

    id: str
    at: datetime
    actor_kind: str = Field(description="`key` or `system`.")
    actor_id: str | None
    actor_name: str
    action: str = Field(description="What was done: `article.publish`, `key.revoke`, …")
    subject_kind: str
    subject_id: str | None
    detail: dict[str, Any] = Field(description="Names of changed fields, states, reasons.")


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    since: When | None = Field(None, description="From this time on, RFC 3339, or from this day of `TIME_ZONE` on.")
    until: When | None = Field(None, description="Before this time, or before this day of `TIME_ZONE`.")
    subject_kind: str | None = Field(
        None, pattern=r"^[a-z][a-z_.]{0,39}$", description="Kind of what was acted on: `article`, `key`, `comment`, …"
    )
    subject_id: str | None = Field(None, pattern=_ID, description="Id of what was acted on.")
    subject: str | None = Field(None, pattern=_ID, description="Another name of `subject_id`.")
    actor: str | None = Field(None, pattern=_ID, description="Id of the key that acted.")
    action: str | None = Field(None, max_length=60, description="Exactly this action.")
