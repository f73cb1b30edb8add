"""What facts of the log cause here: whoever was named for an article need not be any more once it is public."""

from sqlmodel import Session

from app.events.schemas import Entry
from app.syndication.partners.actions import forget


def published(session: Session, entry: Entry) -> None:
    """Forget its early readers."""
    forget(session, str(entry.subject_id))
