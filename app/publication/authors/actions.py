"""Making, changing and deleting authors."""

from collections.abc import Sequence

from sqlmodel import Session

from app.events.actions import emit
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import new_id
from app.kit.text import skeleton
from app.publication import actions
from app.publication.authors.events import AuthorChanged, AuthorDeleted
from app.publication.authors.schemas import AuthorIn, AuthorPatch
from app.publication.authors.tables import Author
from app.publication.media.actions import require as require_media
from app.publication.notices.actions import forget


def require(session: Session, refs: Sequence[str], pointer: str = "/authors") -> list[str]:
    """The ids of authors who must be there, in their order and without repeats; 422 otherwise."""
    return actions.require(session, Author, refs, pointer)


def create(session: Session, actor: Actor, data: AuthorIn) -> str:
    """Make an author; returns the id. Two people may share a name; the slugs of the later ones are numbered."""
    actions.unlimited(actor)
    without = data.bio_html is None and data.bio_text is None
    html, text = ("", "") if without else actions.note(data.bio_html, data.bio_text, "/bio_")
    moment = now()
    row = Author(
        id=new_id(),
        slug=actions.slug_for(session, Author, data.name, data.slug),
        name=data.name,
        skeleton=skeleton(data.name),
        bio_html=html,
        bio_text=text,
        url=data.url,
        image_id=require_media(session, data.image) if data.image else None,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    emit(session, AuthorChanged(subject_id=row.id, slug=row.slug, created=True))
    record(session, actor, "author.create", "author", row.id, {"slug": row.slug})
    return row.id


def change(session: Session, actor: Actor, ref: str, data: AuthorPatch, versions: frozenset[int] | None) -> str:
    """Change an author; returns the id."""
    actions.unlimited(actor)
    row = actions.locked(session, Author, ref)
    values = data.model_dump(exclude_unset=True)
    if "bio_html" in values or "bio_text" in values:
        html, text = actions.note(values.get("bio_html"), values.get("bio_text"), "/bio_")
        values |= {"bio_html": html, "bio_text": text}
    if "image" in values:
        image = values.pop("image")
        values["image_id"] = require_media(session, image) if image else None
    if fields := actions.change_term(session, actor, row, versions, values):
        row.skeleton = skeleton(row.name)
        emit(session, AuthorChanged(subject_id=row.id, slug=row.slug, created=False))
        record(session, actor, "author.change", "author", row.id, {"fields": fields})
    return row.id


def delete(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete an author of no article, with their notices."""
    actions.unlimited(actor)
    row = actions.locked(session, Author, ref)
    actions.remove_term(session, row, versions)
    forget(session, "author", row.id)
    emit(session, AuthorDeleted(subject_id=row.id, slug=row.slug))
    record(session, actor, "author.delete", "author", row.id, {"slug": row.slug})
