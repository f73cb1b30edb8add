"""What the outside world hears of how discussions are set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact

LISTS = "discussions"  # the group of answers that show counts of articles which they do not name
MAX_COUNTS = 100  # groups of single articles in one answer
SETTINGS = "discussions:settings"  # the group of what shows one article, and so changes with its section or the site


def counts_group(article_id: str) -> str:
    """The group of answers that show the counts of an article, which it shares with one in 4,096 others.

    A list of 100 names so many of these: the ids in full would not fit into headers.
    """
    return f"counts:{article_id[-3:]}"


def counts_groups(ids: Iterable[str]) -> tuple[str, ...]:
    """The groups of an answer that shows the counts of these articles."""
    found = sorted(set(map(counts_group, ids)))
    return (SETTINGS, *found) if len(found) <= MAX_COUNTS else (SETTINGS, LISTS)


def changed_counts(article_id: str) -> list[str]:
    """The groups of all that shows counts of an article, for facts that change them."""
    return [f"comments:{article_id}", counts_group(article_id), LISTS]


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
        return changed_counts(self.subject_id) if self.scope == "article" else [LISTS, SETTINGS]
