"""Uploaded pictures on their way into the store, as references to where they are."""

from functools import cached_property

import sqlalchemy as sa
from sqlmodel import Session

from app.blocks.urls import sanitise_url
from app.db.columns import table_of
from app.importers.engine import IMPORT, clipped
from app.importers.ledger import fingerprint
from app.importers.wordpress.plan import text_of
from app.importers.wordpress.survey import ListedFile
from app.publication import media_library as media
from app.publication.schemas import MediaPatch
from app.publication.tables import Media
from app.text.inputs import is_http_url

MEDIA = table_of(Media)
_LONGEST = 2000


class PictureEntry:
    """An attachment that is a picture; its title is no caption and is left out."""

    kind, row, table = "attachment", "attachments", MEDIA

    def __init__(self, file: ListedFile) -> None:
        self.key = self.label = str(file.number)
        self.title, self.notes = file.title, list[str]()
        self.url = sanitise_url(file.url, mail=False) or ""
        self.alt = clipped(file.alt, _LONGEST, "the alt text", self.notes)
        caption = text_of(file.caption, self.notes, "the caption")
        self.caption = clipped(caption, _LONGEST, "the caption", self.notes)
        if file.described:
            self.notes.append("its description is left out")

    @cached_property
    def fingerprint(self) -> str:
        """Of all that is taken."""
        return fingerprint({"url": self.url, "alt": self.alt, "caption": self.caption})

    def existing(self, _connection: sa.Connection) -> str | None:
        """Nothing: what is said of a picture here may be said of another use of it."""
        return None

    def prepare(self, _connection: sa.Connection, _local_id: str | None) -> None:
        """Only an address on the web can be referred to."""
        if not is_http_url(self.url):
            raise ValueError("it has no address on the web")

    def create(self, session: Session) -> str:
        """Make the reference."""
        return media.create_reference(session, IMPORT, self.url, self.alt, self.caption)

    def update(self, session: Session, local_id: str) -> None:
        """Change what is said of it."""
        media.update_media(session, IMPORT, local_id, MediaPatch(alt=self.alt, caption=self.caption), None)
