"""The moderation log as it goes out."""

from datetime import datetime

from pydantic import BaseModel, Field

from app.kit.paging import PageQuery

ID_PATTERN = r"^[0-9a-f-]{36}$"


class DecisionReasonOut(BaseModel):
    """Why something was decided."""

    stage: str = Field(description="The rule that spoke: `links`, `phrases`, `flood`, `reports`, …")
    detail: str = Field(description="What it found; never text of the comment.")


class LogOut(BaseModel):
    """One decision."""

    id: str
    at: datetime
    comment_id: str | None
    article_id: str | None
    actor_kind: str = Field(description="`key` for a moderator, `system` for a rule, else the kind of reader.")
    actor_id: str | None = Field(description="Id of the key; null for rules and readers.")
    action: str = Field(description="`approve`, `reject`, `spam`, `remove`, `restore`, `feature`, `hide`, `decline`, …")
    state: str | None = Field(description="The comment's state from then on; null: it did not change.")
    reasons: list[DecisionReasonOut]
    note: str | None = Field(description="The moderator's reason, which the author may read.")


class LogQuery(PageQuery):
    """Filters of the moderation log."""

    comment: str | None = Field(None, pattern=ID_PATTERN, description="Only what was decided about this comment.")
    article: str | None = Field(None, pattern=ID_PATTERN, description="Only comments of this article, by id.")
    actor: str | None = Field(None, pattern=ID_PATTERN, description="Only what this key decided.")
    action: str | None = Field(None, max_length=40, description="Exactly this action.")
