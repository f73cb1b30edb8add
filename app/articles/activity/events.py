"""What the outside world hears of activity that is over; what begins is told by comments and reactions themselves."""

from dataclasses import dataclass
from typing import ClassVar

from app.events.schemas import Fact

RANKING = "activity"  # the group of lists that are ordered by activity


@dataclass(frozen=True, kw_only=True)
class ActivityAged(Fact):
    """Comments or reactions have become older than a day, a week or a month; the id is all zeros."""

    name: ClassVar[str] = "activity.aged"

    def groups(self) -> list[str]:
        """Lists of what is most discussed."""
        return [RANKING]
