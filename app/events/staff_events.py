"""Events for the staff and the systems that work for them, never for the public: ids, numbers and codes, no text.

Those of moderation are for callers with `comments:moderate`, editorial ones for callers who read drafts; both in the
sections for which they may. Their consumers are webhooks and live streams of such callers, and mails to the staff. No
public answer depends on them, so that they name no cache groups.
"""

from typing import Final, get_args

from app.events.base import EventBase

# ---- moderation


class _ModerationEvent(EventBase):
    article_id: str
    section_id: str | None  # the article's at that time

    @property
    def about_article(self) -> str:
        """The article, or the one under which the comment stands."""
        return self.article_id

    def cache_groups(self) -> list[str]:
        """Return none: no public answer changes by this event alone."""
        return []


class CommentPending(_ModerationEvent, name="comment.pending"):
    """A comment, new or edited before it was public, waits for a moderator; `reasons` are the rules that held it."""

    reasons: list[str]


class CommentHeld(_ModerationEvent, name="comment.held"):
    """A comment that was public waits for a moderator: too many readers reported it, or its author edited it."""

    reasons: list[str]


class CommentReported(_ModerationEvent, name="comment.reported"):
    """A reader reported a comment."""

    reason: str


class CommentClaimed(_ModerationEvent, name="comment.claimed"):
    """A moderator, the key or person `by`, claimed the comment until a time; null: it was released."""

    by: str
    until: str | None


class CommentAppealed(_ModerationEvent, name="comment.appealed"):
    """The author of a comment appealed against the decision about it."""


class CommentDecided(_ModerationEvent, name="comment.decided"):
    """A moderator decided about a comment, or a rule refused it; `action` as in the moderation log."""

    action: str
    state: str
    by: str


class CommentsRemoved(EventBase, name="comments.removed"):
    """An action of a moderator has removed all comments of a person; each has its own event before this one."""

    def cache_groups(self) -> list[str]:
        """Return none: the events of the comments name them."""
        return []


class ArticleReported(_ModerationEvent, name="article.reported"):
    """A reader reported an article."""

    reason: str


# ---- editorial


class _StaffEvent(EventBase):
    def cache_groups(self) -> list[str]:
        """Return none: no public answer changes by this event alone."""
        return []


class _EditorialEvent(_StaffEvent):
    section_id: str | None  # the article's at that time

    def is_open_to(self, draft_sections: frozenset[str] | None) -> bool:
        """Whether it may be told to a caller who reads drafts in these sections; None for all."""
        return draft_sections is None or self.section_id in draft_sections


class _ApprovalEvent(_EditorialEvent):
    revision: int

    @property
    def about_article(self) -> str:
        """The article itself."""
        return self.subject_id


class ArticleSubmitted(_ApprovalEvent, name="article.submitted"):
    """A revision of the article was submitted for approval."""


class ArticleApproved(_ApprovalEvent, name="article.approved"):
    """A revision of the article was approved."""


class ArticleReturned(_ApprovalEvent, name="article.returned"):
    """A revision of the article was returned to its writers, or was not approved when it was to go live."""


class ArticleHeld(_ApprovalEvent, name="article.held"):
    """The article did not become public at its time `at`; `code` and `detail` are those of the problem that is why."""

    at: str
    code: str
    detail: str


class _NoteEvent(_EditorialEvent):
    article_id: str

    @property
    def about_article(self) -> str:
        """The article to which the note belongs."""
        return self.article_id


class NoteCreated(_NoteEvent, name="note.created"):
    """Somebody wrote a note on an article, or answered the note `parent_id`; `assignee` is a person."""

    parent_id: str | None
    assignee: str | None


class NoteChanged(_NoteEvent, name="note.changed"):
    """A note was changed, assigned, or marked as done or not; `fields` names the members that differ."""

    fields: list[str]
    assignee: str | None
    done: bool


class NoteDeleted(_NoteEvent, name="note.deleted"):
    """A note was deleted with its answers."""


class _TaskEvent(_EditorialEvent):
    article_id: str | None

    @property
    def about_article(self) -> str | None:
        """The article for which the task is; None for a task of no article."""
        return self.article_id

    def is_open_to(self, draft_sections: frozenset[str] | None) -> bool:
        """Whether it may be told to a caller: tasks of no article are for all who read any drafts."""
        return super().is_open_to(draft_sections) or (self.article_id is None and bool(draft_sections))


class TaskCreated(_TaskEvent, name="task.created"):
    """Somebody made a task; `assignee` is a person, `due_at` its deadline."""

    assignee: str | None
    due_at: str | None


class TaskChanged(_TaskEvent, name="task.changed"):
    """A task was changed, assigned, or marked as done or not; `fields` names the members that differ."""

    fields: list[str]
    assignee: str | None
    due_at: str | None
    done: bool


class TaskDue(_TaskEvent, name="task.due"):
    """The deadline of a task has come, and it is not done."""

    assignee: str | None
    due_at: str | None


class TaskDeleted(_TaskEvent, name="task.deleted"):
    """A task was deleted."""


class _LockEvent(_EditorialEvent):
    by: str | None

    @property
    def about_article(self) -> str:
        """The article itself."""
        return self.subject_id


class LockTaken(_LockEvent, name="lock.taken"):
    """The key or person `by` began to edit the article, or took it over; renewals after that are not told."""

    until: str


class LockReleased(_LockEvent, name="lock.released"):
    """The key or person `by` stopped to edit the article. A lock that expires is not told."""


class ReleaseFailed(_StaffEvent, name="release.failed"):
    """A release was not published at its time `at`; `code` and `detail` are those of the problem that is why.

    `item` is the one that could not be published, `section_ids` are those in which the release changes something, `by`
    is the key or person that scheduled it.
    """

    section_ids: list[str]
    by: str | None
    at: str
    item: str | None
    code: str
    detail: str

    def is_open_to(self, draft_sections: frozenset[str] | None) -> bool:
        """Whether it may be told to a caller who reads drafts in these sections; None for all."""
        return draft_sections is None or not draft_sections.isdisjoint(self.section_ids)


ModerationEvent = (
    CommentPending | CommentHeld | CommentReported | CommentClaimed | CommentAppealed | CommentDecided | ArticleReported
)
EditorialEvent = (
    ArticleSubmitted
    | ArticleApproved
    | ArticleReturned
    | ArticleHeld
    | NoteCreated
    | NoteChanged
    | NoteDeleted
    | TaskCreated
    | TaskChanged
    | TaskDue
    | TaskDeleted
    | LockTaken
    | LockReleased
    | ReleaseFailed
)
MODERATION_TYPES: Final = tuple(kind.name for kind in get_args(ModerationEvent))
"""The names of the events that need `comments:moderate`."""
EDITORIAL_TYPES: Final = tuple(kind.name for kind in get_args(EditorialEvent))
"""The names of the events that need the right to read drafts."""
STAFF_TYPES: Final = frozenset((*MODERATION_TYPES, *EDITORIAL_TYPES))
