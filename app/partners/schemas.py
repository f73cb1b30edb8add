"""Early access of partners and their access log, as sent and returned."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.articles.schemas import FormatQuery
from app.core.ids import AnyId
from app.core.models import BaseModel, InputModel
from app.publication.schemas import Level
from app.web.paging import PageQuery


class PartnersIn(InputModel):
    """The partners who may read an article before it is public."""

    keys: Annotated[list[AnyId], Field(max_length=100)] = Field(
        description="Ids of at most 100 keys with the scope `syndicate`; they replace the former ones."
    )


class PartnerOut(BaseModel):
    """The key of a partner."""

    id: str
    name: str


class PartnersOut(BaseModel):
    """The partners who may read an article before it is public."""

    article_id: str
    keys: list[PartnerOut]


class FetchOut(BaseModel):
    """A revision that a partner read."""

    id: str
    key: PartnerOut
    revision: int
    level: Level = Field(description="How much of it the partner read, the last time.")
    first_at: datetime
    last_at: datetime
    times: int = Field(description="Number of reads.")


class EarlyQuery(PageQuery, FormatQuery):
    """Parameters of the list of embargoed articles."""
