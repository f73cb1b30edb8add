"""What the outside world hears of reactions; votes are a fact of the comment."""

from dataclasses import dataclass
from typing import ClassVar

from app.articles.events import changed_counts_groups
from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class ArticleReacted(Fact):
    """The reactions to an article have changed; nothing tells by whom."""

    name: ClassVar[str] = "article.reacted"

    def groups(self) -> list[str]:
        """The article's answers, and every list that shows its counts."""
        return changed_counts_groups(self.subject_id)
