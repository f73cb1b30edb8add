"""What the outside world hears of anchors."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class AnchorChanged(Fact):
    """An editor asked about a passage, or changed what it asks, where it stands or what is shown of it."""

    name: ClassVar[str] = "anchor.changed"
    article_id: str

    def groups(self) -> list[str]:
        """The article's anchors, and its comments, which show them."""
        return [f"anchors:{self.article_id}", f"comments:{self.article_id}"]


@dataclass(frozen=True, kw_only=True)
class AnchorsResolved(Fact):
    """The anchors of an article were looked for in a new text, and some stand elsewhere now."""

    name: ClassVar[str] = "article.anchors_resolved"
    revision: int

    def groups(self) -> list[str]:
        """The article's anchors, and its comments, which show them."""
        return [f"anchors:{self.subject_id}", f"comments:{self.subject_id}"]
