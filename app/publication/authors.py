"""Creating, changing and deleting authors."""

from collections.abc import Sequence

from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.events.catalog import AuthorChanged, AuthorDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.media_library import require_media
from app.publication.notices import delete_notices_of
from app.publication.schemas import AuthorIn, AuthorPatch
from app.publication.tables import Author
from app.text.confusables import skeleton


def require_authors(session: Session, refs: Sequence[str], pointer: str = "/authors") -> list[str]:
    """Return the ids of existing authors, in order and without repeats; 422 if one is missing."""
    return terms.require_terms(session, Author, refs, pointer)


def create_author(session: Session, actor: Actor, data: AuthorIn) -> str:
    """Create an author; returns the id. Names may repeat; the slugs of later authors are numbered."""
    terms.require_all_sections(actor)
    has_no_bio = data.bio_html is None and data.bio_text is None
    html, text = ("", "") if has_no_bio else terms.render_note(data.bio_html, data.bio_text, "/bio_")
    moment = now()
    row = Author(
        id=new_id(),
        slug=terms.choose_slug(session, Author, data.name, data.slug),
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
    record_action(session, actor, "author.create", "author", row.id, {"slug": row.slug})
    return row.id


def update_author(session: Session, actor: Actor, ref: str, data: AuthorPatch, versions: frozenset[int] | None) -> str:
    """Update an author; returns the id."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Author, ref)
    values = data.model_dump(exclude_unset=True)
    if "bio_html" in values or "bio_text" in values:
        html, text = terms.render_note(values.get("bio_html"), values.get("bio_text"), "/bio_")
        values |= {"bio_html": html, "bio_text": text}
    if "image" in values:
        image = values.pop("image")
        values["image_id"] = require_media(session, image) if image else None
    if fields := terms.update_term(session, actor, row, versions, values):
        row.skeleton = skeleton(row.name)
        emit(session, AuthorChanged(subject_id=row.id, slug=row.slug, created=False))
        record_action(session, actor, "author.change", "author", row.id, {"fields": fields})
    return row.id


def delete_author(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete an author without articles, and their notices."""
    terms.require_all_sections(actor)
    row = terms.lock_term(session, Author, ref)
    terms.delete_term(session, row, versions)
    delete_notices_of(session, "author", row.id)
    emit(session, AuthorDeleted(subject_id=row.id, slug=row.slug))
    record_action(session, actor, "author.delete", "author", row.id, {"slug": row.slug})
