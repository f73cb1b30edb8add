"""What the outside world hears of fronts: only of those that readers get."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact


@dataclass(frozen=True, kw_only=True)
class _FrontFact(Fact):
    slug: str

    def groups(self) -> list[str]:
        """The front's answers."""
        return [f"front:{self.subject_id}"]


@dataclass(frozen=True, kw_only=True)
class FrontChanged(_FrontFact):
    """It is put together otherwise, or for the first time."""

    name: ClassVar[str] = "front.changed"


@dataclass(frozen=True, kw_only=True)
class FrontDeleted(_FrontFact):
    """Readers no longer get it."""

    name: ClassVar[str] = "front.deleted"
