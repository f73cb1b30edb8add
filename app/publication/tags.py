"""Creating, changing and deleting tags."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.events.catalog import TagChanged, TagDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.references import resolve_references
from app.publication.schemas import TagIn, TagPatch
from app.publication.tables import Tag
from app.text.collation import fold_name, key_bounds
from app.text.inputs import slugify

_TAG = table_of(Tag)


def create_tag(session: Session, actor: Actor, data: TagIn) -> str:
    """Create a tag; returns its id. 409 if a tag has this name."""
    terms.require_all_sections(actor)
    terms.require_name_free(session, actor, Tag, data.name)
    return _add_tag(session, actor, data)


def _add_tag(session: Session, actor: Actor, data: TagIn) -> str:
    moment = now()
    row = Tag(
        id=new_id(),
        slug=terms.choose_slug(session, Tag, data.name, data.slug),
        name=data.name,
        description=data.description,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    emit(session, TagChanged(subject_id=row.id, slug=row.slug, created=True))
    record_action(session, actor, "tag.create", "tag", row.id, {"slug": row.slug})
    return row.id


def _is_same_name(name: str, other: str) -> bool:
    return fold_name(name) == fold_name(other)


def _has_similar_key(word: str) -> sa.ColumnElement[bool]:
    low, high = key_bounds(word)
    return (_TAG.c.name_key >= low) & (_TAG.c.name_key < high)


def _find_tag_ids(session: Session, refs: Sequence[str]) -> Mapping[str, str]:
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
        named = [row.id for row in rows if not is_id(ref) and _is_same_name(row.name, ref)]
        if exact or named:
            ids[ref] = (exact or named)[0]
    if former := [slug for slug in words if slug not in ids]:
        for (_, ref), reference in resolve_references(session, {"tag": former}).items():
            ids[ref] = reference.id
    return ids


def require_tags(session: Session, actor: Actor, refs: Sequence[str], pointer: str = "/tags") -> list[str]:
    """Return the ids of tags named by id, slug or name, in order and without repeats.

    Unknown names create tags, even for keys that are limited to sections; an unknown id is a 422.
    """
    ids = _find_tag_ids(session, refs)
    missing = [(at, ref) for at, ref in enumerate(refs) if ref not in ids]
    if any(is_id(ref) for _, ref in missing):
        raise Invalid("There is no tag with this id.", pointer=pointer, code="not_found")
    names = [ref for _, ref in missing]
    for lock in (*sorted(f"name:{fold_name(ref)}" for ref in names), *sorted(slugify(ref) for ref in names)):
        terms.take_name_lock(session, f"tag:{lock}")
    ids = dict(_find_tag_ids(session, refs) if missing else ids)  # a concurrent request may have created them
    for at, ref in missing:
        if ref not in ids:
            same_id = next((tag_id for other, tag_id in ids.items() if _is_same_name(other, ref)), None)
            ids[ref] = same_id or _add_tag(session, actor, _make_tag_input(ref, f"{pointer}/{at}"))
    return list(dict.fromkeys(ids[ref] for ref in refs))


def _make_tag_input(name: str, pointer: str) -> TagIn:
    try:
        return TagIn(name=name)
    except ValidationError as error:
        raise Invalid("This is not a valid name for a tag.", pointer=pointer) from error


def update_tag(session: Session, actor: Actor, ref: str, data: TagPatch, versions: frozenset[int] | None) -> str:
    """Update a tag; returns its id."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Tag, ref)
    if fields := terms.update_term(session, actor, row, versions, data.model_dump(exclude_unset=True)):
        emit(session, TagChanged(subject_id=row.id, slug=row.slug, created=False))
        record_action(session, actor, "tag.change", "tag", row.id, {"fields": fields})
    return row.id


def delete_tag(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a tag without articles."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Tag, ref)
    terms.delete_term(session, row, versions)
    emit(session, TagDeleted(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "tag.delete", "tag", row.id, {"slug": row.slug})
