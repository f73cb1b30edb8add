"""What the outside world hears of how discussions are set."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact

LISTS = "discussions"  # the group of lists that show the counts and states of many articles
SETTINGS = "discussions:settings"  # the group of what shows one article, and so changes with its section or the site


def groups_of(article_id: str) -> tuple[str, str]:
    """The cache groups of an answer that shows the discussion of one article."""
    return f"comments:{article_id}", SETTINGS


@dataclass(frozen=True, kw_only=True)
class DiscussionChanged(Fact):
    """It was set otherwise for an article that is public, for a section, or for the site, whose id is all zeros."""

    name: ClassVar[str] = "discussion.changed"
    scope: str  # article, section, site

    def groups(self) -> list[str]:
        """The article's answers, or everybody's, and all lists."""
        return [LISTS, f"comments:{self.subject_id}" if self.scope == "article" else SETTINGS]
