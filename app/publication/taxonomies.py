"""Sections, tags, authors and series: what is special about each of the four taxonomies."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel import Session

from app.core.ids import is_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.events import catalog
from app.events.log import emit
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication.generations import bump_generation
from app.publication.media_library import require_media
from app.publication.merges import MergeableTaxonomy
from app.publication.references import resolve_references
from app.publication.schemas import (
    SECTION_SORTS,
    AuthorIn,
    AuthorOut,
    AuthorPatch,
    SectionIn,
    SectionOut,
    SectionPatch,
    SeriesIn,
    SeriesOut,
    SeriesPatch,
    TagDetailOut,
    TagIn,
    TagPatch,
    present_image,
)
from app.publication.section_tree import add_section, find_ancestors, lock_tree, move_section, update_paths
from app.publication.site import Site, present_place_in_tree
from app.publication.tables import Author, Media, Section, Series, Tag
from app.publication.taxonomy import Taxonomy
from app.publication.term_queries import ancestors_of, is_section_shown
from app.publication.terms import render_note, require_terms, take_name_lock
from app.text.collation import fold_name, key_bounds
from app.text.inputs import slugify

_SECTION, _TAG, _AUTHOR, _MEDIA = table_of(Section), table_of(Tag), table_of(Author), table_of(Media)


class SectionTaxonomy(Taxonomy[Section, SectionIn, SectionPatch]):
    """Sections, which form a tree; names are unique among those of one parent."""

    def present(self, row: Mapping[str, object], site: Site) -> JsonObject:
        """Shape a row as `SectionOut`."""
        return {**super().present(row, site), **present_place_in_tree(row["ancestors"], site)}

    def insert(self, session: Session, actor: Actor, data: SectionIn, values: JsonObject) -> Section:
        """Insert a section, and add it to the tree."""
        row = super().insert(session, actor, data, values)
        add_section(session, row.id, row.parent_id)
        update_paths(session, row.id)
        return row

    def update(
        self, session: Session, actor: Actor, ref: str, data: SectionPatch, versions: frozenset[int] | None
    ) -> str:
        """Change a section; the tree is locked before the section, so that two moves do not deadlock."""
        if data.model_fields_set & {"parent", "slug"}:
            lock_tree(session)
        return super().update(session, actor, ref, data, versions)

    def resolve(self, session: Session, row: Section | None, values: JsonObject) -> JsonObject:
        """Resolve the parent; 422 if it is missing, the section itself or below it."""
        if "parent" not in values:
            return values
        ref = values.pop("parent")
        values["parent_id"] = None
        if ref is None:
            return values
        if row is None:
            lock_tree(session)
        values["parent_id"] = parent_id = self.require(session, str(ref), "/parent")
        if row is not None and row.id in find_ancestors(session, parent_id):
            detail = "A section cannot be its own ancestor. Choose another parent."
            raise Invalid(detail, pointer="/parent", code="circular")
        return values

    def is_shown(self, session: Session, row: Section, values: Mapping[str, object]) -> bool:
        """Whether readers see articles inside the section, or its slug changes, which is part of public URLs."""
        return values.get("slug", row.slug) != row.slug or is_section_shown(session.connection(), row.id)

    def on_updated(self, session: Session, row: Section, fields: Sequence[str]) -> None:
        """Move the section in the tree, and write the paths that change."""
        if "parent_id" in fields:
            session.flush()
            move_section(session, row.id, row.parent_id)
        if not {"parent_id", "slug"}.isdisjoint(fields):
            session.flush()
            update_paths(session, row.id)

    def check_deletion(self, actor: Actor) -> None:
        """Require `content:publish`: the section's public URL disappears."""
        require_publish(actor)


_PARENT = _SECTION.alias("parent")
_EXPECTED_PATH = sa.case((_PARENT.c.id.is_(None), _SECTION.c.slug), else_=_PARENT.c.path + "/" + _SECTION.c.slug)
_MISPLACED = (
    sa.select(_SECTION.c.id, _SECTION.c.slug)
    .select_from(_SECTION.outerjoin(_PARENT, _PARENT.c.id == _SECTION.c.parent_id))
    .where(_SECTION.c.path != _EXPECTED_PATH)
    .order_by(_SECTION.c.id)
)
"""Sections whose path is not that of their parent with their slug: a release without paths has written them."""


def has_misplaced_sections(connection: sa.Connection) -> bool:
    """Whether `repair_paths` has anything to do."""
    return connection.execute(_MISPLACED.limit(1)).first() is not None


def repair_paths(session: Session) -> int:
    """Write paths that a process of a former release did not, while both served; return for how many sections."""
    lock_tree(session)
    rows = session.execute(_MISPLACED).all()
    for row in rows:
        update_paths(session, row.id)
        emit(session, catalog.SectionChanged(subject_id=row.id, slug=row.slug, created=False))
    if rows:
        bump_generation(session)
    return len(rows)


class TagTaxonomy(MergeableTaxonomy[Tag, TagIn, TagPatch]):
    """Tags, which articles name by id, slug or name; unknown names create tags."""

    def require_all(self, session: Session, actor: Actor, refs: Sequence[str], pointer: str = "/tags") -> list[str]:
        """Return the ids of tags named by id, slug or name, in order and without repeats.

        Unknown names create tags, even for keys that are limited to sections; an unknown id is a 422.
        """
        ids = _find_tag_ids(session, refs)
        missing = [(at, ref) for at, ref in enumerate(refs) if ref not in ids]
        if any(is_id(ref) for _, ref in missing):
            raise Invalid("There is no tag with this id.", pointer=pointer, code="not_found")
        if missing:
            for lock in _list_name_locks([ref for _, ref in missing]):
                take_name_lock(session, f"tag:{lock}")
            ids = _find_tag_ids(session, refs)  # a concurrent request may have created them
        for at, ref in missing:
            if ref not in ids:
                same_id = next((tag_id for other, tag_id in ids.items() if fold_name(other) == fold_name(ref)), None)
                ids[ref] = same_id or self.insert(session, actor, _make_tag_input(ref, f"{pointer}/{at}"), {}).id
        return list(dict.fromkeys(ids[ref] for ref in refs))


def _list_name_locks(names: Sequence[str]) -> Iterator[str]:
    """List the locks on names and their slugs, in an order in which two requests never wait for each other."""
    yield from sorted(f"name:{fold_name(name)}" for name in names)
    yield from sorted(slugify(name) for name in names)


def _has_similar_key(word: str) -> sa.ColumnElement[bool]:
    low, high = key_bounds(word)
    return (_TAG.c.name_key >= low) & (_TAG.c.name_key < high)


def _find_tag_ids(session: Session, refs: Sequence[str]) -> dict[str, str]:
    """Return ids by reference: by id, slug, name in any case, or former slug; unknown ones are left out."""
    uuids = [ref for ref in refs if is_id(ref)]
    words = [ref for ref in refs if not is_id(ref)]
    slugs = {slugify(word) for word in words}.union(words)
    is_named = sa.or_(_TAG.c.id.in_(uuids), _TAG.c.slug.in_(sorted(slugs)), *map(_has_similar_key, words))
    locked = sa.select(_TAG.c.id, _TAG.c.slug, _TAG.c.name).where(is_named).order_by(_TAG.c.id)
    rows = session.execute(locked.with_for_update(read=True, key_share=True)).all()
    ids: dict[str, str] = {}
    for ref in refs:
        exact = [row.id for row in rows if ref in (row.id, row.slug)]
        named = [row.id for row in rows if not is_id(ref) and fold_name(row.name) == fold_name(ref)]
        if exact or named:
            ids[ref] = (exact or named)[0]
    if former := [slug for slug in words if slug not in ids]:
        for (_, ref), reference in resolve_references(session, {"tag": former}).items():
            ids[ref] = reference.id
    return ids


def _make_tag_input(name: str, pointer: str) -> TagIn:
    try:
        return TagIn(name=name)
    except ValidationError as error:
        raise Invalid("This is not a valid name for a tag.", pointer=pointer) from error


class AuthorTaxonomy(MergeableTaxonomy[Author, AuthorIn, AuthorPatch]):
    """Authors, who may share a name; the slugs of later ones are numbered."""

    names_are_unique = False

    def present(self, row: Mapping[str, object], site: Site) -> JsonObject:
        """Shape a row as `AuthorOut`."""
        image = {column.key: row[f"picture_{column.key}"] for column in _MEDIA.c}
        presented = present_image(image, site.media) if row["image_id"] else None
        return {**super().present(row, site), "website": row["url"], "image": presented}

    def resolve(self, session: Session, row: Author | None, values: JsonObject) -> JsonObject:
        """Render the biography, and resolve the picture; 422 if there is no such picture."""
        if "bio_html" in values or "bio_text" in values:
            html, text = (cast("str | None", values.get(name)) for name in ("bio_html", "bio_text"))
            has_no_bio = row is None and html is None and text is None
            values["bio_html"], values["bio_text"] = ("", "") if has_no_bio else render_note(html, text, "/bio_")
        if "website" in values:
            values["url"] = values.pop("website")
        if "image" in values:
            image = values.pop("image")
            values["image_id"] = require_media(session, str(image)) if image else None
        return values

    def require_all(self, session: Session, refs: Sequence[str], pointer: str = "/authors") -> list[str]:
        """Return the ids of existing authors, in order and without repeats; 422 if one is missing."""
        return require_terms(session, Author, refs, pointer)


SeriesTaxonomy = MergeableTaxonomy[Series, SeriesIn, SeriesPatch]

SECTIONS = SectionTaxonomy(
    Section,
    SectionIn,
    SectionPatch,
    SectionOut,
    catalog.SectionChanged,
    catalog.SectionDeleted,
    select_terms=sa.select(_SECTION, ancestors_of(_SECTION.c.id).label("ancestors")),
    sorts=SECTION_SORTS,
    groups=["sections"],
)
TAGS = TagTaxonomy(Tag, TagIn, TagPatch, TagDetailOut, catalog.TagChanged, catalog.TagDeleted)
AUTHORS = AuthorTaxonomy(
    Author,
    AuthorIn,
    AuthorPatch,
    AuthorOut,
    catalog.AuthorChanged,
    catalog.AuthorDeleted,
    select_terms=sa.select(_AUTHOR, *(column.label(f"picture_{column.key}") for column in _MEDIA.c)).select_from(
        _AUTHOR.outerjoin(_MEDIA, _MEDIA.c.id == _AUTHOR.c.image_id)
    ),
    groups=["media"],
)
SERIES = SeriesTaxonomy(Series, SeriesIn, SeriesPatch, SeriesOut, catalog.SeriesChanged, catalog.SeriesDeleted)
MERGEABLE: Final[Mapping[str, TagTaxonomy | AuthorTaxonomy | SeriesTaxonomy]] = MappingProxyType(
    {"tag": TAGS, "author": AUTHORS, "series": SERIES}
)
"""Taxonomies by the kind that a merge is stored with."""
