"""Notices as they come in and go out."""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.kit.paging import PageQuery
from app.kit.rules import Rule, absent, both, exactly_one, given, not_together, where
from app.kit.text import Identifier
from app.publication.schemas import NoteHtml, NoteText, Position

NoticeScope = Literal["site", "section", "series", "author", "article"]
Placement = Literal["before", "after", "both"]
_SCOPES = [scope for scope in get_args(NoticeScope) if scope != "site"]
_NOTICE = both(
    exactly_one("html", "text"),
    where("scope", ["site"], absent("target_id")),
    where("scope", _SCOPES, given("target_id")),
)
_SOME: Rule = {"minLength": 1}


class NoticeIn(BaseModel):
    """A notice to put up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_NOTICE)

    scope: NoticeScope = Field(description="Which articles it stands with: all of them, or those of the target.")
    target_id: Identifier | None = Field(None, description="Id or slug of what `scope` names; none for `site`.")
    placement: Placement = Field(description="Before the text, after it, or on both sides.")
    html: NoteHtml | None = Field(None, description="What it says, as HTML; sanitised.", json_schema_extra=_SOME)
    text: NoteText | None = Field(
        None, description="The same as plain text: send one of the two.", json_schema_extra=_SOME
    )
    position: Position = Field(0, description="Its place among notices of the same scope, smallest first.")


class NoticePatch(BaseModel):
    """Changes to a notice, as RFC 7396 has them; it stays with its scope and target."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=not_together("html", "text"))

    placement: Placement = Field("before", description="Before the text, after it, or on both sides.")
    html: NoteHtml = Field(
        default_factory=str, description="What it says, as HTML; sanitised.", json_schema_extra=_SOME
    )
    text: NoteText = Field(
        default_factory=str, description="The same as plain text: send one of the two.", json_schema_extra=_SOME
    )
    position: Position = Field(default_factory=int, description="Its place among notices of the same scope.")


class NoticeDetailOut(BaseModel):
    """A notice with all that is known of it."""

    id: str
    scope: NoticeScope
    target_id: str | None = Field(description="Id of what `scope` names; null for `site`.")
    placement: Placement
    html: str = Field(description="Sanitised HTML.")
    text: str = Field(description="The same as plain text.")
    position: int = Field(description="Its place among notices of the same scope, smallest first.")
    created_at: datetime
    updated_at: datetime


class NoticeQuery(PageQuery):
    """Filters of the list of notices."""

    scope: NoticeScope | None = Field(None, description="Only those of this scope.")
    target_id: str | None = Field(None, pattern=r"^[0-9a-f-]{36}$", description="Only those with this target, by id.")
