"""Schemas of the search, and its cursors."""

from typing import Literal, NamedTuple, cast

from pydantic import Field

from app.articles.list_parameters import FilterQuery, Words
from app.articles.schemas import ListedArticleOut
from app.core.models import BaseModel
from app.core.problems import InvalidParameter
from app.text.inputs import MAX_INT63
from app.web.paging import BEFORE, WRONG_QUERY, ListOut, decode_cursor, encode_cursor

MAX_RANKED = 240  # this many of the newest matches are ranked; the others follow by date
NEWEST_KEY = MAX_INT63


class HighlightOut(BaseModel):
    """Highlighted matches: HTML in which `<mark>` is the only markup and everything else is escaped."""

    title: str = Field(description="The title.")
    dek: str | None = Field(description="The standfirst, if there is one.")
    text: str = Field(description="The best matching part of the text, about 240 characters, or its beginning.")


class FoundArticleOut(ListedArticleOut):
    """A matching article and its score."""

    score: float = Field(description="Relevance, 0 to 1; comparable only within one query.")
    highlight: HighlightOut


FoundList = ListOut[FoundArticleOut]
_SYNTAX = (
    "Words that must all occur, regardless of case, diacritics and inflection in the article's language; "
    '`"…"` for an exact phrase; `word*` for a prefix (three letters or more); `-word` to exclude a word. '
    "No query is an error. 1 to 300 characters."
)


class SearchQuery(FilterQuery):
    """Parameters of the search."""

    q: Words = Field(description=_SYNTAX)
    sort: Literal["relevance", "-published_at"] = Field(
        "relevance",
        description="`relevance`: best first, a word in the title counting more than one in the standfirst and that "
        f"more than one in the text; of more than about {MAX_RANKED} that answer, the newest are ranked and the others "
        "follow by date. `-published_at`: newest first.",
    )


class RankedCursor(NamedTuple):
    """Position in a ranked list: after an article, within the window of keys that the first page fixed.

    A negative score is a position beyond the window.
    """

    score: int
    key: int
    newest: int
    oldest: int
    more: int  # 1 if there are matches beyond the window

    def encode(self, query: str, *, before: bool = False) -> str:
        """Encode it as a cursor of the query with this fingerprint: of the page after it, or before it."""
        return encode_cursor(query, "relevance", *self, *([BEFORE] if before else []))

    @classmethod
    def decode(cls, cursor: str, query: str) -> tuple["RankedCursor", bool]:
        """Decode a cursor of the query with this fingerprint, and whether it is that of the page before.

        400 for anything else.
        """
        parts, size = decode_cursor(cursor), 2 + len(cls._fields)
        owner, numbers, before = parts[:2], parts[2:size], parts[size:]
        fits = all(type(number) is int and -MAX_INT63 <= number <= MAX_INT63 for number in numbers)
        is_whole = len(numbers) == len(cls._fields) and before in ([], [BEFORE])
        if owner != [query, "relevance"] or not fits or not is_whole:
            raise InvalidParameter("cursor", WRONG_QUERY)
        return cls(*cast(list[int], numbers)), before == [BEFORE]
