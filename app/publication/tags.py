"""Making, changing and deleting tags."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.events.log import emit
from app.identity.audit import record
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.events import TagChanged, TagDeleted
from app.publication.references import resolve_references
from app.publication.schemas import TagIn, TagPatch
from app.publication.tables import Tag
from app.text.collation import fold_name, key_bounds
from app.text.inputs import slugify

_TAG = table_of(Tag)


def create(session: Session, actor: Actor, data: TagIn) -> str:
    """Make a tag; returns its id. 409 naming the existing one if a tag has this name."""
    terms.unlimited(actor)
    terms.require_name_free(session, actor, Tag, data.name)
    return _add(session, actor, data)


def _add(session: Session, actor: Actor, data: TagIn) -> str:
    moment = now()
    row = Tag(
        id=new_id(),
        slug=terms.slug_for(session, Tag, data.name, data.slug),
        name=data.name,
        description=data.description,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    emit(session, TagChanged(subject_id=row.id, slug=row.slug, created=True))
    record(session, actor, "tag.create", "tag", row.id, {"slug": row.slug})
    return row.id


def _same(name: str, other: str) -> bool:
    return fold_name(name) == fold_name(other)


def _named_alike(word: str) -> sa.ColumnElement[bool]:
    low, high = key_bounds(word)
    return (_TAG.c.name_key >= low) & (_TAG.c.name_key < high)


def _known(session: Session, refs: Sequence[str]) -> Mapping[str, str]:
    """The ids of those that are there: by id, by slug, by name in whatever letter case, or by a slug they had."""
    ids = [ref for ref in refs if is_id(ref)]
    words = [ref for ref in refs if not is_id(ref)]
    slugs = {slugify(word) for word in words}.union(words)
    wanted = sa.or_(_TAG.c.id.in_(ids), _TAG.c.slug.in_(sorted(slugs)), *map(_named_alike, words))
    kept = sa.select(_TAG.c.id, _TAG.c.slug, _TAG.c.name).where(wanted).order_by(_TAG.c.id)
    rows = session.execute(kept.with_for_update(read=True, key_share=True)).all()
    found: dict[str, str] = {}
    for ref in refs:
        exact = [row.id for row in rows if ref in (row.id, row.slug)]
        named = [row.id for row in rows if not is_id(ref) and _same(row.name, ref)]
        if exact or named:
            found[ref] = (exact or named)[0]
    if former := [slug for slug in words if slug not in found]:
        for (_, ref), reference in resolve_references(session, {"tag": former}).items():
            found[ref] = reference.id
    return found


def require(session: Session, actor: Actor, refs: Sequence[str], pointer: str = "/tags") -> list[str]:
    """The ids of tags named by id, slug or name, in their order and without repeats.

    A name that no tag has makes a new one, also for a key that is limited to sections; an unknown id is a 422.
    """
    known = _known(session, refs)
    missing = [(at, ref) for at, ref in enumerate(refs) if ref not in known]
    if any(is_id(ref) for _, ref in missing):
        raise Invalid("There is no such tag.", pointer=pointer, code="not_found")
    names = [ref for _, ref in missing]
    for lock in (*sorted(f"name:{fold_name(ref)}" for ref in names), *sorted(slugify(ref) for ref in names)):
        terms.alone(session, f"tag:{lock}")
    known = dict(_known(session, refs) if missing else known)  # somebody else may have made them just now
    for at, ref in missing:
        if ref not in known:
            same = next((tag_id for other, tag_id in known.items() if _same(other, ref)), None)
            known[ref] = same or _add(session, actor, _named(ref, f"{pointer}/{at}"))
    return list(dict.fromkeys(known[ref] for ref in refs))


def _named(name: str, pointer: str) -> TagIn:
    try:
        return TagIn(name=name)
    except ValidationError as error:
        raise Invalid("This cannot be the name of a tag.", pointer=pointer) from error


def change(session: Session, actor: Actor, ref: str, data: TagPatch, versions: frozenset[int] | None) -> str:
    """Change a tag; returns its id."""
    terms.unlimited(actor)
    row = terms.locked(session, Tag, ref)
    if fields := terms.change_term(session, actor, row, versions, data.model_dump(exclude_unset=True)):
        emit(session, TagChanged(subject_id=row.id, slug=row.slug, created=False))
        record(session, actor, "tag.change", "tag", row.id, {"fields": fields})
    return row.id


def delete(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a tag that no article has."""
    terms.unlimited(actor)
    row = terms.locked(session, Tag, ref)
    terms.remove_term(session, row, versions)
    emit(session, TagDeleted(subject_id=row.id, slug=row.slug))
    record(session, actor, "tag.delete", "tag", row.id, {"slug": row.slug})
