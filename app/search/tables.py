"""Table of the search index: on SQLite with a full-text table, on PostgreSQL with a vector column."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, TSVECTOR, Table, gin_index, table_of

SLOTS_PER_MICROSECOND = 1024  # keys of the same microsecond
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # of keys


class SearchEntry(Table, table=True):
    """The index entry of a public article."""

    __tablename__ = "search_entry"
    __table_args__ = (gin_index("ix_search_entry_vector", "vector"),)

    key: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})  # by time
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", unique=True)
    listed: bool  # as in the article: false for pages, which are found only on request
    weights: str = Field(sa_type=sa.Text)  # of its words, see `search.questions`
    vector: str | None = Field(None, sa_type=sa.Text().with_variant(TSVECTOR, "postgresql"))  # null on SQLite


# Contentless: words are stored in the index only. The tokenizer `ascii` keeps the prepared words as they are.
CREATE_WORDS_TABLE = (
    "CREATE VIRTUAL TABLE search_words USING fts5"
    "(title, dek, text, stems, content='', contentless_delete=1, tokenize='ascii')"
)
# Narrow rows let a word of a hundred thousand articles be read from few pages. The external columns are not compressed,
# as every search reads them for hundreds of articles.
SET_NARROW_ROWS = "ALTER TABLE search_entry SET (toast_tuple_target = 128)"
SET_PLAIN_STORAGE = (
    "ALTER TABLE search_entry ALTER COLUMN weights SET STORAGE EXTERNAL, ALTER COLUMN vector SET STORAGE EXTERNAL"
)
ENTRY = table_of(SearchEntry)
for _dialect, _statement in (
    ("sqlite", CREATE_WORDS_TABLE),
    ("postgresql", SET_NARROW_ROWS),
    ("postgresql", SET_PLAIN_STORAGE),
):
    _ddl = sa.DDL(_statement)  # type: ignore[no-untyped-call]
    sa.event.listen(ENTRY, "after_create", _ddl.execute_if(dialect=_dialect))
WORDS = sa.table(
    "search_words", *(sa.column(name) for name in ("rowid", "search_words", "title", "dek", "text", "stems"))
)


def period_word(key: int, form: str = "%Y-%m") -> str:
    """Return the month or year of a key as the word that is indexed with articles on PostgreSQL."""
    return (EPOCH + timedelta(microseconds=key // SLOTS_PER_MICROSECOND)).strftime(f"@{form}")
