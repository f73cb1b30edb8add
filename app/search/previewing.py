"""Searching in the texts that a release will publish, which the index does not have.

They are few: their words are put into an index in memory, which both databases' searches ask as SQLite's own.
"""

from typing import Final

import sqlalchemy as sa

from app.articles.listing import QueryShape, conditions_of
from app.articles.reading import ARTICLE
from app.core.problems import InvalidParameter
from app.db.columns import is_among
from app.db.driver import sqlite
from app.db.overlay import overlay_of
from app.db.rows import JsonObject
from app.search.indexing import SELECT_PUBLIC, IndexedText, create_key, index_words
from app.search.questions import Question
from app.search.tables import CREATE_WORDS_TABLE

MAX_UNINDEXED: Final = 200
"""Articles to publish of which searches show a preview: indexing their words takes some milliseconds each."""
_INSERT: Final = "INSERT INTO search_words (rowid, title, dek, text, stems) VALUES (?, ?, ?, ?, ?)"
_MATCH: Final = "SELECT rowid FROM search_words WHERE search_words MATCH ?"


def find_unindexed(
    connection: sa.Connection, shape: QueryShape, values: JsonObject, question: Question
) -> list[tuple[int, str, str]]:
    """Find the matching articles that the index lacks: their keys, ids and weights; 400 if they are too many."""
    overlay = overlay_of(connection)
    if overlay is None or not overlay.unindexed or question.is_empty:
        return []
    if len(overlay.unindexed) > MAX_UNINDEXED:
        detail = f"release: searches show no preview of a release with more than {MAX_UNINDEXED} articles to publish."
        raise InvalidParameter("release", detail)
    query = SELECT_PUBLIC.where(is_among(connection.dialect.name, ARTICLE.c.id, "unindexed"), *conditions_of(shape))
    if not shape.includes_pages:
        query = query.where(ARTICLE.c.listed)
    rows = connection.execute(query, {**values, "unindexed": list(overlay.unindexed)})
    texts = {create_key(row.id, row.listed_at, 0): IndexedText(*row) for row in rows}
    weights: dict[int, str] = {}
    memory = sqlite.connect(":memory:")
    try:
        memory.execute(CREATE_WORDS_TABLE)
        for key, text in texts.items():
            words = index_words(text.title, text.dek, text.text, text.language)
            weights[key] = words.weights
            parts = (words.title, words.dek, words.text, words.stems)
            memory.execute(_INSERT, (key, *(" ".join(part) for part in parts)))
        matching = [int(row[0]) for row in memory.execute(_MATCH, (question.fts5(),))]
    finally:
        memory.close()
    return [(key, texts[key].id, weights[key]) for key in matching]


def refuse_unindexed(connection: sa.Connection, parameter: str) -> None:
    """Answer 400 for what only the index itself can do, in a preview with texts that it lacks."""
    overlay = overlay_of(connection)
    if overlay is not None and overlay.unindexed:
        raise InvalidParameter(parameter, f"{parameter}: not with q and release.")
