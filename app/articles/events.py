"""What the outside world hears of articles: only ever of what is, or just was, public."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class _ArticleFact(Fact):
    slug: str
    revision: int
    within: list[str]  # groups of the lists of what it stands under, or stood under before

    def groups(self) -> list[str]:
        """The article itself, and every list that it is in, comes into or leaves."""
        return ["articles", f"article:{self.subject_id}", *self.within]

    def payload(self) -> dict[str, Any]:
        """The fields beyond the subject; where it stands, the groups tell."""
        return {name: value for name, value in super().payload().items() if name != "within"}


@dataclass(frozen=True, kw_only=True)
class ArticlePublished(_ArticleFact):
    """Readers can see it now, and could not before."""

    name: ClassVar[str] = "article.published"


@dataclass(frozen=True, kw_only=True)
class ArticleUpdated(_ArticleFact):
    """What readers see has changed; `fields` names what."""

    name: ClassVar[str] = "article.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class ArticleCorrected(_ArticleFact):
    """A correction was added."""

    name: ClassVar[str] = "article.corrected"
    n: int
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ArticleCorrectionChanged(_ArticleFact):
    """A correction says something else than before."""

    name: ClassVar[str] = "article.correction_changed"
    n: int
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ArticleCorrectionWithdrawn(_ArticleFact):
    """A correction was taken back."""

    name: ClassVar[str] = "article.correction_withdrawn"
    n: int


@dataclass(frozen=True, kw_only=True)
class ArticleUnpublished(_ArticleFact):
    """Readers can no longer see it; `reason` is `unpublished`, `embargoed` or `expired`."""

    name: ClassVar[str] = "article.unpublished"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ArticleRetracted(_ArticleFact):
    """It was withdrawn for good, with a public reason."""

    name: ClassVar[str] = "article.retracted"
    reason: str
    legal: bool


@dataclass(frozen=True, kw_only=True)
class ArticlePurged(Fact):
    """It was erased for good; nothing but its id is remembered."""

    name: ClassVar[str] = "article.purged"
    within: list[str]

    def groups(self) -> list[str]:
        """The article itself, and all that it may have been in, also as retracted."""
        return ["articles", f"article:{self.subject_id}", *self.within]

    def payload(self) -> dict[str, Any]:
        """Nothing but the id."""
        return {}


ACTIVITY_GROUP = "activity"  # the group of lists that are ordered by activity


@dataclass(frozen=True, kw_only=True)
class ActivityAged(Fact):
    """Comments or reactions have become older than a day, a week or a month; the id is all zeros."""

    name: ClassVar[str] = "activity.aged"

    def groups(self) -> list[str]:
        """Lists of what is most discussed."""
        return [ACTIVITY_GROUP]


COUNTS_GROUP = "discussions"  # the group of answers that show counts of articles which they do not name
MAX_COUNTS_GROUPS = 100  # groups of single articles in one answer
SETTINGS_GROUP = (
    "discussions:settings"  # the group of what shows one article, and so changes with its section or the site
)


def counts_group_of(article_id: str) -> str:
    """The group of answers that show the counts of an article, which it shares with one in 4,096 others.

    A list of 100 names so many of these: the ids in full would not fit into headers.
    """
    return f"counts:{article_id[-3:]}"


def counts_groups_of(ids: Iterable[str]) -> tuple[str, ...]:
    """The groups of an answer that shows the counts of these articles."""
    groups = sorted(set(map(counts_group_of, ids)))
    return (SETTINGS_GROUP, *groups) if len(groups) <= MAX_COUNTS_GROUPS else (SETTINGS_GROUP, COUNTS_GROUP)


def changed_counts_groups(article_id: str) -> list[str]:
    """The groups of all that shows counts of an article, for facts that change them."""
    return [f"comments:{article_id}", counts_group_of(article_id), COUNTS_GROUP]


def discussion_cache_groups(article_id: str) -> tuple[str, str]:
    """The cache groups of an answer that shows the discussion of one article."""
    return f"comments:{article_id}", SETTINGS_GROUP


@dataclass(frozen=True, kw_only=True)
class DiscussionChanged(Fact):
    """It was set otherwise for an article that is public, for a section, or for the site, whose id is all zeros."""

    name: ClassVar[str] = "discussion.changed"
    scope: str  # article, section, site

    def groups(self) -> list[str]:
        """The article's answers, or everybody's, and all lists."""
        return changed_counts_groups(self.subject_id) if self.scope == "article" else [COUNTS_GROUP, SETTINGS_GROUP]
