"""Every event of the log: its members, the article that it is about, and the cache groups that it makes stale.

An event is emitted by the room whose change it reports, in the transaction of that change. It names only what is
public, or was until then; events for the staff alone stand in `staff_events.py`. Consumers read `LoggedEvent.event`
with `match` and take its article from `LoggedEvent.article_id`; `app/subscribers.py` names all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, Final, Self, get_args
from urllib.parse import quote

from app.db.rows import JsonObject
from app.events.base import EventBase, OfArticle
from app.events.cache_groups import (
    ACTIVITY_GROUP,
    COUNTS_GROUP,
    FRONTS_GROUP,
    PUBLICATION_GROUP,
    REDIRECTS_GROUP,
    SETTINGS_GROUP,
    SITE_GROUP,
    changed_counts_groups,
    discussion_group_of,
)
from app.events.schemas import Position
from app.events.staff_events import CommentsRemoved, EditorialEvent, ModerationEvent

# ---- articles


class _ArticleEvent(OfArticle):
    slug: str
    revision: int
    within: list[str] = field(default_factory=list)  # cache groups of the lists that it is in, or was in before

    def cache_groups(self) -> list[str]:
        """Return the article's group and those of every list that it is in, comes into or leaves."""
        return ["articles", f"article:{self.subject_id}", *self.within]


class ArticlePublished(_ArticleEvent, name="article.published"):
    """Readers can see the article, and could not before."""


class ArticleUpdated(_ArticleEvent, name="article.updated"):
    """What readers see of the article has changed; `fields` names the members that differ."""

    fields: list[str]


class ArticleCorrected(_ArticleEvent, name="article.corrected"):
    """A correction was added. Its number `n` is 0 in logs of former releases."""

    n: int = 0
    kind: str
    text: str


class ArticleCorrectionChanged(_ArticleEvent, name="article.correction_changed"):
    """The text or kind of a correction was changed."""

    n: int
    kind: str
    text: str


class ArticleCorrectionWithdrawn(_ArticleEvent, name="article.correction_withdrawn"):
    """A correction was withdrawn."""

    n: int


class ArticleUnpublished(_ArticleEvent, name="article.unpublished"):
    """Readers can no longer see the article; `reason` is `unpublished`, `embargoed` or `expired`."""

    reason: str


class ArticleRetracted(_ArticleEvent, name="article.retracted"):
    """The article was withdrawn for good, with a public reason."""

    reason: str
    legal: bool


class ArticlePurged(OfArticle, name="article.purged"):
    """The article was erased for good; only its id is kept."""

    within: list[str] = field(default_factory=list)

    def cache_groups(self) -> list[str]:
        """Return the article's group and those of all lists that may have held it, also as retracted."""
        return ["articles", f"article:{self.subject_id}", *self.within]


class ActivityAged(EventBase, name="activity.aged"):
    """Comments or reactions became older than a day, a week or a month. The subject's id is all zeros."""

    def cache_groups(self) -> list[str]:
        """Return the group of lists ordered by activity."""
        return [ACTIVITY_GROUP]


class DiscussionChanged(EventBase, name="discussion.changed"):
    """The discussion settings of a public article, of a section, or of the site (all zeros) were changed."""

    scope: str  # article, section, site

    @property
    def about_article(self) -> str | None:
        """The article, if the settings are those of one."""
        return self.subject_id if self.scope == "article" else None

    def cache_groups(self) -> list[str]:
        """Return the groups of the article's answers, or of those of all articles, and of all lists."""
        if self.scope == "article":
            return [discussion_group_of(self.subject_id), *changed_counts_groups(self.subject_id)]
        return [COUNTS_GROUP, SETTINGS_GROUP]


class AnchorChanged(EventBase, name="anchor.changed"):
    """An editor asked about a passage, or changed the question, its place or what is shown of it."""

    article_id: str

    @property
    def about_article(self) -> str:
        """The article in which the passage stands."""
        return self.article_id

    def cache_groups(self) -> list[str]:
        """Return the groups of the article's anchors and of its comments, which show them."""
        return [f"anchors:{self.article_id}", discussion_group_of(self.article_id)]


class AnchorsResolved(OfArticle, name="article.anchors_resolved"):
    """The anchors of an article were looked up in a new revision, and some have moved."""

    revision: int

    def cache_groups(self) -> list[str]:
        """Return the groups of the article's anchors and of its comments, which show them."""
        return [f"anchors:{self.subject_id}", discussion_group_of(self.subject_id)]


class RelatedChanged(OfArticle, name="article.related_changed"):
    """The related links of as many articles as `articles` says have changed; `within` names their groups."""

    articles: int
    within: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, subject_id: str, articles: Sequence[str]) -> Self:
        """Make the event from the ids of the articles whose links have changed."""
        groups = [f"related:{article_id}" for article_id in articles]
        return cls(subject_id=subject_id, articles=len(articles), within=groups)

    def cache_groups(self) -> list[str]:
        """Return the group of each list of related articles that has changed."""
        return self.within


# ---- comments and reactions


class _CommentEvent(EventBase):
    orders: ClassVar[tuple[str, ...]] = ()  # groups of lists that it reorders
    article_id: str
    parent_id: str | None
    root_id: str

    @property
    def about_article(self) -> str:
        """The article under which the comment stands."""
        return self.article_id

    def cache_groups(self) -> list[str]:
        """Return the groups of the discussion and of every list that shows its counts or is ordered by them."""
        return [discussion_group_of(self.article_id), *changed_counts_groups(self.article_id), *self.orders]


class CommentPublished(_CommentEvent, name="comment.published"):
    """Readers can see the comment, and could not before."""

    orders: ClassVar[tuple[str, ...]] = (ACTIVITY_GROUP,)


class CommentEdited(_CommentEvent, name="comment.edited"):
    """What readers see of the comment has changed."""


class CommentRemoved(_CommentEvent, name="comment.removed"):
    """Readers can no longer see the comment, for whatever reason."""

    orders: ClassVar[tuple[str, ...]] = (ACTIVITY_GROUP,)


class CommentVoted(_CommentEvent, name="comment.voted"):
    """The votes on the comment have changed."""

    def cache_groups(self) -> list[str]:
        """Return the group of the discussion: votes are shown with the comment alone."""
        return [discussion_group_of(self.article_id)]


class ArticleReacted(OfArticle, name="article.reacted"):
    """The reactions to an article have changed; nothing says whose."""

    def cache_groups(self) -> list[str]:
        """Return the groups of the answers that show its counts, and of every list that is ordered by them."""
        return [*changed_counts_groups(self.subject_id), ACTIVITY_GROUP]


class _FrontEvent(EventBase):
    slug: str

    def cache_groups(self) -> list[str]:
        """Return the front's group, and that of the list of fronts."""
        return [FRONTS_GROUP, f"front:{self.subject_id}"]


class FrontChanged(_FrontEvent, name="front.changed"):
    """A front was published, for the first time or with other blocks."""


class FrontDeleted(_FrontEvent, name="front.deleted"):
    """Readers no longer get the front."""


# ---- sections, tags, authors, series


def _lists_of(kind: str) -> str:
    """Return the group of the lists of a kind of terms."""
    return kind if kind == "series" else f"{kind}s"


class _TermEvent(EventBase):
    passes_on: ClassVar[tuple[str, ...]] = ()  # groups of what others take over from the term
    slug: str

    @property
    def singular(self) -> str:
        """The kind of the term: section, tag, author or series."""
        return self.name.partition(".")[0]

    def cache_groups(self) -> list[str]:
        """Return the groups of the term, of the lists of its kind, and of all answers that show its name."""
        slug = f"{self.singular}:{quote(self.slug)}"
        own = [_lists_of(self.singular), f"{self.singular}:{self.subject_id}", slug]
        return [*own, PUBLICATION_GROUP, *self.passes_on]


class TermChanged(_TermEvent):
    """A term was made or changed. No article shows a new one yet, so that their answers stay cached."""

    created: bool

    def cache_groups(self) -> list[str]:
        """Return the groups of the term, and unless it is new, of all answers that show its name."""
        groups = super().cache_groups()
        return groups[: groups.index(PUBLICATION_GROUP)] if self.created else groups


class TermDeleted(_TermEvent):
    """A term was deleted; no article has it. `into` is the id of the term that it was merged into."""

    into: str | None = None


class SectionChanged(TermChanged, name="section.changed"):
    """A section was made or changed."""

    passes_on: ClassVar[tuple[str, ...]] = (SETTINGS_GROUP,)  # of discussions


class SectionDeleted(TermDeleted, name="section.deleted"):
    """A section was deleted."""

    passes_on: ClassVar[tuple[str, ...]] = (SETTINGS_GROUP,)  # of discussions


class TagChanged(TermChanged, name="tag.changed"):
    """A tag was made or changed."""


class TagDeleted(TermDeleted, name="tag.deleted"):
    """A tag was deleted."""


class AuthorChanged(TermChanged, name="author.changed"):
    """An author was made or changed."""


class AuthorDeleted(TermDeleted, name="author.deleted"):
    """An author was deleted."""


class SeriesChanged(TermChanged, name="series.changed"):
    """A series was made or changed."""


class SeriesDeleted(TermDeleted, name="series.deleted"):
    """A series was deleted."""


class _NoticeEvent(EventBase):
    scope: str  # site, section, series, author, article
    target_id: str | None

    @property
    def about_article(self) -> str | None:
        """The article, if the notice is that of one."""
        return self.target_id if self.scope == "article" else None

    def cache_groups(self) -> list[str]:
        """Return the groups of the notice and of all articles, any of which may show it."""
        return ["notices", f"notice:{self.subject_id}", PUBLICATION_GROUP]


class NoticeChanged(_NoticeEvent, name="notice.changed"):
    """A notice was made or changed."""


class NoticeDeleted(_NoticeEvent, name="notice.deleted"):
    """A notice was deleted."""


class MediaChanged(EventBase, name="media.changed"):
    """A picture was uploaded, or its description changed. No article shows a new one yet."""

    created: bool

    def cache_groups(self) -> list[str]:
        """Return the groups of the picture and of all answers that show it."""
        own = ["media", f"media:{self.subject_id}"]
        return own if self.created else [*own, PUBLICATION_GROUP]


class MediaDeleted(EventBase, name="media.deleted"):
    """A picture was deleted; nothing showed it."""

    def cache_groups(self) -> list[str]:
        """Return the groups of the picture."""
        return ["media", f"media:{self.subject_id}", PUBLICATION_GROUP]


class SiteChanged(EventBase, name="site.changed"):
    """The site's profile or its menus were changed. The subject's id is all zeros."""

    def cache_groups(self) -> list[str]:
        """Return the group of the site."""
        return [SITE_GROUP]


class RedirectsChanged(EventBase, name="redirects.changed"):
    """As many redirects as `redirects` says were made, changed or deleted. The subject's id is all zeros."""

    redirects: int

    def cache_groups(self) -> list[str]:
        """Return the group of all answers to addresses."""
        return [REDIRECTS_GROUP]


class _ReleaseEvent(EventBase):
    items: int  # how many changes it made, of which each has its own event before this one

    def cache_groups(self) -> list[str]:
        """Return no groups: the events of the changes name them."""
        return []


class ReleasePublished(_ReleaseEvent, name="release.published"):
    """Many changes became public at once; the events before this one tell of each."""


class ReleaseRolledBack(_ReleaseEvent, name="release.rolled_back"):
    """The changes of a release were undone at once; the events before this one tell of each."""


ArticleEvent = (
    ArticlePublished
    | ArticleUpdated
    | ArticleCorrected
    | ArticleCorrectionChanged
    | ArticleCorrectionWithdrawn
    | ArticleUnpublished
    | ArticleRetracted
)
CommentEvent = CommentPublished | CommentEdited | CommentRemoved | CommentVoted
TermEvent = (
    SectionChanged
    | SectionDeleted
    | TagChanged
    | TagDeleted
    | AuthorChanged
    | AuthorDeleted
    | SeriesChanged
    | SeriesDeleted
)
NoticeEvent = NoticeChanged | NoticeDeleted
Event = (
    ArticleEvent
    | ArticlePurged
    | ActivityAged
    | DiscussionChanged
    | AnchorChanged
    | AnchorsResolved
    | RelatedChanged
    | CommentEvent
    | ArticleReacted
    | ModerationEvent
    | CommentsRemoved
    | EditorialEvent
    | FrontChanged
    | FrontDeleted
    | TermEvent
    | NoticeEvent
    | MediaChanged
    | MediaDeleted
    | SiteChanged
    | RedirectsChanged
    | ReleasePublished
    | ReleaseRolledBack
)
EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType({kind.name: kind for kind in get_args(Event)})
"""Every event by its name."""


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it stands in the log, with its position and time."""

    position: Position
    type: str
    subject_id: str | None
    article_id: str | None  # the article that the event is about; None where it is about several or none
    at: datetime
    groups: list[str]
    payload: JsonObject
    request_id: str | None = None  # as in the log of requests
    person_id: str | None = None  # of the staff, who caused it: for webhooks of admins alone

    @cached_property
    def event(self) -> Event | None:
        """The event; None for a type of another release that this one does not know, which consumers skip."""
        kind = EVENTS.get(self.type)
        return kind.from_payload(str(self.subject_id), self.payload) if kind else None
