"""The audit log as it goes out."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.kit.paging import PageQuery


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

    subject: str | None = Field(None, pattern=r"^[0-9a-f-]{36}$", description="Id of what was acted on.")
    actor: str | None = Field(None, pattern=r"^[0-9a-f-]{36}$", description="Id of the key that acted.")
    action: str | None = Field(None, max_length=60, description="Exactly this action.")
