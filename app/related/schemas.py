"""Schemas of related articles."""

from typing import Annotated

from pydantic import Field

from app.articles.schemas import FormatQuery, RelatedOut
from app.core.models import InputModel
from app.text.inputs import Identifier
from app.web.paging import ListOut, PreviewedQuery

MAX_PINS = 20
RelatedList = ListOut[RelatedOut]


class RelatedQuery(PreviewedQuery, FormatQuery):
    """Parameters of the list of related articles."""

    limit: int = Field(
        20,
        ge=1,
        le=100,
        description="Maximum number of related articles, 1 to 100. No article has more than 46, so there is no cursor.",
    )


class PinsIn(InputModel):
    """The articles to pin, in order."""

    ids: Annotated[list[Identifier], Field(max_length=MAX_PINS)] = Field(
        description="Ids or slugs of other articles, each once, at most 20; an empty list removes all pins."
    )
