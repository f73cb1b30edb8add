"""What the outside world hears of comments: ids alone, and only of what is, or just was, public."""

from dataclasses import dataclass
from typing import ClassVar

from app.articles.events import changed_counts_groups
from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class _CommentFact(Fact):
    article_id: str
    parent_id: str | None
    root_id: str

    def groups(self) -> list[str]:
        """The article's discussion, and every list that shows how many comments there are."""
        return changed_counts_groups(self.article_id)


@dataclass(frozen=True, kw_only=True)
class CommentPublished(_CommentFact):
    """Readers can see it now, and could not before."""

    name: ClassVar[str] = "comment.published"


@dataclass(frozen=True, kw_only=True)
class CommentEdited(_CommentFact):
    """What readers see of it has changed."""

    name: ClassVar[str] = "comment.edited"


@dataclass(frozen=True, kw_only=True)
class CommentRemoved(_CommentFact):
    """Readers can no longer read it, for whatever reason."""

    name: ClassVar[str] = "comment.removed"


@dataclass(frozen=True, kw_only=True)
class CommentVoted(_CommentFact):
    """Its votes have changed."""

    name: ClassVar[str] = "comment.voted"
