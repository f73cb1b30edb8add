"""Indexing: the words of an article and their weights, written in the transaction that changes it.

Both databases index these words instead of using their own tokenizers, so that both find the same.
"""

import time
from collections import Counter
from datetime import datetime
from typing import Final, NamedTuple, TypedDict
from zlib import crc32

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, REVISION
from app.articles.tables import Article
from app.db.columns import count_affected
from app.db.prepared import Prepared
from app.db.rows import JsonObject, begin_insert
from app.search.questions import WEIGHT_STEPS, format_weights
from app.search.tables import ENTRY, EPOCH, SLOTS_PER_MICROSECOND, WORDS, period_word
from app.text.words import find_stem, list_words

BATCH_SIZE, MAX_BATCH_SECONDS = 20, 0.05  # limits of a transaction while the whole index is rebuilt
MAX_WORDS: Final = 16_000  # per article: PostgreSQL has no positions beyond 16,383
MAX_WORD_BYTES: Final = 400_000  # of different words per article: PostgreSQL allows a megabyte including positions
TITLE_WEIGHT, DEK_WEIGHT, TEXT_WEIGHT = 6, 3, 1  # how often a word counts, by its place
_AVERAGE_LENGTH, _SATURATION, _LENGTH_NORMALIZATION = 400, 2.0, 0.75
_MAX_MICROSECONDS = 2**52  # largest distance from 1970 that a key can hold: years 1827 to 2112


class _DeletedEntry(TypedDict):
    key: int


_INSERT_ENTRY: Prepared[JsonObject] = Prepared(
    lambda dialect: (
        begin_insert(dialect, ENTRY).on_conflict_do_nothing(index_elements=[ENTRY.c.key]).returning(ENTRY.c.key)
    ),
    ENTRY.c.keys(),
)
_INSERT_WORDS = sa.insert(WORDS)
_DELETE_WORDS = sa.delete(WORDS).where(WORDS.c.rowid == sa.bindparam("key"))
_DELETE_ENTRY: Prepared[_DeletedEntry] = Prepared(
    sa.delete(ENTRY)
    .where(ENTRY.c.article_id == sa.bindparam("article", type_=ENTRY.c.article_id.type))
    .returning(ENTRY.c.key)
)


class IndexedText(NamedTuple):
    """The columns of an article that are indexed."""

    id: str
    listed: bool
    title: str
    dek: str | None
    language: str
    listed_at: datetime
    text: str


SELECT_PUBLIC = (
    sa.select(*((REVISION if name == "text" else ARTICLE).c[name] for name in IndexedText._fields))
    .join(REVISION, (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision))
    .where(ARTICLE.c.public)
)
_SELECT_ARTICLE = SELECT_PUBLIC.where(ARTICLE.c.id == sa.bindparam("article", type_=ARTICLE.c.id.type))
_SELECT_NEXT = (
    SELECT_PUBLIC.where(ARTICLE.c.id > sa.bindparam("after", type_=ARTICLE.c.id.type))
    .order_by(ARTICLE.c.id)
    .limit(BATCH_SIZE)
)


class IndexedWords(NamedTuple):
    """The indexed words of an article."""

    title: list[str]
    dek: list[str]
    text: list[str]
    stems: list[str]
    weights: str  # as `format_weights` writes them


def _limit_size(indexed: IndexedWords) -> IndexedWords:
    """Cut a text that has more different words than can be stored."""
    different: set[str] = set()
    size = 0
    for at, word in enumerate(indexed.text):
        if word not in different:
            different.add(word)
            size += len(word.encode())
            if size > MAX_WORD_BYTES:
                return indexed._replace(text=indexed.text[:at])
    return indexed


def index_words(title: str, dek: str | None, text: str, language: str) -> IndexedWords:
    """Index the words of an article with their weights.

    Weights are those of Okapi BM25 without inverse document frequency, which would change with every article and so
    reorder pages.
    """
    indexed = _limit_size(
        IndexedWords(list_words(title), list_words(dek or ""), list_words(text, MAX_WORDS - 4000), [], "")
    )
    counts: Counter[str] = Counter()
    for part, times in ((indexed.title, TITLE_WEIGHT), (indexed.dek, DEK_WEIGHT), (indexed.text, TEXT_WEIGHT)):
        for word, number in Counter(part).items():
            counts[word] += number * times
    common: Counter[str] = Counter()
    for word, number in counts.items():
        if lemma := find_stem(language, word):
            common[lemma] += number
    length = (len(indexed.title) + len(indexed.dek) + len(indexed.text)) / _AVERAGE_LENGTH
    slow = _SATURATION * (1 - _LENGTH_NORMALIZATION + _LENGTH_NORMALIZATION * length)
    weights = {word: 1 + int(WEIGHT_STEPS * n / (n + slow)) for word, n in (counts + common).items()}
    return indexed._replace(stems=list(common), weights=format_weights(weights))


def create_key(article_id: str, listed_at: datetime, attempt: int) -> int:
    """Create a key that orders articles by time; within a microsecond the order is arbitrary."""
    since = listed_at - EPOCH
    moment = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    # Imports may give thousands of articles the same time.
    among = SLOTS_PER_MICROSECOND if attempt < 3 else SLOTS_PER_MICROSECOND * SLOTS_PER_MICROSECOND
    slot = crc32(f"{article_id}{attempt}".encode()) % among
    return max(-_MAX_MICROSECONDS, min(moment, _MAX_MICROSECONDS)) * SLOTS_PER_MICROSECOND + slot


def build_vector(indexed: IndexedWords, key: int) -> str:
    """Return the text form of PostgreSQL's tsvector: words with positions, then stems, month and year without."""
    places: dict[str, list[str]] = {}
    begin = 1
    for part in (indexed.title, indexed.dek, indexed.text):
        for at, word in enumerate(part, begin):
            places.setdefault(word, []).append(str(at))
        begin += len(part) + 10  # so that no phrase extends over two parts
    lexemes = [f"'{word}':{','.join(where[:250])}" for word, where in places.items()]
    return " ".join(lexemes + [f"'{more}'" for more in (*indexed.stems, period_word(key), period_word(key, "%Y"))])


def _add_entry(connection: sa.Connection, row: IndexedText) -> None:
    words, dialect = index_words(row.title, row.dek, row.text, row.language), connection.dialect.name
    values: JsonObject = {"article_id": row.id, "listed": row.listed, "weights": words.weights, "vector": None}
    for attempt in range(100):
        key = create_key(row.id, row.listed_at, attempt)
        if dialect == "postgresql":
            values["vector"] = build_vector(words, key)
        if _INSERT_ENTRY.first(connection, {"key": key, **values}) is not None:
            break
    else:
        raise RuntimeError("no key is free for an article")
    if dialect == "sqlite":
        parts = {name: " ".join(getattr(words, name)) for name in ("title", "dek", "text", "stems")}
        connection.execute(_INSERT_WORDS, {"rowid": key, **parts})


def _delete_entry(connection: sa.Connection, article_id: str) -> None:
    keys = _DELETE_ENTRY.rows(connection, {"article": article_id})
    if keys and connection.dialect.name == "sqlite":
        connection.execute(_DELETE_WORDS, keys)


def index_article(session: Session, article: Article) -> None:
    """Index the public version of an article, or remove it from the index."""
    connection = session.connection()
    _delete_entry(connection, article.id)
    row = connection.execute(_SELECT_ARTICLE, {"article": article.id}).first() if article.public else None
    if row is not None:
        _add_entry(connection, IndexedText(*row))


def rebuild_batch(session: Session, after: str) -> tuple[str, int] | None:
    """Reindex the next articles by id; return the last id and their number, or None at the end."""
    connection = session.connection()
    rows = connection.execute(
        _SELECT_NEXT.with_for_update(read=True, key_share=True, of=ARTICLE), {"after": after}
    ).all()
    until, done = time.monotonic() + MAX_BATCH_SECONDS, 0
    for row in rows:
        _delete_entry(connection, row.id)
        _add_entry(connection, IndexedText(*row))
        done += 1
        if time.monotonic() > until:
            break
    return (rows[done - 1].id, done) if rows else None


def delete_orphans(session: Session) -> int:
    """Delete entries without a public article and return their number."""
    public = sa.select(ARTICLE.c.id).where(ARTICLE.c.public)
    dropped = count_affected(session.execute(sa.delete(ENTRY).where(ENTRY.c.article_id.not_in(public))))
    if session.get_bind().dialect.name == "sqlite":
        lost = sa.select(WORDS.c.rowid).where(WORDS.c.rowid.not_in(sa.select(ENTRY.c.key)))
        keys = [{"key": key} for key in session.execute(lost).scalars()]
        if keys:
            session.connection().execute(_DELETE_WORDS, keys)
    return dropped


def purge_article(session: Session, article: Article) -> None:
    """Delete a purged article from the index, and on SQLite its words from old segments."""
    connection = session.connection()
    _delete_entry(connection, article.id)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO search_words(search_words) VALUES('optimize')")


def count_public(connection: sa.Connection) -> int:
    """Count public articles."""
    return connection.execute(sa.select(sa.func.count()).where(ARTICLE.c.public)).scalar_one()


def count_index_drift(connection: sa.Connection) -> tuple[int, int]:
    """Count public articles missing from the index, and indexed articles that are not public."""
    joined = sa.outerjoin(ARTICLE, ENTRY, ENTRY.c.article_id == ARTICLE.c.id)
    lacking = sa.select(sa.func.count()).select_from(joined).where(ARTICLE.c.public, ENTRY.c.key.is_(None))
    superfluous = (
        sa.select(sa.func.count())
        .select_from(ENTRY.join(ARTICLE, ARTICLE.c.id == ENTRY.c.article_id))
        .where(~ARTICLE.c.public)
    )
    return connection.execute(lacking).scalar_one(), connection.execute(superfluous).scalar_one()
