"""Files of the old site that are in the media store now: which they are, and the texts that show them."""

import re
from collections.abc import Iterable
from html import unescape
from itertools import islice
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlmodel import Session

from app.core.problems import Problem
from app.db import Database
from app.importers.engine import IMPORT, patiently
from app.importers.fetching import Fetcher
from app.importers.ledger import Known, Ledger
from app.importers.report import Report
from app.importers.wordpress.pictures import MEDIA, PictureEntry
from app.importers.wordpress.survey import ListedFile, is_picture
from app.publication import media_library as media
from app.publication.media_library import Upload
from app.publication.schemas import MEDIA_PATH

_BATCH = 8  # decoded pictures that are in memory together
_KIND = "file"
_SIZED = re.compile(r"-(?:\d{1,5}x\d{1,5}|scaled|rotated)(?=\.[a-z0-9]{2,5}$)", re.IGNORECASE)
_SHOWN = re.compile(r"""(<(?:img|a)\b[^<>]*?(?<![\w-])(?:src|href)\s*=\s*)(?:"([^"<>]*)"|'([^'<>]*)')""", re.IGNORECASE)
_STATE = sa.select(MEDIA.c.state, MEDIA.c.url).where(MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type))
_KEY = sa.select(MEDIA.c.key).where(MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type))


def _names(url: str) -> list[str]:
    """What a file is known by, whatever the scheme: its address, and that without the size which WordPress adds."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    name = f"{parts.netloc.lower()}{unquote(parts.path)}"
    return list(dict.fromkeys([name, _SIZED.sub("", name)])) if parts.netloc else []


class Files:
    """The stored files of one site."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self._db, self._ledger, self._report = db, ledger, report

    def fetch(self, fetcher: Fetcher, pictures: Iterable[ListedFile]) -> None:
        """Bring in the pictures that are only referred to so far; each failure gets its line in the report."""
        if self._report.dry_run:
            self._report.notes.append("a dry run fetches no pictures")
            return
        source = iter(pictures)
        while batch := list(islice(source, _BATCH)):
            with self._db.connect() as connection:
                wanted = [(file, *self._reference(connection, file)) for file in batch]
            missing = [(file, media_id, url) for file, media_id, url in wanted if media_id and url]
            results = fetcher.fetch([url for _, _, url in missing]) if missing else []
            for (file, media_id, url), result in zip(missing, results, strict=True):
                self._settle(file, media_id, url, result)

    def _reference(self, connection: sa.Connection, file: ListedFile) -> tuple[str, str]:
        """The id of a picture that is only referred to, and its address; empty for all others."""
        media_id = self._ledger.local(connection, PictureEntry.kind, str(file.number), MEDIA)
        row = connection.execute(_STATE, {"this": media_id}).first() if media_id else None
        return (media_id, row.url) if media_id and row and row.state == "reference" and row.url else ("", "")

    def _settle(self, file: ListedFile, media_id: str, url: str, result: Upload | str) -> None:
        if isinstance(result, str):
            self._report.add(
                "files", str(file.number), file.title, "failed", [f"the picture was not fetched: {result}"]
            )
            return

        def write(session: Session) -> None:
            media.store_reference(session, IMPORT, media_id, result)
            for name in _names(url):
                if self._ledger.known(session.connection(), _KIND, name) is None:
                    self._ledger.note(session.connection(), _KIND, name, Known(media_id, ""))

        try:
            patiently(self._db, write)
        except Problem as problem:
            self._report.add("files", str(file.number), file.title, "failed", [problem.detail])
        else:
            self._report.add("files", str(file.number), file.title, "new")

    def show(self, html: str) -> str:
        """HTML in which the pictures of the old site that are stored here are shown from here."""
        with self._db.connect() as connection:
            if not self._ledger.has_any(connection, _KIND):
                return html
            return _SHOWN.sub(lambda tag: self._replace(connection, tag), html)

    def _replace(self, connection: sa.Connection, tag: re.Match[str]) -> str:
        url = unescape(tag[2] or tag[3] or "")
        for name in _names(url) if is_picture(url) else []:
            if media_id := self._ledger.local(connection, _KIND, name, MEDIA):
                key = connection.execute(_KEY, {"this": media_id}).scalar_one_or_none()
                return f'{tag[1]}"{MEDIA_PATH}{key}"' if key else tag.group()
        return tag.group()
