"""Copying a batch of articles to earlier times within the database, in a fraction of the time of inserting rows.

The batch lies in one slice of time, and its ids are UUIDv7: the first five of their digits number the slice. So the
batch is moved to another slice by other digits in all of its ids, also in slugs and JSON, and by earlier times. The
copies have comments, events, search entries and related links of their own, and share sections, authors and most tags.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from app.articles.reading import ARTICLE, REVISION
from app.articles.tables import Article, ArticleAuthor, ArticleTag, ArticleTally, Revision
from app.comments.tables import Comment
from app.db import Database
from app.db.columns import table_of
from app.events.tables import Event
from app.identity.tables import Participant
from app.publication.tables import Author, Media, Section, Series, Tag
from app.related.tables import ArticleTerm, RelatedLink, RelatedTerm, RelatedText
from app.search.indexing import index_words
from app.search.tables import ENTRY, SLOTS_PER_MICROSECOND, SearchEntry

SLICE = 2**28 / 1000  # seconds, about three days
NEWEST_SLICE = 6465  # since 1970: the last days of 2024
PREFIX = f"{NEWEST_SLICE:05x}"  # of all ids of a batch
LOGGED_SLICES = 10  # of which the log has events
_DIGITS = len(PREFIX)
_BATCH: tuple[type[SQLModel], ...] = (
    *(Tag, Participant, Article, Revision, ArticleAuthor, ArticleTag, ArticleTally, Comment, Event),
    *(SearchEntry, RelatedText, ArticleTerm, RelatedLink),
)
_IDS = {
    *("id", "article_id", "parent_id", "root_id", "under_id", "participant_id", "target_id", "subject_id"),
    *("tag_id", "public_id", "token_hash", "comment.author_id"),
}
_TEXTS = {"article.slug", "article.card", "tag.slug", "tag.name", "tag.name_key", "revision.tags"}
_TEXTS |= {"event.groups", "event.payload"}


def begin_of(number: int) -> datetime:
    """Return when a slice begins."""
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=SLICE) * number


def end_of(number: int) -> datetime:
    """Return when a slice ends."""
    return begin_of(number + 1)


def build_id(moment: datetime, number: int) -> str:
    """Return the UUIDv7 of a time with a number of up to 62 bits in place of random ones."""
    milliseconds = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number))


class _Move:
    """The SQL expressions that move columns of the batch to an earlier slice."""

    def __init__(self, connection: sa.Connection, back: int, numbers: int) -> None:
        self.dialect, self.is_sqlite = connection.dialect, connection.dialect.name == "sqlite"
        self.prefix, self.numbers = f"{NEWEST_SLICE - back:0{_DIGITS}x}", numbers
        self.seconds = -back * SLICE

    def _time(self, column: str) -> str:
        if self.is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '{self.seconds:.3f} seconds') || '000'"
        return f"{column} + interval '{self.seconds:.3f} seconds'"

    def _json_time(self, column: str) -> str:
        """Write a time as JSON has it."""
        if self.is_sqlite:
            return f"replace({column}, ' ', 'T') || 'Z'"
        return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

    def _text(self, text: str) -> str:
        for before in ('"', ":", "-", " "):
            text = f"replace({text}, '{before}{PREFIX}', '{before}{self.prefix}')"
        return text

    def _cached_json(self, column: str) -> str:
        text = self._text(f"CAST({column} AS TEXT)" if self.is_sqlite else f"convert_from({column}, 'UTF8')")
        before, after = self._json_time("listed_at"), self._json_time(f"({self._time('listed_at')})")
        text = f"replace({text}, {before}, {after})"
        return f"CAST({text} AS BLOB)" if self.is_sqlite else f"convert_to({text}, 'UTF8')"

    def _vector(self, column: str) -> str:
        if self.is_sqlite:
            return "NULL"
        old = [f"'@{moment:%Y-%m}', '@{moment:%Y}'" for moment in (begin_of(NEWEST_SLICE), end_of(NEWEST_SLICE))]
        at = f"(to_timestamp({self.key('key')} / {SLOTS_PER_MICROSECOND} / 1000000) AT TIME ZONE 'UTC')"
        new = f"""ARRAY[to_char({at}, '"@"YYYY-MM'), to_char({at}, '"@"YYYY')]"""
        return f"ts_delete({column}, ARRAY[{', '.join(old)}]) || array_to_tsvector({new})"

    def key(self, column: str) -> str:
        return f"({column} + {round(self.seconds * 1_000_000) * SLOTS_PER_MICROSECOND})"

    def column(self, column: sa.Column[Any]) -> str:
        """Return the expression of a column of the copy."""
        name, full_name = f'"{column.name}"', f"{column.table.name}.{column.name}"
        kind = column.type.compile(self.dialect)
        if full_name in ("related_text.n", "article_term.n"):
            return f"{name} + {self.numbers}"
        if not self.seconds:
            return name
        if full_name == "search_entry.key":
            return self.key(name)
        if full_name == "search_entry.vector":
            return self._vector(name)
        if full_name == "article.card":
            return self._cached_json(name)
        if full_name in _TEXTS:
            text = self._text(name if self.is_sqlite else f"CAST({name} AS TEXT)")
        elif full_name in _IDS or column.name in _IDS:
            text = name if self.is_sqlite else f"CAST({name} AS TEXT)"
            moved = f"'{self.prefix}' || substr({text}, {_DIGITS + 1})"
            text = f"CASE substr({text}, 1, {_DIGITS}) WHEN '{PREFIX}' THEN {moved} ELSE {text} END"
            if column.name == "token_hash":  # a hash of no token: hashes have no letters beyond f
                text = f"'g{self.prefix}' || substr({text}, {_DIGITS + 2})"
        elif kind.startswith(("DATETIME", "TIMESTAMP")) and full_name != "event.at":
            return self._time(name)
        else:
            return name
        return text if self.is_sqlite or kind.startswith("VARCHAR") else f"CAST({text} AS {kind})"


def _copy_slice(connection: sa.Connection, back: int, numbers: int) -> None:
    """Insert one copy of the batch, moved back by a number of slices."""
    move = _Move(connection, back, numbers)
    for model in _BATCH:
        table = table_of(model)
        if model is Event and back >= LOGGED_SLICES:
            continue
        columns = [column for column in table.c if not (model is Event and column.name == "seq")]
        names = ", ".join(f'"{column.name}"' for column in columns)
        values = ", ".join(move.column(column) for column in columns)
        order = " ORDER BY seq" if model is Event else ""
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM batch_{table.name}{order}")
    if connection.dialect.name == "sqlite":
        values = f"{move.key('key')}, title, dek, text, stems"
        connection.exec_driver_sql(
            f"INSERT INTO search_words (rowid, title, dek, text, stems) SELECT {values} FROM batch_words"
        )


def _set_aside(connection: sa.Connection) -> int:
    """Move the batch into temporary tables; return the number of its texts."""
    for model in _BATCH:
        name = model.__tablename__
        own = f" WHERE substr(slug, 7, {_DIGITS}) = '{PREFIX}'" if model is Tag else ""
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE batch_{name} AS SELECT * FROM {name}{own}")
    numbers = int(connection.exec_driver_sql("SELECT max(n) FROM batch_related_text").scalar_one())
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("CREATE TEMPORARY TABLE batch_words (key INTEGER, title, dek, text, stems)")
        texts = sa.select(ENTRY.c.key, ARTICLE.c.title, ARTICLE.c.dek, REVISION.c.text, ARTICLE.c.language)
        texts = texts.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id).join(
            REVISION, REVISION.c.article_id == ARTICLE.c.id
        )
        for key, *text in connection.execute(texts.order_by(ENTRY.c.key)).all():
            words = index_words(*text)
            values = (key, *(" ".join(part) for part in words[:4]))
            connection.exec_driver_sql("INSERT INTO batch_words VALUES (?, ?, ?, ?, ?)", values)
        connection.exec_driver_sql("INSERT INTO search_words (search_words) VALUES ('delete-all')")
        for model in _BATCH[1:]:
            connection.exec_driver_sql(f"DELETE FROM {model.__tablename__}")
        connection.exec_driver_sql("DELETE FROM sqlite_sequence")
    else:
        # A table emptied in the transaction that fills it is not written to the log a second time.
        names = ", ".join(str(model.__tablename__) for model in _BATCH[1:])
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    connection.exec_driver_sql(f"DELETE FROM tag WHERE substr(slug, 7, {_DIGITS}) = '{PREFIX}'")
    return numbers


def _set_buffer(connection: sa.Connection, megabytes: int) -> None:
    """Set how much SQLite's search index collects before it writes; 1 by default."""
    if connection.dialect.name == "sqlite":
        values = f"('hashsize', {megabytes * 2**20})"
        connection.exec_driver_sql(f"INSERT INTO search_words (search_words, rank) VALUES {values}")


def _multiply_counts(connection: sa.Connection, slices: int) -> None:
    """Multiply the counts of what all copies share."""
    for model in (Section, Series, Author, Tag):
        connection.exec_driver_sql(f"UPDATE {model.__tablename__} SET articles = articles * {slices}")
    for model in (Section, Series, Author, Tag, Media):
        connection.exec_driver_sql(f"UPDATE {model.__tablename__} SET shown = shown * {slices}")
    connection.exec_driver_sql(f"UPDATE {RelatedTerm.__tablename__} SET articles = articles * {slices}")


def copy_batch(db: Database, slices: int, open_bulk: Callable[[sa.Connection], None]) -> None:
    """Fill a store that holds one batch with copies of it, the oldest first, building indexes at the end."""
    reads, writes = db.engines()
    reads.dispose()
    indexes = [
        index for model in _BATCH for index in sorted(table_of(model).indexes, key=lambda index: str(index.name))
    ]
    with writes.connect() as connection:
        open_bulk(connection)
        if db.dialect == "sqlite":
            raw: Any = connection.connection.dbapi_connection
            for pragma in ("journal_mode=OFF", "cache_size=-1000000", "locking_mode=EXCLUSIVE"):
                raw.execute(f"PRAGMA {pragma}").fetchall()
        with connection.begin():
            numbers = _set_aside(connection)
            _multiply_counts(connection, slices)
            for index in indexes:
                index.drop(connection)
            _set_buffer(connection, 64)
            for back in reversed(range(slices)):
                _copy_slice(connection, back, numbers * (slices - 1 - back))
            _set_buffer(connection, 1)
            if db.dialect == "postgresql":
                connection.exec_driver_sql(
                    "SELECT setval(pg_get_serial_sequence('related_text', 'n'), (SELECT max(n) FROM related_text))"
                )
            for index in indexes:
                index.create(connection)
    writes.dispose()
