"""What becomes of settings when what they are for is gone."""

from sqlmodel import Session

from app.articles.discussion.actions import forget
from app.events.schemas import Entry


def section_gone(session: Session, entry: Entry) -> None:
    """Sections are deleted on the floor below, which knows nothing of discussions."""
    if entry.subject_id is not None:
        forget(session, entry.subject_id)
