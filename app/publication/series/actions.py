"""Making, changing and deleting series."""

from sqlmodel import Session

from app.events.actions import emit
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.publication import actions
from app.publication.notices.actions import forget
from app.publication.series.events import SeriesChanged, SeriesDeleted
from app.publication.series.schemas import SeriesIn, SeriesPatch
from app.publication.series.tables import Series


def require(session: Session, ref: str, pointer: str = "/series") -> str:
    """The id of a series that must be there; 422 otherwise."""
    return actions.require(session, Series, [ref], pointer)[0]


def create(session: Session, actor: Actor, data: SeriesIn) -> str:
    """Make a series; returns its id. 409 naming the existing one if a series has this name."""
    actions.unlimited(actor)
    actions.require_name_free(session, actor, Series, data.name)
    moment = now()
    row = Series(
        id=new_id(),
        slug=actions.slug_for(session, Series, data.name, data.slug),
        name=data.name,
        description=data.description,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    emit(session, SeriesChanged(subject_id=row.id, slug=row.slug, created=True))
    record(session, actor, "series.create", "series", row.id, {"slug": row.slug})
    return row.id


def change(session: Session, actor: Actor, ref: str, data: SeriesPatch, versions: frozenset[int] | None) -> str:
    """Change a series; returns its id."""
    actions.unlimited(actor)
    row = actions.locked(session, Series, ref)
    if fields := actions.change_term(session, actor, row, versions, data.model_dump(exclude_unset=True)):
        emit(session, SeriesChanged(subject_id=row.id, slug=row.slug, created=False))
        record(session, actor, "series.change", "series", row.id, {"fields": fields})
    return row.id


def delete(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a series that no article is part of, with its notices."""
    actions.unlimited(actor)
    row = actions.locked(session, Series, ref)
    actions.remove_term(session, row, versions)
    forget(session, "series", row.id)
    emit(session, SeriesDeleted(subject_id=row.id, slug=row.slug))
    record(session, actor, "series.delete", "series", row.id, {"slug": row.slug})
