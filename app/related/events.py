"""What the outside world hears of related links."""

from dataclasses import dataclass
from typing import Any, ClassVar

from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class RelatedChanged(Fact):
    """The links of these articles are others now: editors chose, or something was published or withdrawn."""

    name: ClassVar[str] = "article.related_changed"
    articles: list[str]

    def groups(self) -> list[str]:
        """Each list that changed."""
        return [f"related:{article_id}" for article_id in self.articles]

    def payload(self) -> dict[str, Any]:
        """How many; which, the groups tell."""
        return {"articles": len(self.articles)}
