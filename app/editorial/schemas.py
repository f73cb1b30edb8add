"""Notes, tasks and locks as editors send and get them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.anchors.schemas import AnchorIn
from app.core.clock import Moment, TimeOrDay
from app.core.models import BaseModel, InputModel
from app.text.inputs import Identifier, Prose, Title, Whole
from app.web.paging import PageQuery

PersonRef = Annotated[str, StringConstraints(pattern=r"^(me|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$")]
_ASSIGNEE = "Id of the person who is to see to it."
_ASSIGNEE_IN = f"{_ASSIGNEE} `me`: the caller; null: nobody."
_DONE = "Whether it is done."


class DraftNoteIn(InputModel):
    """A new note."""

    text: Prose = Field(description="The note, as plain text.")
    parent: Identifier | None = Field(None, description="Id of the note that it answers, which answers none itself.")
    anchor: AnchorIn | None = Field(
        None, description="The passage that it is about, of the newest revision unless it names one; not in answers."
    )
    assignee: PersonRef | None = Field(None, description=_ASSIGNEE_IN)


class DraftNotePatch(InputModel):
    """Changes to a note (RFC 7396)."""

    text: Prose = Field(default_factory=str, description="The note; only its author may change it.")
    assignee: PersonRef | None = Field(None, description=_ASSIGNEE_IN)
    done: bool = Field(False, strict=True, description=_DONE)


class NoteAnchorOut(BaseModel):
    """The passage that a note is about, and where it is in the revision that was asked for."""

    scope: Literal["editorial"]
    exact: str
    prefix: str
    suffix: str
    quoted_revision: int = Field(description="Number of the revision from which it was quoted.")
    state: Literal["anchored", "moved", "changed", "orphaned"] = Field(
        description="`moved` to another block; `changed`: the text was edited; `orphaned`: not found."
    )
    revision: int = Field(description="Number of the revision to which `start` and `end` refer.")
    block_id: str | None
    start: int | None = Field(description="In Unicode code points of the plain text; null if it is orphaned.")
    end: int | None


class DraftNoteOut(BaseModel):
    """A note."""

    id: str
    article_id: str
    parent_id: str | None = Field(description="Id of the note that it answers.")
    text: str
    by: str = Field(description="Name of the person or key.")
    actor_id: str | None
    person_id: str | None
    created_at: datetime
    edited_at: datetime | None
    assignee: str | None = Field(description=_ASSIGNEE)
    done: bool = Field(description=_DONE)
    done_at: datetime | None
    done_by: str | None
    version: int = Field(description="Counts every change; the ETag of a write carries it.")
    anchor: NoteAnchorOut | None = Field(description="Null: about the whole article, or an answer.")


class NoteQuery(PageQuery):
    """Parameters of the list of an article's notes."""

    revision: int | None = Field(
        None, ge=1, le=999_999_999, description="The revision in which passages are looked up; default: the newest."
    )
    done: bool | None = Field(None, description="`true`: only those that are done; `false`: only others.")
    assignee: PersonRef | None = Field(None, description="Only those of this person; `me`: the caller.")


class TaskIn(InputModel):
    """A new task."""

    title: Title = Field(description="What is to be done.")
    article: Identifier | None = Field(None, description="Slug or id of the article that it is about.")
    assignee: PersonRef | None = Field(None, description=_ASSIGNEE_IN)
    due_at: Moment | None = Field(None, description="When it is to be done, RFC 3339.")


class TaskPatch(InputModel):
    """Changes to a task (RFC 7396)."""

    title: Title = Field(default_factory=str, description="What is to be done.")
    assignee: PersonRef | None = Field(None, description=_ASSIGNEE_IN)
    due_at: Moment | None = Field(None, description="When it is to be done, RFC 3339.")
    done: bool = Field(False, strict=True, description=_DONE)


class TaskArticleOut(BaseModel):
    """The article of a task or lock."""

    id: str
    slug: str
    title: str = Field(description="That of the revision shown, not of a newer one.")


class TaskOut(BaseModel):
    """A task."""

    id: str
    title: str
    article: TaskArticleOut | None
    assignee: str | None = Field(description=_ASSIGNEE)
    due_at: datetime | None
    done: bool = Field(description=_DONE)
    done_at: datetime | None
    done_by: str | None
    by: str = Field(description="Name of the person or key that made it.")
    created_at: datetime
    version: int = Field(description="Counts every change; the ETag of a write carries it.")


class TaskQuery(PageQuery):
    """Filters of the list of tasks."""

    assignee: PersonRef | None = Field(None, description="Only those of this person; `me`: the caller.")
    article: Identifier | None = Field(None, description="Only those of this article: slug or id.")
    section: Identifier | None = Field(
        None, description="Only those of articles in this section or its subsections: slug or id."
    )
    due_before: TimeOrDay | None = Field(None, description="Only those due before this time or day.")
    done: bool | None = Field(None, description="`true`: only those that are done; `false`: only others.")


MIN_LOCK_SECONDS, DEFAULT_LOCK_SECONDS, MAX_LOCK_SECONDS = 10, 120, 3600


class LockIn(InputModel):
    """How to take or renew the lock of an article."""

    seconds: Annotated[int, Field(strict=True, ge=MIN_LOCK_SECONDS, le=MAX_LOCK_SECONDS), Whole] = Field(
        DEFAULT_LOCK_SECONDS, description="Seconds until it expires, unless it is renewed."
    )
    force: bool = Field(False, strict=True, description="Take it over from whoever holds it.")


class LockOut(BaseModel):
    """Who edits an article now. It prevents nothing: saves are guarded by `If-Match` alone."""

    article: TaskArticleOut
    by: str = Field(description="Name of the person or key.")
    actor_id: str | None
    person_id: str | None
    since: datetime
    expires_at: datetime
