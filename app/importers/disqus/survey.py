"""The posts of an export grouped by article, in a temporary database: a parent may come after its replies."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from app.db.driver import sqlite
from app.importers.disqus.reader import Post, Thread, read_disqus
from app.importers.sources import ExportFile
from app.importers.streams import Progress, stream_all

# An empty path is a private temporary database of SQLite, which is deleted when it is closed.
_TABLES = """
CREATE TABLE thread (id TEXT PRIMARY KEY, identifier TEXT, forum TEXT, link TEXT, title TEXT, article TEXT);
CREATE INDEX thread_article ON thread (article);
CREATE TABLE post (
    place INTEGER PRIMARY KEY, id TEXT, thread TEXT, parent TEXT, name TEXT, email TEXT, message TEXT, created_at TEXT,
    is_approved INTEGER, is_deleted INTEGER, is_spam INTEGER
);
CREATE INDEX post_thread ON post (thread);
"""
_PostRow: TypeAlias = tuple[int, str, str, str, str, str, str, str | None, int, int, int]
"""The columns of `post`."""


class Unmatched(NamedTuple):
    """A post without an article; `link` is None if its thread is not in the file."""

    post: Post
    title: str
    link: str | None


class Survey:
    """The contents of the files, read once; raises BrokenFile before anything is written to the store."""

    def __init__(self, files: Sequence[ExportFile], progress: Progress | None = None) -> None:
        self._store = sqlite.connect("", isolation_level=None)
        self._store.executescript(_TABLES)
        self._store.execute("BEGIN")
        for _, record in stream_all(files, progress, read_disqus):
            self._take(record)
        self._store.execute("COMMIT")

    def _take(self, record: Thread | Post) -> None:
        run = self._store.execute
        if isinstance(record, Thread):
            values = (record.id, record.identifier, record.forum, record.link, record.title)
            run("INSERT OR IGNORE INTO thread VALUES (?, ?, ?, ?, ?, NULL)", values)
            return
        at = record.created_at.isoformat() if record.created_at else None
        texts = (record.id, record.thread, record.parent, record.name, record.email, record.message, at)
        marks = (record.is_approved, record.is_deleted, record.is_spam)
        run("INSERT INTO post VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*texts, *marks))

    def close(self) -> None:
        """Remove the temporary file."""
        self._store.close()

    def forum(self) -> str:
        """Return the short name of the site at Disqus."""
        row = self._store.execute("SELECT forum FROM thread WHERE forum != '' ORDER BY rowid LIMIT 1").fetchone()
        return str(row[0]) if row else ""

    def threads(self) -> list[Thread]:
        """List the threads that have posts."""
        rows = self._store.execute(
            "SELECT id, identifier, forum, link, title FROM thread WHERE id IN (SELECT thread FROM post) ORDER BY rowid"
        )
        return [Thread(*row) for row in rows]

    def set_article(self, thread: str, article_id: str) -> None:
        """Set the article of a thread; several threads may have the same article."""
        self._store.execute("UPDATE thread SET article = ? WHERE id = ?", (article_id, thread))

    def articles(self) -> Iterator[tuple[str, str, list[Post]]]:
        """Yield each article with the title of a thread and all its posts."""
        rows = self._store.execute(
            "SELECT article, min(title) FROM thread WHERE article IS NOT NULL GROUP BY article ORDER BY min(rowid)"
        )
        for article_id, title in rows.fetchall():
            query = "SELECT p.* FROM post p JOIN thread t ON t.id = p.thread WHERE t.article = ? ORDER BY p.place"
            yield article_id, title, [_post(row) for row in self._store.execute(query, (article_id,))]

    def unmatched(self) -> Iterator[Unmatched]:
        """Yield the posts of threads without an article."""
        query = (
            "SELECT p.*, coalesce(t.title, ''), t.link FROM post p LEFT JOIN thread t ON t.id = p.thread"
            " WHERE t.article IS NULL ORDER BY p.place"
        )
        for row in self._store.execute(query):
            yield Unmatched(_post(row[:-2]), *row[-2:])


def _post(row: _PostRow) -> Post:
    _place, number, thread, parent, name, email, message, at, *marks = row
    created_at = datetime.fromisoformat(at) if at else None
    is_approved, is_deleted, is_spam = map(bool, marks)
    return Post(number, thread, parent, name, email, message, created_at, is_approved, is_deleted, is_spam)
