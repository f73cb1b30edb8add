"""What the outside world hears of articles: only ever of what is, or just was, public."""

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
