"""What the outside world hears of series."""

from dataclasses import dataclass
from typing import ClassVar

from app.publication.events import TermChanged, TermDeleted


@dataclass(frozen=True, kw_only=True)
class SeriesChanged(TermChanged):
    """A series was made or changed."""

    name: ClassVar[str] = "series.changed"
    singular: ClassVar[str] = "series"
    plural: ClassVar[str] = "series"


@dataclass(frozen=True, kw_only=True)
class SeriesDeleted(TermDeleted):
    """A series is gone."""

    name: ClassVar[str] = "series.deleted"
    singular: ClassVar[str] = "series"
    plural: ClassVar[str] = "series"
