"""Creating, changing and deleting sections."""

from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Invalid
from app.events.catalog import SectionChanged, SectionDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.notices import delete_notices_of
from app.publication.schemas import SectionIn, SectionPatch
from app.publication.section_tree import add_section, find_ancestors, lock_tree, move_section
from app.publication.tables import Section
from app.publication.term_queries import is_section_shown


def require_section(session: Session, ref: str, pointer: str = "/section") -> str:
    """Return the id of an existing section; 422 without one."""
    return terms.require_terms(session, Section, [ref], pointer)[0]


def create_section(session: Session, actor: Actor, data: SectionIn) -> str:
    """Create a section; returns its id. 409 if its parent has a section of this name."""
    terms.require_all_sections(actor)
    if data.parent:
        lock_tree(session)
    parent_id = require_section(session, data.parent, "/parent") if data.parent else None
    terms.require_name_free(session, actor, Section, data.name, parent_id=parent_id)
    moment = now()
    row = Section(
        id=new_id(),
        slug=terms.choose_slug(session, Section, data.name, data.slug),
        name=data.name,
        description=data.description,
        parent_id=parent_id,
        position=data.position,
        syndication=data.syndication,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    session.flush()
    add_section(session, row.id, row.parent_id)
    emit(session, SectionChanged(subject_id=row.id, slug=row.slug, created=True))
    record_action(session, actor, "section.create", "section", row.id, {"slug": row.slug})
    return row.id


def _require_parent(session: Session, row: Section, ref: str | None) -> str | None:
    """Return the id of a new parent; 422 if it is the section itself or below it."""
    if ref is None:
        return None
    parent_id = require_section(session, ref, "/parent")
    if row.id in find_ancestors(session, parent_id):
        raise Invalid(
            "A section cannot be its own ancestor. Choose another parent.", pointer="/parent", code="circular"
        )
    return parent_id


def update_section(
    session: Session, actor: Actor, ref: str, data: SectionPatch, versions: frozenset[int] | None
) -> str:
    """Update a section; returns its id."""
    terms.require_all_sections(actor)
    values = data.model_dump(exclude_unset=True)
    if "parent" in values:
        lock_tree(session)
    row = terms.lock_term(session, Section, ref)
    if "parent" in values:
        values["parent_id"] = _require_parent(session, row, values.pop("parent"))
    moves = values.get("slug", row.slug) != row.slug  # a section's slug is part of public URLs, even without articles
    shown = moves or is_section_shown(session.connection(), row.id)
    if fields := terms.update_term(session, actor, row, versions, values, shown=shown):
        if "parent_id" in fields:
            session.flush()
            move_section(session, row.id, row.parent_id)
        emit(session, SectionChanged(subject_id=row.id, slug=row.slug, created=False))
        record_action(session, actor, "section.change", "section", row.id, {"fields": fields})
    return row.id


def delete_section(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a section without articles and subsections, and its notices."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Section, ref)
    require_publish(actor)  # its public URL disappears
    terms.delete_term(session, row, versions)
    delete_notices_of(session, "section", row.id)
    emit(session, SectionDeleted(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "section.delete", "section", row.id, {"slug": row.slug})
