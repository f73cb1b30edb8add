"""Creating, changing and deleting series."""

from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.events.catalog import SeriesChanged, SeriesDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.notices import delete_notices_of
from app.publication.schemas import SeriesIn, SeriesPatch
from app.publication.tables import Series


def require_series(session: Session, ref: str, pointer: str = "/series") -> str:
    """Return the id of an existing series; 422 without one."""
    return terms.require_terms(session, Series, [ref], pointer)[0]


def create_series(session: Session, actor: Actor, data: SeriesIn) -> str:
    """Create a series; returns its id. 409 if a series has this name."""
    terms.require_all_sections(actor)
    terms.require_name_free(session, actor, Series, data.name)
    moment = now()
    row = Series(
        id=new_id(),
        slug=terms.choose_slug(session, Series, data.name, data.slug),
        name=data.name,
        description=data.description,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    emit(session, SeriesChanged(subject_id=row.id, slug=row.slug, created=True))
    record_action(session, actor, "series.create", "series", row.id, {"slug": row.slug})
    return row.id


def update_series(session: Session, actor: Actor, ref: str, data: SeriesPatch, versions: frozenset[int] | None) -> str:
    """Update a series; returns its id."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Series, ref)
    if fields := terms.update_term(session, actor, row, versions, data.model_dump(exclude_unset=True)):
        emit(session, SeriesChanged(subject_id=row.id, slug=row.slug, created=False))
        record_action(session, actor, "series.change", "series", row.id, {"fields": fields})
    return row.id


def delete_series(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a series without articles, and its notices."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Series, ref)
    terms.delete_term(session, row, versions)
    delete_notices_of(session, "series", row.id)
    emit(session, SeriesDeleted(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "series.delete", "series", row.id, {"slug": row.slug})
