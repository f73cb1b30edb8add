"""Search in texts that are not public: drafts, and revisions saved since publication."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.listing import SORT_COLUMNS, QueryShape, conditions_of
from app.articles.reading import ARTICLE, REVISION
from app.db.rows import Statement
from app.search import index as entries
from app.search.tables import ENTRY

MAX_WORDS = 12
_PART = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]+)"?|(?P<word>[^\s"]+))')
_SPECIAL = re.compile(r"([%_\\])")


@dataclass(frozen=True)
class Word:
    """A required or excluded word or phrase."""

    text: str
    is_excluded: bool

    @property
    def variants(self) -> tuple[str, ...]:
        """Spellings in different case: SQLite's LIKE folds ASCII only."""
        if self.text.isascii():
            return (self.text,)
        return tuple(dict.fromkeys((self.text, self.text.lower(), self.text.title(), self.text.upper())))

    @property
    def shape(self) -> tuple[bool, int]:
        """The parts that the SQL statement depends on."""
        return self.is_excluded, len(self.variants)


def parse_words(question: str) -> list[Word]:
    """Parse a query into words and quoted phrases; `-` excludes."""
    words = []
    for part in _PART.finditer(question):
        text = " ".join((part["phrase"] or part["word"].rstrip("*")).split())
        if any(char.isalnum() for char in text):
            words.append(Word(text, part["no"] is not None))
    return words[:MAX_WORDS]


def bind_words(words: Sequence[Word]) -> dict[str, str]:
    """Return the parameters of `select_matching`."""
    return {
        f"word{at}_{number}": f"%{_SPECIAL.sub(_ESCAPED, variant)}%"
        for at, word in enumerate(words)
        for number, variant in enumerate(word.variants)
    }


_ESCAPED = r"\\\1"


def _contains(at: int, variants: int) -> ColumnElement[bool]:
    patterns = [sa.bindparam(f"word{at}_{number}", type_=sa.Text()) for number in range(variants)]
    columns = (REVISION.c.title, sa.func.coalesce(REVISION.c.dek, ""), REVISION.c.text)
    return sa.or_(*(column.ilike(pattern, escape="\\") for pattern in patterns for column in columns))


def select_matching(shape: QueryShape, dialect: str, words: tuple[tuple[bool, int], ...]) -> Statement:
    """Build the SELECT of ids and sort keys of articles that match by the index or by their newest text."""
    everything = shape._replace(filters=(), bounds=(), featured=None, states=None, partner=False, includes_pages=True)
    tables, _, matches = entries.select_matches(
        everything._replace(changed=None, editor=None, own_sections_only=False), dialect
    )
    indexed = sa.select(ENTRY.c.article_id).select_from(tables).where(*matches).correlate(None)
    newest = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.latest_revision)
    if shape.actor is not None and shape.actor.sections is not None:
        own = sorted(shape.actor.sections)
        newest &= ARTICLE.c.section_id.in_(own) & REVISION.c.section_id.in_(own)
    conditions = [
        ~_contains(at, number) if excluded else _contains(at, number) for at, (excluded, number) in enumerate(words)
    ]
    unseen = ~ARTICLE.c.public | (ARTICLE.c.latest_revision > ARTICLE.c.revision)
    # Not EXISTS, for which PostgreSQL may read the texts of all revisions instead of the few that are not public.
    answers = sa.select(sa.literal_column("1")).where(newest, *conditions).limit(1).correlate(ARTICLE).scalar_subquery()
    saved = unseen & answers.is_not(None)
    key = SORT_COLUMNS[shape.sort.name.lstrip("-")].label("key")
    return sa.select(ARTICLE.c.id, key).where(ARTICLE.c.id.in_(indexed) | saved, *conditions_of(shape))
