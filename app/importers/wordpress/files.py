"""Files of the old site in the media store, and the URLs of texts that show them."""

import re
from collections.abc import Iterable
from html import unescape
from itertools import islice
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlmodel import Session

from app.core.problems import Problem
from app.db import Database
from app.importers.engine import IMPORT, write_with_retries
from app.importers.fetching import Fetcher
from app.importers.ledger import ImportedRow, Ledger
from app.importers.report import Report
from app.importers.wordpress.pictures import MEDIA, PictureEntry
from app.importers.wordpress.survey import ListedFile, is_picture
from app.publication import media_library as media
from app.publication.media_library import Upload
from app.publication.renditions import MEDIA_PATH

_BATCH_SIZE = 8  # decoded pictures in memory at a time
_KIND = "file"
_SIZED = re.compile(r"-(?:\d{1,5}x\d{1,5}|scaled|rotated)(?=\.[a-z0-9]{2,5}$)", re.IGNORECASE)
_SHOWN = re.compile(r"""(<(?:img|a)\b[^<>]*?(?<![\w-])(?:src|href)\s*=\s*)(?:"([^"<>]*)"|'([^'<>]*)')""", re.IGNORECASE)
_SELECT_STATE = sa.select(MEDIA.c.state, MEDIA.c.url).where(MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type))
_SELECT_KEY = sa.select(MEDIA.c.key).where(MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type))


def _list_names(url: str) -> list[str]:
    """List the names of a file: its URL without the scheme, also without the size that WordPress adds."""
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
        """Fetch and store the pictures that are only referenced so far, and report failures."""
        if self._report.dry_run:
            self._report.notes.append("a dry run does not fetch pictures")
            return
        source = iter(pictures)
        while batch := list(islice(source, _BATCH_SIZE)):
            with self._db.connect() as connection:
                references = [(file, *self._find_reference(connection, file)) for file in batch]
            missing = [(file, media_id, url) for file, media_id, url in references if media_id and url]
            results = fetcher.fetch([url for _, _, url in missing]) if missing else []
            for (file, media_id, url), result in zip(missing, results, strict=True):
                self._settle(file, media_id, url, result)

    def _find_reference(self, connection: sa.Connection, file: ListedFile) -> tuple[str, str]:
        """Return the id and URL of a picture that is only referenced; empty strings for all others."""
        media_id = self._ledger.find_local_id(connection, PictureEntry.kind, str(file.number), MEDIA)
        row = connection.execute(_SELECT_STATE, {"this": media_id}).first() if media_id else None
        return (media_id, row.url) if media_id and row and row.state == "reference" and row.url else ("", "")

    def _settle(self, file: ListedFile, media_id: str, url: str, result: Upload | str) -> None:
        if isinstance(result, str):
            self._report.add(
                "files", str(file.number), file.title, "failed", [f"the picture was not fetched: {result}"]
            )
            return

        def write(session: Session) -> None:
            media.store_reference(session, IMPORT, media_id, result)
            for name in _list_names(url):
                if self._ledger.find(session.connection(), _KIND, name) is None:
                    self._ledger.record(session.connection(), _KIND, name, ImportedRow(media_id, ""))

        try:
            write_with_retries(self._db, write)
        except Problem as problem:
            self._report.add("files", str(file.number), file.title, "failed", [problem.detail])
        else:
            self._report.add("files", str(file.number), file.title, "new")

    def rewrite_urls(self, html: str) -> str:
        """Replace the URLs of pictures of the old site that are in the media store."""
        with self._db.connect() as connection:
            if not self._ledger.has_kind(connection, _KIND):
                return html
            return _SHOWN.sub(lambda tag: self._replace(connection, tag), html)

    def _replace(self, connection: sa.Connection, tag: re.Match[str]) -> str:
        url = unescape(tag[2] or tag[3] or "")
        for name in _list_names(url) if is_picture(url) else []:
            if media_id := self._ledger.find_local_id(connection, _KIND, name, MEDIA):
                key = connection.execute(_SELECT_KEY, {"this": media_id}).scalar_one_or_none()
                return f'{tag[1]}"{MEDIA_PATH}{key}"' if key else tag.group()
        return tag.group()
