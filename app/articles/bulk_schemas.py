"""Operations of bulk requests, and their results."""

from typing import Annotated, Literal

from pydantic import Field

from app.articles.approval_schemas import ApproveIn, ReturnIn, SubmitIn
from app.articles.editorial_schemas import ArticlePatch, PublishIn, RetractIn, ScheduleIn
from app.core.models import BaseModel, InputModel
from app.core.problems import ErrorDetail
from app.text.inputs import Identifier

MAX_OPERATIONS = 100


class BulkOp(InputModel):
    """Members of all operations."""

    article: Identifier = Field(description="Slug or id.")
    if_match: str | None = Field(
        None, max_length=2000, description="Like the header `If-Match` of the single route: an ETag, or `*`."
    )


class BulkPublish(BulkOp):
    """`POST …/publish`."""

    op: Literal["publish"]
    body: PublishIn | None = None


class BulkVerb(BulkOp):
    """The single route of this name, which takes no body."""

    op: Literal["unpublish", "unschedule", "delete"]


class BulkRetract(BulkOp):
    """`POST …/retract`."""

    op: Literal["retract"]
    body: RetractIn


class BulkSchedule(BulkOp):
    """`PUT …/schedule`."""

    op: Literal["schedule"]
    body: ScheduleIn


class BulkPatch(BulkOp):
    """`PATCH /v1/articles/{article}`."""

    op: Literal["patch"]
    body: ArticlePatch


class BulkSubmit(BulkOp):
    """`POST …/submit`."""

    op: Literal["submit"]
    body: SubmitIn | None = None


class BulkApprove(BulkOp):
    """`POST …/approve`, of just the revision that was read."""

    op: Literal["approve"]
    body: ApproveIn


class BulkReturn(BulkOp):
    """`POST …/return`."""

    op: Literal["return"]
    body: ReturnIn


AnyBulkOp = Annotated[
    BulkPublish | BulkVerb | BulkRetract | BulkSchedule | BulkPatch | BulkSubmit | BulkApprove | BulkReturn,
    Field(discriminator="op"),
]


class ArticleBulkIn(InputModel):
    """Operations, carried out in order."""

    operations: list[AnyBulkOp] = Field(min_length=1, max_length=MAX_OPERATIONS)


class BulkResultOut(BaseModel):
    """The result of one operation."""

    op: str
    id: str | None = Field(description="Id of the article; null where the operation was refused.")
    status: int = Field(description="Status code of the single route.")
    version: int | None
    etag: str | None = Field(description="For the next `if_match`; after 412, the present one.")
    code: str | None = Field(description="Code of the problem, or null.")
    detail: str | None
    errors: list[ErrorDetail] | None
    retry_after: int | None = Field(description="Seconds to wait after 429 and 503.")


class ArticleBulkOut(BaseModel):
    """One result for each operation, in order."""

    data: list[BulkResultOut]
