"""What facts about sections, tags, authors and series have in common."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from app.events.schemas import Fact

PUBLICATION_GROUP = "publication"  # the group of every answer that shows names, notices or pictures beside an article


@dataclass(frozen=True, kw_only=True)
class TermChanged(Fact):
    """One was made or changed. What is new is shown by no article yet, so those stay kept."""

    singular: ClassVar[str]
    plural: ClassVar[str]
    slug: str
    created: bool

    def groups(self) -> list[str]:
        """The term, the lists of its kind, and what shows its name."""
        own = [self.plural, f"{self.singular}:{self.subject_id}", f"{self.singular}:{quote(self.slug)}"]
        return own if self.created else [*own, PUBLICATION_GROUP]


@dataclass(frozen=True, kw_only=True)
class TermDeleted(Fact):
    """One is gone; no article stands under it. `into` is the id of the one that it was merged into."""

    singular: ClassVar[str]
    plural: ClassVar[str]
    slug: str
    into: str | None = None

    def groups(self) -> list[str]:
        """The term and the lists of its kind."""
        slug = f"{self.singular}:{quote(self.slug)}"
        return [self.plural, f"{self.singular}:{self.subject_id}", slug, PUBLICATION_GROUP]


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


@dataclass(frozen=True, kw_only=True)
class _NoticeFact(Fact):
    scope: str
    target_id: str | None

    def groups(self) -> list[str]:
        """Every article may show it."""
        return ["notices", f"notice:{self.subject_id}", PUBLICATION_GROUP]


@dataclass(frozen=True, kw_only=True)
class NoticeChanged(_NoticeFact):
    """A notice was made or changed."""

    name: ClassVar[str] = "notice.changed"


@dataclass(frozen=True, kw_only=True)
class NoticeDeleted(_NoticeFact):
    """A notice is gone."""

    name: ClassVar[str] = "notice.deleted"


@dataclass(frozen=True, kw_only=True)
class MediaChanged(Fact):
    """A picture came in, or what is said of it changed. A new one is shown by no article yet."""

    name: ClassVar[str] = "media.changed"
    created: bool

    def groups(self) -> list[str]:
        """The picture, and what shows it."""
        own = ["media", f"media:{self.subject_id}"]
        return own if self.created else [*own, PUBLICATION_GROUP]


@dataclass(frozen=True, kw_only=True)
class MediaDeleted(Fact):
    """A picture is gone; nothing showed it."""

    name: ClassVar[str] = "media.deleted"

    def groups(self) -> list[str]:
        """The picture."""
        return ["media", f"media:{self.subject_id}", PUBLICATION_GROUP]
