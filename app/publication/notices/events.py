"""What the outside world hears of notices."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact
from app.publication.events import EVERYTHING


@dataclass(frozen=True, kw_only=True)
class _NoticeFact(Fact):
    scope: str
    target_id: str | None

    def groups(self) -> list[str]:
        """Every article may show it."""
        return ["notices", f"notice:{self.subject_id}", EVERYTHING]


@dataclass(frozen=True, kw_only=True)
class NoticeChanged(_NoticeFact):
    """A notice was made or changed."""

    name: ClassVar[str] = "notice.changed"


@dataclass(frozen=True, kw_only=True)
class NoticeDeleted(_NoticeFact):
    """A notice is gone."""

    name: ClassVar[str] = "notice.deleted"
