"""What facts about sections, tags, authors and series have in common."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from app.events.schemas import Fact

EVERYTHING = "publication"  # the group of every answer that shows names, notices or pictures beside an article


@dataclass(frozen=True, kw_only=True)
class TermChanged(Fact):
    """One was made or changed. What is new is shown by no article yet, so those stay kept."""

    singular: ClassVar[str]
    plural: ClassVar[str]
    slug: str
    created: bool

    def groups(self) -> list[str]:
        """The term, the lists of its kind, and what shows its name."""
        own = [self.plural, f"{self.singular}:{self.subject_id}", f"{self.singular}:{quote(self.slug)}"]
        return own if self.created else [*own, EVERYTHING]


@dataclass(frozen=True, kw_only=True)
class TermDeleted(Fact):
    """One is gone; no article stands under it. `into` is the id of the one that it was merged into."""

    singular: ClassVar[str]
    plural: ClassVar[str]
    slug: str
    into: str | None = None

    def groups(self) -> list[str]:
        """The term and the lists of its kind."""
        slug = f"{self.singular}:{quote(self.slug)}"
        return [self.plural, f"{self.singular}:{self.subject_id}", slug, EVERYTHING]
