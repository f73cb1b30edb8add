"""Operations on articles as they are sent together, and what became of each."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.articles.editing.schemas import ArticlePatch
from app.articles.publishing.schemas import PublishIn, RetractIn, ScheduleIn
from app.kit.problems import ErrorDetail
from app.kit.text import Identifier

MAX_OPERATIONS = 100


class BulkOp(BaseModel):
    """What all operations name."""

    model_config = ConfigDict(extra="forbid")

    article: Identifier = Field(description="Slug or id.")
    if_match: str | None = Field(
        None, max_length=2000, description="As the header `If-Match` of the single route: an ETag, or `*`."
    )


class BulkPublish(BulkOp):
    """As `POST …/publish`."""

    op: Literal["publish"]
    body: PublishIn | None = None


class BulkVerb(BulkOp):
    """As the single route of this name; it takes no body."""

    op: Literal["unpublish", "unschedule", "delete"]


class BulkRetract(BulkOp):
    """As `POST …/retract`."""

    op: Literal["retract"]
    body: RetractIn


class BulkSchedule(BulkOp):
    """As `PUT …/schedule`."""

    op: Literal["schedule"]
    body: ScheduleIn


class BulkPatch(BulkOp):
    """As `PATCH /v1/articles/{article}`."""

    op: Literal["patch"]
    body: ArticlePatch


AnyBulkOp = Annotated[
    BulkPublish | BulkVerb | BulkRetract | BulkSchedule | BulkPatch,
    Field(discriminator="op"),
]


class ArticleBulkIn(BaseModel):
    """Operations to carry out in their order."""

    model_config = ConfigDict(extra="forbid")

    operations: list[AnyBulkOp] = Field(min_length=1, max_length=MAX_OPERATIONS)


class BulkResultOut(BaseModel):
    """What became of one operation."""

    op: str
    id: str | None = Field(description="Id of the article; null where the operation was refused.")
    status: int = Field(description="As the single route would have answered.")
    version: int | None
    etag: str | None = Field(description="For the next `if_match`; after 412 that of the version which stands.")
    code: str | None = Field(description="Code of the problem, or null.")
    detail: str | None
    errors: list[ErrorDetail] | None
    retry_after: int | None = Field(description="Seconds to wait after 429 and 503.")


class ArticleBulkOut(BaseModel):
    """A result for each operation, in their order."""

    data: list[BulkResultOut]
