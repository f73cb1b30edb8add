"""What the outside world hears of authors."""

from dataclasses import dataclass
from typing import ClassVar

from app.publication.events import TermChanged, TermDeleted


@dataclass(frozen=True, kw_only=True)
class AuthorChanged(TermChanged):
    """An author was made or changed."""

    name: ClassVar[str] = "author.changed"
    singular: ClassVar[str] = "author"
    plural: ClassVar[str] = "authors"


@dataclass(frozen=True, kw_only=True)
class AuthorDeleted(TermDeleted):
    """An author is gone."""

    name: ClassVar[str] = "author.deleted"
    singular: ClassVar[str] = "author"
    plural: ClassVar[str] = "authors"
