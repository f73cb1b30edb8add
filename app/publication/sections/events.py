"""What the outside world hears of sections."""

from dataclasses import dataclass
from typing import ClassVar

from app.publication.events import TermChanged, TermDeleted


@dataclass(frozen=True, kw_only=True)
class SectionChanged(TermChanged):
    """A section was made or changed."""

    name: ClassVar[str] = "section.changed"
    singular: ClassVar[str] = "section"
    plural: ClassVar[str] = "sections"


@dataclass(frozen=True, kw_only=True)
class SectionDeleted(TermDeleted):
    """A section is gone."""

    name: ClassVar[str] = "section.deleted"
    singular: ClassVar[str] = "section"
    plural: ClassVar[str] = "sections"
