"""Authors, categories and tags on their way into the store."""

from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.importers.engine import IMPORT, clipped
from app.importers.ledger import Ledger, fingerprint
from app.importers.wordpress.plan import name_of, slug_of, text_of
from app.importers.wordpress.records import Category, Tag
from app.importers.wordpress.survey import ListedAuthor
from app.publication.schemas import AuthorIn, AuthorPatch, SectionIn, SectionPatch, TagIn, TagPatch
from app.publication.tables import Author, Section, Term
from app.publication.tables import Tag as TagRow
from app.publication.taxonomies import AUTHORS, SECTIONS, TAGS


class _TermEntry:
    """What all of them share: a name, a slug, and the row of that slug that may be here already."""

    kind: str
    row: str
    table: sa.Table

    def __init__(self, ledger: Ledger, key: str, name: str) -> None:
        self.ledger = ledger
        self.key = self.label = key
        self.name = self.title = name_of(name, key)
        self.notes: list[str] = [] if " ".join(name.split()) == self.name else ["its name is cut or made of its slug"]

    def values(self) -> dict[str, Any]:
        """All that is taken from the file."""
        return {"name": self.name}

    @cached_property
    def fingerprint(self) -> str:
        """Of the values."""
        return fingerprint(self.values())

    def prepare(self, _connection: sa.Connection, _local_id: str | None) -> None:
        """Nothing takes long."""

    def alike(self, connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> str | None:
        """A row with these qualities that does not stand for something else of the same source."""
        found = connection.execute(sa.select(self.table.c.id).where(*conditions).order_by(self.table.c.id)).scalars()
        return next((row_id for row_id in found if not self.ledger.has(connection, self.kind, row_id)), None)


class AuthorEntry(_TermEntry):
    """A user as an author; neither the e-mail nor the login is taken, only the name that readers saw."""

    kind, row, table = "author", "authors", table_of(Author)

    def __init__(self, ledger: Ledger, author: ListedAuthor) -> None:
        shown = author.name.partition("@")[0]
        super().__init__(ledger, author.login, shown)
        self.label = str(author.number or self.name)
        if shown != author.name:
            self.notes = ["the name is an e-mail address: only what stands before the @ is taken"]

    def existing(self, connection: sa.Connection) -> str | None:
        """An author of exactly this name."""
        return self.alike(connection, self.table.c.name == self.name)

    def create(self, session: Session) -> str:
        """Make the author; the slug is made of the name, as a login is nobody's business."""
        return AUTHORS.create(session, IMPORT, AuthorIn(name=self.name))

    def update(self, session: Session, local_id: str) -> None:
        """Change the name."""
        AUTHORS.update(session, IMPORT, local_id, AuthorPatch(name=self.name), None)


class _SluggedEntry(_TermEntry):
    """A term with a slug and a description."""

    model: type[Term]

    def __init__(self, ledger: Ledger, slug: str, name: str, description: str) -> None:
        super().__init__(ledger, slug, name)
        self.slug = slug_of(slug)
        if self.slug is None:
            self.notes.append("its slug cannot be one here; it is made of its name")
        text = text_of(description, self.notes, "the description")
        self.description = clipped(text, 2000, "the description", self.notes)

    def values(self) -> dict[str, Any]:
        """With the slug as it is in the file, if it can be one here."""
        return {"name": self.name, "slug": self.slug, "description": self.description}

    def changes(self) -> dict[str, Any]:
        """What a change sets: all that the file has."""
        return {name: value for name, value in self.values().items() if value is not None}

    def existing(self, connection: sa.Connection) -> str | None:
        """The row with this slug."""
        return self.alike(connection, self.table.c.slug == self.slug) if self.slug else None


class TagEntry(_SluggedEntry):
    """A tag."""

    kind, row, table = "tag", "tags", table_of(TagRow)

    def existing(self, connection: sa.Connection) -> str | None:
        """The tag with this slug, else one of exactly this name: articles that name it find either."""
        return super().existing(connection) or self.alike(connection, self.table.c.name == self.name)

    def __init__(self, ledger: Ledger, tag: Tag) -> None:
        super().__init__(ledger, tag.slug, tag.name, tag.description)

    def create(self, session: Session) -> str:
        """Make the tag."""
        return TAGS.create(session, IMPORT, TagIn(**self.values()))

    def update(self, session: Session, local_id: str) -> None:
        """Change what differs."""
        TAGS.update(session, IMPORT, local_id, TagPatch(**self.changes()), None)


class SectionEntry(_SluggedEntry):
    """A category as a section, below the section of its parent."""

    kind, row, table = "category", "categories", table_of(Section)

    def __init__(self, ledger: Ledger, category: Category) -> None:
        super().__init__(ledger, category.slug, category.name, category.description)
        self.parent = category.parent

    def values(self) -> dict[str, Any]:
        """With the slug of the parent in the file."""
        return {**super().values(), "parent": self.parent}

    def _parent(self, session: Session) -> str | None:
        return self.ledger.local(session.connection(), "category", self.parent, self.table) if self.parent else None

    def create(self, session: Session) -> str:
        """Make the section; its parent came before it."""
        return SECTIONS.create(session, IMPORT, SectionIn(**{**self.values(), "parent": self._parent(session)}))

    def update(self, session: Session, local_id: str) -> None:
        """Change what differs."""
        data = SectionPatch(**{**self.changes(), "parent": self._parent(session)})
        SECTIONS.update(session, IMPORT, local_id, data, None)
