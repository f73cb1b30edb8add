"""Partners as editors name them, and the ledger as they read it."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.articles.schemas import FormatQuery
from app.core.ids import AnyId
from app.publication.schemas import Level
from app.web.paging import PageQuery


class PartnersIn(BaseModel):
    """Who may read an article before it is public."""

    model_config = ConfigDict(extra="forbid")

    keys: Annotated[list[AnyId], Field(max_length=100)] = Field(
        description="Ids of keys with the scope `syndicate`, in place of those named before; at most 100."
    )


class PartnerOut(BaseModel):
    """A key of a partner."""

    id: str
    name: str


class PartnersOut(BaseModel):
    """Who may read an article before it is public."""

    article_id: str
    keys: list[PartnerOut]


class FetchOut(BaseModel):
    """A revision that a partner was given."""

    id: str
    key: PartnerOut
    revision: int
    level: Level = Field(description="How much of it, the last time.")
    first_at: datetime
    last_at: datetime
    times: int = Field(description="How often.")


class EarlyQuery(PageQuery, FormatQuery):
    """What to read of articles to come."""
