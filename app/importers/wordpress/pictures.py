"""Importing pictures as references to their URLs."""

from functools import cached_property

import sqlalchemy as sa
from sqlmodel import Session

from app.blocks.urls import sanitise_url
from app.db.columns import table_of
from app.importers.engine import IMPORT, truncate
from app.importers.ledger import compute_fingerprint
from app.importers.wordpress.plan import extract_text
from app.importers.wordpress.survey import ListedFile
from app.publication import media_library as media
from app.publication.schemas import MediaPatch
from app.publication.tables import Media
from app.text.inputs import is_http_url

MEDIA = table_of(Media)
_MAX_LENGTH = 2000  # characters of alt text and caption


class PictureEntry:
    """An attachment that is a picture; its title is not imported, as it is not a caption."""

    kind, row, table = "attachment", "attachments", MEDIA

    def __init__(self, file: ListedFile) -> None:
        self.key = self.label = str(file.number)
        self.title, self.notes = file.title, list[str]()
        self.url = sanitise_url(file.url, mail=False) or ""
        self.alt = truncate(file.alt, _MAX_LENGTH, "the alt text", self.notes)
        caption = extract_text(file.caption, self.notes, "the caption")
        self.caption = truncate(caption, _MAX_LENGTH, "the caption", self.notes)
        if file.described:
            self.notes.append("its description is not imported")

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the imported values."""
        return compute_fingerprint({"url": self.url, "alt": self.alt, "caption": self.caption})

    def find_existing(self, _connection: sa.Connection) -> str | None:
        """Return None: other references to the same URL may have different texts."""
        return None

    def prepare(self, _connection: sa.Connection, _local_id: str | None) -> None:
        """Raise ValueError without an http or https URL."""
        if not is_http_url(self.url):
            raise ValueError("it has no web address")

    def create(self, session: Session) -> str:
        """Create the reference."""
        return media.create_reference(session, IMPORT, self.url, self.alt, self.caption)

    def update(self, session: Session, local_id: str) -> None:
        """Update the alt text and the caption."""
        media.update_media(session, IMPORT, local_id, MediaPatch(alt=self.alt, caption=self.caption), None)
