"""What publishing, changing and withdrawing articles causes here."""

from sqlmodel import Session

from app.events.schemas import Entry
from app.related.linking.actions import refresh

SEEN = {"article.published", "article.updated", "article.unpublished", "article.retracted"}


def relate(session: Session, entry: Entry) -> None:
    """Bring the links of an article, and of those near it, to what readers see of it now."""
    if entry.type in SEEN and entry.subject_id is not None:
        refresh(session, entry.subject_id)
