"""Schemas of fronts."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints

from app.articles.schemas import AsOf, ListedArticleOut
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import absent, at_most_one, both, given, where
from app.publication.schemas import PageUrl
from app.text.inputs import Identifier, Title, Whole
from app.web.paging import PageQuery, PreviewedQuery, PreviewedReadQuery

Kind = Literal["pinned", "newest", "discussed", "reacted"]
MAX_BLOCKS, MAX_PINS, MAX_ARTICLES = 20, 30, 200
FILTERS = ("section", "series", "tag", "author", "type")
TypeWord = Annotated[str, StringConstraints(min_length=1, max_length=40)]
_KIND = (
    "`pinned`: the given `articles`, in order. `newest`: the newest articles. `discussed`, `reacted`: "
    "those with the most comments or reactions in the last `days`."
)
_FILTER = "Only articles with this value."

_OTHERS = [kind for kind in get_args(Kind) if kind != "pinned"]
_BLOCK = both(
    where("kind", ["pinned"], both(given("articles"), absent("limit", *FILTERS))),
    where("kind", _OTHERS, absent("articles")),
    where("kind", [kind for kind in _OTHERS if kind not in ("discussed", "reacted")], absent("days")),
    at_most_one(*FILTERS),
)


class BlockIn(InputModel):
    """A block of articles: of one section, series, tag, author or type, unless `pinned`, or of all."""

    model_config = ConfigDict(json_schema_extra=_BLOCK)

    kind: Kind = Field(description=_KIND)
    title: Title | None = Field(None, description="Heading of the block.")
    limit: Annotated[int, Field(strict=True, ge=1, le=30), Whole] | None = Field(
        None, description="Maximum number of articles, 1 to 30; 8 by default. Not for `pinned`."
    )
    articles: list[Identifier] | None = Field(
        None, min_length=1, max_length=MAX_PINS, description="For `pinned` only: 1 to 30 ids or slugs."
    )
    days: Literal[1, 7, 30] | None = Field(
        None, description="For `discussed` and `reacted` only: 1, 7 or 30; 7 by default."
    )
    section: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    series: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    tag: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    author: Identifier | None = Field(None, description=f"Id or slug. {_FILTER}")
    type: TypeWord | None = Field(None, description=f"Such as `opinion`. {_FILTER}")


class FrontContent(InputModel):
    """What a front shows."""

    title: Title
    blocks: list[BlockIn] = Field(
        max_length=MAX_BLOCKS,
        description="The blocks in order. An article appears only in the first block that contains it; later "
        "blocks continue with their next articles. At most 200 articles in total.",
    )


class FrontIn(FrontContent):
    """A new or replaced front."""

    state: Literal["published", "draft"] = Field(
        "published",
        description="`draft` saves it without changing what readers see; view it with `preview=true`. "
        "`published` replaces what readers see and deletes the draft.",
    )


class BlockDefinition(BaseModel):
    """The definition of a block."""

    kind: Kind = Field(description=_KIND)
    title: str | None
    limit: int | None = Field(description="Null for `pinned`.")
    articles: list[str] | None = Field(description="Ids; null unless the kind is `pinned`.")
    days: Literal[1, 7, 30] | None = Field(description="Null unless the kind is `discussed` or `reacted`.")
    section: str | None = Field(description="Id of the section that limits the block, or null.")
    series: str | None
    tag: str | None
    author: str | None
    type: str | None


class FrontVersion(BaseModel):
    """A version of a front."""

    title: str
    at: datetime = Field(description="When this version was saved.")
    blocks: list[BlockDefinition]


class FrontDefinition(BaseModel):
    """The published version and the draft of a front."""

    id: str
    slug: str
    published: FrontVersion | None = Field(description="The version that readers see; null if they get 404.")
    draft: FrontVersion | None = Field(description="The unpublished draft, or null.")
    version: int = Field(description="Incremented with every change; used in the ETag.")
    created_at: datetime
    updated_at: datetime


class FrontName(BaseModel):
    """A front by its names."""

    id: str
    slug: str
    title: str


class FrontHead(FrontName):
    """A front without its blocks."""

    url: PageUrl
    updated_at: datetime = Field(description="When this version was saved.")


class ListedFront(FrontHead):
    """A front in the list; keys with `content:read` for all sections get its definition, and fronts without one."""

    title: str = Field(description="Of the version that readers see, else of the draft.")
    published: FrontVersion | None = None
    draft: FrontVersion | None = None
    version: int | None = None
    created_at: datetime | None = None


class BlockOut(BaseModel):
    """A block with its articles."""

    kind: Kind = Field(description=_KIND)
    title: str | None
    articles: list[ListedArticleOut]


class FrontOut(FrontHead):
    """A front with its blocks and articles."""

    blocks: list[BlockOut]


class FrontQuery(PreviewedReadQuery):
    """Parameters of a front."""

    preview: bool = Field(False, description="Show the draft, if there is one; needs `content:read` for all sections.")
    as_of: AsOf = None


class FrontsQuery(PreviewedQuery, PageQuery):
    """Parameters of the list of fronts."""
