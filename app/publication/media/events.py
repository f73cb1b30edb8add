"""What the outside world hears of media."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact
from app.publication.events import EVERYTHING


@dataclass(frozen=True, kw_only=True)
class MediaChanged(Fact):
    """A picture came in, or what is said of it changed. A new one is shown by no article yet."""

    name: ClassVar[str] = "media.changed"
    created: bool

    def groups(self) -> list[str]:
        """The picture, and what shows it."""
        own = ["media", f"media:{self.subject_id}"]
        return own if self.created else [*own, EVERYTHING]


@dataclass(frozen=True, kw_only=True)
class MediaDeleted(Fact):
    """A picture is gone; nothing showed it."""

    name: ClassVar[str] = "media.deleted"

    def groups(self) -> list[str]:
        """The picture."""
        return ["media", f"media:{self.subject_id}", EVERYTHING]
