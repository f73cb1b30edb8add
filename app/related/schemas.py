"""What is asked of related links, and what editors choose."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.articles.schemas import FormatQuery, RelatedOut
from app.text.inputs import Identifier
from app.web.paging import ListOut

MAX_PINS = 20
RelatedList = ListOut[RelatedOut]


class RelatedQuery(FormatQuery):
    """Parameters of the related links of an article."""

    limit: int = Field(
        20,
        ge=1,
        le=100,
        description="The most that are given, 1 to 100. No article has more than 46: no cursor.",
    )


class PinsIn(BaseModel):
    """The articles that editors choose, in their order."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Identifier], Field(max_length=MAX_PINS)] = Field(
        description="Ids or slugs of other articles, each once, at most 20; none to take all pins away."
    )
