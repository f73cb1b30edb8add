"""Importing authors, categories and tags."""

from functools import cached_property

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.db.rows import JsonObject
from app.importers.engine import IMPORT, truncate
from app.importers.ledger import Ledger, compute_fingerprint
from app.importers.wordpress.plan import extract_text, parse_slug, visible_name
from app.importers.wordpress.records import Category, Tag
from app.importers.wordpress.survey import ListedAuthor
from app.publication.schemas import AuthorIn, AuthorPatch, SectionIn, SectionPatch, TagIn, TagPatch
from app.publication.tables import Author, Section, Term
from app.publication.tables import Tag as TagRow
from app.publication.taxonomies import AUTHORS, SECTIONS, TAGS


class _TermEntry:
    """An author, category or tag: a name, and possibly an existing row that represents the same."""

    kind: str
    row: str
    table: sa.Table

    def __init__(self, ledger: Ledger, key: str, name: str) -> None:
        self.ledger = ledger
        self.key = self.label = key
        self.name = self.title = visible_name(name, key)
        self.notes: list[str] = [] if " ".join(name.split()) == self.name else ["its name is cut, or its slug is used"]

    def values(self) -> JsonObject:
        """Return the imported values."""
        return {"name": self.name}

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the values."""
        return compute_fingerprint(self.values())

    def prepare(self, _connection: sa.Connection, _local_id: str | None) -> None:
        """Do nothing, as no work is slow."""

    def _find_equivalent(self, connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> str | None:
        """Find a row that meets the conditions and was not imported from the same source."""
        ids = connection.execute(sa.select(self.table.c.id).where(*conditions).order_by(self.table.c.id)).scalars()
        return next((row_id for row_id in ids if not self.ledger.has(connection, self.kind, row_id)), None)


class AuthorEntry(_TermEntry):
    """A user, imported as an author with the public name only, without e-mail address and login."""

    kind, row, table = "author", "authors", table_of(Author)

    def __init__(self, ledger: Ledger, author: ListedAuthor) -> None:
        shown = author.name.partition("@")[0]
        super().__init__(ledger, author.login, shown)
        self.label = str(author.number or self.name)
        if shown != author.name:
            self.notes = ["the name is an e-mail address: only the part before the @ is used"]

    def find_existing(self, connection: sa.Connection) -> str | None:
        """Find an author of exactly this name."""
        return self._find_equivalent(connection, self.table.c.name == self.name)

    def create(self, session: Session) -> str:
        """Create the author; the slug is derived from the name, as a login is private."""
        return AUTHORS.create(session, IMPORT, AuthorIn(name=self.name))

    def update(self, session: Session, local_id: str) -> None:
        """Update the name."""
        AUTHORS.update(session, IMPORT, local_id, AuthorPatch(name=self.name), None)


class _SluggedEntry(_TermEntry):
    """A term with a slug and a description."""

    model: type[Term]

    def __init__(self, ledger: Ledger, slug: str, name: str, description: str) -> None:
        super().__init__(ledger, slug, name)
        self.slug = parse_slug(slug)
        if self.slug is None:
            self.notes.append("its slug is invalid; one is derived from its name")
        text = extract_text(description, self.notes, "the description")
        self.description = truncate(text, 2000, "the description", self.notes)

    def values(self) -> JsonObject:
        """Return the imported values, with the slug of the file if it is valid."""
        return {"name": self.name, "slug": self.slug, "description": self.description}

    def changes(self) -> JsonObject:
        """Return the values of an update: those that the file has."""
        return {name: value for name, value in self.values().items() if value is not None}

    def find_existing(self, connection: sa.Connection) -> str | None:
        """Find the row with this slug."""
        return self._find_equivalent(connection, self.table.c.slug == self.slug) if self.slug else None


class TagEntry(_SluggedEntry):
    """A tag."""

    kind, row, table = "tag", "tags", table_of(TagRow)

    def find_existing(self, connection: sa.Connection) -> str | None:
        """Find the tag with this slug, else the one of exactly this name."""
        return super().find_existing(connection) or self._find_equivalent(connection, self.table.c.name == self.name)

    def __init__(self, ledger: Ledger, tag: Tag) -> None:
        super().__init__(ledger, tag.slug, tag.name, tag.description)

    def create(self, session: Session) -> str:
        """Create the tag."""
        return TAGS.create(session, IMPORT, TagIn.model_validate(self.values()))

    def update(self, session: Session, local_id: str) -> None:
        """Apply the changes."""
        TAGS.update(session, IMPORT, local_id, TagPatch.model_validate(self.changes()), None)


class SectionEntry(_SluggedEntry):
    """A category as a section, below the section of its parent."""

    kind, row, table = "category", "categories", table_of(Section)

    def __init__(self, ledger: Ledger, category: Category) -> None:
        super().__init__(ledger, category.slug, category.name, category.description)
        self.parent = category.parent

    def values(self) -> JsonObject:
        """Return the imported values, with the slug of the parent in the file."""
        return {**super().values(), "parent": self.parent}

    def _parent(self, session: Session) -> str | None:
        return (
            self.ledger.find_local_id(session.connection(), "category", self.parent, self.table)
            if self.parent
            else None
        )

    def create(self, session: Session) -> str:
        """Create the section; its parent was imported before it."""
        data = SectionIn.model_validate({**self.values(), "parent": self._parent(session)})
        return SECTIONS.create(session, IMPORT, data)

    def update(self, session: Session, local_id: str) -> None:
        """Apply the changes."""
        data = SectionPatch.model_validate({**self.changes(), "parent": self._parent(session)})
        SECTIONS.update(session, IMPORT, local_id, data, None)
