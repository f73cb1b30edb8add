"""Releases and their items as editors send and get them."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from app.core.clock import Moment
from app.core.models import BaseModel, InputModel
from app.db.rows import JsonObject
from app.fronts.schemas import FrontContent
from app.publication.schemas import NoticeIn, NoticePatch
from app.site.schemas import RedirectIn, RedirectPatch
from app.text.inputs import Identifier, Name, Summary, Whole
from app.web.paging import ListOut, PageQuery

MAX_ITEMS: Final = 1000
ReleaseState = Literal["open", "scheduled", "published", "failed", "rolled_back"]
_STATE = (
    "`open`; `scheduled`; `published`; `failed`: it could not be published at its time, `failure` says why; "
    "`rolled_back`."
)


class ReleasePatch(InputModel):
    """Changes to a release (RFC 7396)."""

    name: Name = Field(default_factory=str)
    note: Summary | None = None


class ReleaseIn(ReleasePatch):
    """A new release."""

    name: Name


class PublishItem(InputModel):
    """Publishes a revision of an article, for the first time or as an update."""

    op: Literal["publish"]
    article: Identifier = Field(description="Id or slug.")
    revision: Annotated[int, Field(strict=True, ge=1, le=999_999_999), Whole] | None = Field(
        None, description="The revision that is pinned; null: the one that is the newest now. Later edits do not count."
    )


class UnpublishItem(InputModel):
    """Unpublishes an article."""

    op: Literal["unpublish"]
    article: Identifier = Field(description="Id or slug.")


class FrontItem(InputModel):
    """Publishes a front with these blocks; a front that does not exist is created. Its draft stays."""

    op: Literal["front"]
    front: Identifier = Field(description="Id or slug.")
    body: FrontContent


class CreateNoticeItem(InputModel):
    """Creates a notice."""

    op: Literal["create_notice"]
    body: NoticeIn


class ChangeNoticeItem(InputModel):
    """Changes a notice."""

    op: Literal["change_notice"]
    notice: Identifier = Field(description="Id.")
    body: NoticePatch


class DeleteNoticeItem(InputModel):
    """Deletes a notice."""

    op: Literal["delete_notice"]
    notice: Identifier = Field(description="Id.")


class CreateRedirectItem(InputModel):
    """Creates a redirect."""

    op: Literal["create_redirect"]
    body: RedirectIn


class ChangeRedirectItem(InputModel):
    """Changes a redirect."""

    op: Literal["change_redirect"]
    redirect: Identifier = Field(description="Id.")
    body: RedirectPatch


class DeleteRedirectItem(InputModel):
    """Deletes a redirect."""

    op: Literal["delete_redirect"]
    redirect: Identifier = Field(description="Id.")


AnyItem = Annotated[
    PublishItem
    | UnpublishItem
    | FrontItem
    | CreateNoticeItem
    | ChangeNoticeItem
    | DeleteNoticeItem
    | CreateRedirectItem
    | ChangeRedirectItem
    | DeleteRedirectItem,
    Field(discriminator="op"),
]
ItemOp = Literal[
    "publish",
    "unpublish",
    "front",
    "create_notice",
    "change_notice",
    "delete_notice",
    "create_redirect",
    "change_redirect",
    "delete_redirect",
]


class ReleaseItemsIn(InputModel):
    """Items of a release; what they name may be changed by one of them only."""

    items: list[AnyItem] = Field(max_length=MAX_ITEMS)


class ReleaseItemOut(BaseModel):
    """One change of a release."""

    id: str
    op: ItemOp
    article: str | None = Field(description="Id of the article to publish or unpublish.")
    revision: int | None = Field(description="Number of the pinned revision.")
    title: str | None = Field(description="Title of that revision; null in sections that the caller may not read.")
    front: str | None = Field(description="Id of the front, or the slug of a new one.")
    notice: str | None = Field(description="Id of the notice; null for a new one.")
    redirect: str | None = Field(description="Id of the redirect; null for a new one.")
    body: JsonObject | None = Field(description="What was sent as `body`; null for who is limited to sections.")


ReleaseItemList = ListOut[ReleaseItemOut]


class ReleaseProblemOut(BaseModel):
    """Why an item could not be published, or what to know before."""

    item: str = Field(description="Id of the item.")
    op: ItemOp
    code: str = Field(description="Code of the problem that publishing would answer.")
    detail: str
    severity: Literal["error", "warning"] = Field(description="`warning`: publishing goes on all the same.")


class ReleaseCheckOut(BaseModel):
    """Everything that is in the way of a release."""

    ready: bool = Field(description="Whether the release could be published now.")
    problems: list[ReleaseProblemOut]


class ReleaseFailureOut(BaseModel):
    """Why a scheduled release was not published."""

    at: datetime
    item: str | None = Field(description="Id of the item that could not be published.")
    code: str
    detail: str


class ReleaseOut(BaseModel):
    """A release."""

    id: str
    name: str
    note: str | None
    state: ReleaseState = Field(description=_STATE)
    items: int = Field(description="Number of its items.")
    version: int = Field(description="Counts every change; used in the ETag.")
    created_at: datetime
    updated_at: datetime
    actor_id: str | None = Field(description="Who made it.")
    actor_name: str
    scheduled_at: datetime | None
    scheduled_by: str | None = Field(description="Name of who scheduled it, with whose permissions it is published.")
    published_at: datetime | None
    rolled_back_at: datetime | None
    failure: ReleaseFailureOut | None


ReleaseList = ListOut[ReleaseOut]


class ReleaseQuery(PageQuery):
    """Parameters of the list of releases."""

    state: ReleaseState | None = Field(None, description="Only releases in this state.")
    article: Identifier | None = Field(None, description="Only releases that change this article, by id.")


class ReleaseScheduleIn(InputModel):
    """When a release is published."""

    at: Moment = Field(description="A time in the future.")


class RollBackIn(InputModel):
    """How to roll back."""

    skip_changed: bool = Field(
        False,
        strict=True,
        description="Leave items as they are that were changed since; by default any of them refuses it all.",
    )


class ReleasePreviewOut(BaseModel):
    """A preview link of a release, without its token."""

    id: str
    release_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class NewReleasePreviewOut(ReleasePreviewOut):
    """A new preview link of a release, with its token, which no later response contains."""

    token: str = Field(description="Read articles, lists and fronts with `?release=TOKEN` as they will be.")


ReleasePreviewList = ListOut[ReleasePreviewOut]
