"""Reading sections, tags, authors and series."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.identity.keys import reserved_name_clause
from app.publication import terms
from app.publication.schemas import LEVELS, SECTION_SORTS, TERM_SORTS, SectionQuery, TermQuery, present_image
from app.publication.section_tree import CLOSURE, select_descendants
from app.publication.tables import Author, Media, Section, Series, Tag
from app.text.confusables import skeleton, skeletons
from app.text.names import is_office

_SECTION = table_of(Section)
_PARENT = _SECTION.alias("parent")
SELECT_SECTIONS = sa.select(
    _SECTION, _PARENT.c.slug.label("parent_slug"), _PARENT.c.name.label("parent_name")
).select_from(_SECTION.outerjoin(_PARENT, _PARENT.c.id == _SECTION.c.parent_id))

_RANK = sa.case({level: rank for rank, level in enumerate(LEVELS)}, value=_SECTION.c.syndication)


def syndication_of(section: ColumnElement[Any]) -> ColumnElement[Any]:
    """Select the syndication level of a section: the least of its own and its ancestors'."""
    above = CLOSURE.join(_SECTION, _SECTION.c.id == CLOSURE.c.ancestor_id)
    least = sa.select(_SECTION.c.syndication).select_from(above).where(CLOSURE.c.descendant_id == section)
    return least.order_by(_RANK).limit(1).correlate(section.table).scalar_subquery()


def find_section(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """Find a section by id or slug."""
    return terms.find_term(connection, SELECT_SECTIONS, ref)


def present_section(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Shape a row as `SectionOut`."""
    parent = {name: row[f"parent_{name}"] for name in ("id", "slug", "name")}
    return {**row, "parent": parent if row["parent_id"] else None}


def get_section(connection: sa.Connection, section_id: str) -> dict[str, Any]:
    """Return a section by id, as `SectionOut`."""
    return present_section(connection.execute(SELECT_SECTIONS.where(_SECTION.c.id == section_id)).mappings().one())


def list_sections(connection: sa.Connection, query: SectionQuery) -> dict[str, Any]:
    """Return a page of sections."""
    page = terms.list_terms(connection, SELECT_SECTIONS, SECTION_SORTS[query.sort], query)
    return {**page, "data": [present_section(row) for row in page["data"]]}


def is_section_shown(connection: sa.Connection, section_id: str) -> bool:
    """Whether readers see articles of a section or its subsections, now or at a set time."""
    inside = select_descendants(sa.literal(section_id, _SECTION.c.id.type))
    shown = sa.select(_SECTION.c.id).where(_SECTION.c.id.in_(inside), _SECTION.c.shown > 0).limit(1)
    return connection.execute(shown).first() is not None


_TAG = table_of(Tag)
_SELECT_TAGS = sa.select(_TAG)


def find_tag(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """Find a tag by id or slug."""
    return terms.find_term(connection, _SELECT_TAGS, ref)


def get_tag(connection: sa.Connection, tag_id: str) -> sa.RowMapping:
    """Return a tag by id."""
    return connection.execute(_SELECT_TAGS.where(_TAG.c.id == tag_id)).mappings().one()


def list_tags(connection: sa.Connection, query: TermQuery) -> dict[str, Any]:
    """Return a page of tags."""
    return terms.list_terms(connection, _SELECT_TAGS, TERM_SORTS[query.sort], query)


_AUTHOR, _MEDIA = table_of(Author), table_of(Media)
_IMAGE_COLUMNS = [column.label(f"picture_{column.key}") for column in _MEDIA.c]
SELECT_AUTHORS = sa.select(_AUTHOR, *_IMAGE_COLUMNS).select_from(
    _AUTHOR.outerjoin(_MEDIA, _MEDIA.c.id == _AUTHOR.c.image_id)
)

_SKELETON_PARAMETERS = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
_IS_STAFF_SKELETON: Prepared[JsonObject] = Prepared(
    sa.select(sa.exists().where(_AUTHOR.c.skeleton.in_(_SKELETON_PARAMETERS)) | reserved_name_clause())
)


def find_author(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """Find an author by id or slug."""
    return terms.find_term(connection, SELECT_AUTHORS, ref)


def present_author(row: Mapping[Any, Any], api: str) -> dict[str, Any]:
    """Shape a row as `AuthorOut`, with files at the address of this API."""
    image = {column.key: row[f"picture_{column.key}"] for column in _MEDIA.c}
    return {**row, "image": present_image(image, api) if row["image_id"] else None}


def get_author(connection: sa.Connection, author_id: str, api: str) -> dict[str, Any]:
    """Return an author by id, as `AuthorOut`."""
    return present_author(connection.execute(SELECT_AUTHORS.where(_AUTHOR.c.id == author_id)).mappings().one(), api)


def is_staff_name(store: sa.Connection | Session, name: str, site_name: str = "") -> bool:
    """Whether a name looks like that of an author, an active key, an office or the publication.

    Keys are named after the people who use them. Takes one statement over two indexes.
    """
    name_skeletons = skeletons(name)
    if name_skeletons[0] == "":
        return False
    if skeleton(site_name) in name_skeletons or is_office(name):
        return True
    return bool(_IS_STAFF_SKELETON.one(store, dict(zip("abc", name_skeletons, strict=True)))[0])


def list_authors(connection: sa.Connection, query: TermQuery, api: str) -> dict[str, Any]:
    """Return a page of authors."""
    page = terms.list_terms(connection, SELECT_AUTHORS, TERM_SORTS[query.sort], query)
    return {**page, "data": [present_author(row, api) for row in page["data"]]}


_SERIES = table_of(Series)
_SELECT_SERIES = sa.select(_SERIES)


def find_series(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """Find a series by id or slug."""
    return terms.find_term(connection, _SELECT_SERIES, ref)


def get_series(connection: sa.Connection, series_id: str) -> sa.RowMapping:
    """Return a series by id."""
    return connection.execute(_SELECT_SERIES.where(_SERIES.c.id == series_id)).mappings().one()


def list_series(connection: sa.Connection, query: TermQuery) -> dict[str, Any]:
    """Return a page of series."""
    return terms.list_terms(connection, _SELECT_SERIES, TERM_SORTS[query.sort], query)
