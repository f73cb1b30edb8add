"""Fronts as they come in, as editors see them, and as readers get them."""

from datetime import datetime
from itertools import combinations
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.articles.schemas import ListedArticleOut
from app.core.schema_rules import absent, both, given, not_together, where
from app.text.inputs import Identifier, Title, Whole
from app.web.paging import PageQuery
from app.web.responses import ReadQuery

Kind = Literal["pinned", "newest", "discussed", "reacted"]
MAX_BLOCKS, MAX_PINS, MAX_ARTICLES = 20, 30, 200
FILTERS = ("section", "series", "tag", "author", "type")
TypeWord = Annotated[str, StringConstraints(min_length=1, max_length=40)]
_KIND = (
    "`pinned`: the `articles`, in their order. `newest`: the newest ones. `discussed`, `reacted`: those with the most "
    "comments or reactions of the last `days`."
)
_FILTER = "Only its articles; at most one of section, series, tag, author and type. Not for `pinned`."

_OTHERS = [kind for kind in get_args(Kind) if kind != "pinned"]
_BLOCK = both(
    where("kind", ["pinned"], both(given("articles"), absent("limit", *FILTERS))),
    where("kind", _OTHERS, absent("articles")),
    where("kind", [kind for kind in _OTHERS if kind not in ("discussed", "reacted")], absent("days")),
    *(not_together(*pair) for pair in combinations(FILTERS, 2)),
)


class BlockIn(BaseModel):
    """A block of articles."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_BLOCK)

    kind: Kind = Field(description=_KIND)
    title: Title | None = Field(None, description="What stands over it.")
    limit: Annotated[int, Field(strict=True, ge=1, le=30), Whole] | None = Field(
        None, description="The most articles that it shows, 1 to 30; 8 if absent. Not for `pinned`."
    )
    articles: list[Identifier] | None = Field(
        None, min_length=1, max_length=MAX_PINS, description="Of `pinned` alone: ids or slugs, 1 to 30."
    )
    days: Literal[1, 7, 30] | None = Field(
        None, description="Of `discussed` and `reacted` alone: 1, 7 or 30; 7 if absent."
    )
    section: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    series: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    tag: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    author: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    type: TypeWord | None = Field(None, description=f"Such as `opinion`. {_FILTER}")


class FrontIn(BaseModel):
    """A front, in place of what was there."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    state: Literal["published", "draft"] = Field(
        "published",
        description="`draft` keeps it beside what readers get, to be looked at with `preview=true`; `published` puts "
        "it in its place, and forgets the draft.",
    )
    blocks: list[BlockIn] = Field(
        max_length=MAX_BLOCKS,
        description="In their order; an article is shown once, in the first block that has it, and later blocks go on "
        "to their next ones. 200 articles in all at most.",
    )


class BlockDefinition(BaseModel):
    """How a block is put together, with ids."""

    kind: Kind = Field(description=_KIND)
    title: str | None
    limit: int | None = Field(description="Null for `pinned`.")
    articles: list[str] | None = Field(description="Ids; null but for `pinned`.")
    days: Literal[1, 7, 30] | None = Field(description="Null but for `discussed` and `reacted`.")
    section: str | None = Field(description="Id of the section that it is limited to, or null.")
    series: str | None
    tag: str | None
    author: str | None
    type: str | None


class FrontVersion(BaseModel):
    """A title and blocks."""

    title: str
    at: datetime = Field(description="When it was put together so.")
    blocks: list[BlockDefinition]


class FrontDefinition(BaseModel):
    """How a front is put together: what readers get, and the draft beside it."""

    id: str
    slug: str
    published: FrontVersion | None = Field(description="Null: readers get 404.")
    draft: FrontVersion | None = Field(description="What an editor is trying, or null.")
    version: int = Field(description="Counts every change; the ETag carries it.")
    created_at: datetime
    updated_at: datetime


class BlockOut(BaseModel):
    """A block with its articles."""

    kind: Kind = Field(description=_KIND)
    title: str | None
    articles: list[ListedArticleOut]


class FrontOut(BaseModel):
    """A front with everything on it."""

    id: str
    slug: str
    title: str
    updated_at: datetime = Field(description="When it was put together so.")
    blocks: list[BlockOut]


class FrontQuery(ReadQuery):
    """Parameters of a front."""

    preview: bool = Field(False, description="Show the draft, if there is one; needs `content:read` for all sections.")


class FrontsQuery(PageQuery):
    """Parameters of the list of fronts."""
