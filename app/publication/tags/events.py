"""What the outside world hears of tags."""

from dataclasses import dataclass
from typing import ClassVar

from app.publication.events import TermChanged, TermDeleted


@dataclass(frozen=True, kw_only=True)
class TagChanged(TermChanged):
    """A tag was made or changed."""

    name: ClassVar[str] = "tag.changed"
    singular: ClassVar[str] = "tag"
    plural: ClassVar[str] = "tags"


@dataclass(frozen=True, kw_only=True)
class TagDeleted(TermDeleted):
    """A tag is gone."""

    name: ClassVar[str] = "tag.deleted"
    singular: ClassVar[str] = "tag"
    plural: ClassVar[str] = "tags"
