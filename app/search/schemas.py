"""What can be asked of the search, what it answers, and its cursors."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from app.articles.list_parameters import FilterQuery, Words
from app.articles.schemas import ListedArticleOut
from app.core.problems import InvalidParameter
from app.text.inputs import MAX_INT63
from app.web.paging import WRONG_QUERY, ListOut, decode_cursor, encode_cursor

MAX_RANKED = 240  # the newest so many articles that answer are ranked; those beyond follow by date
NEWEST_KEY = MAX_INT63


class HighlightOut(BaseModel):
    """Where the words stand: HTML in which `<mark>` is the only markup and everything else is escaped."""

    title: str = Field(description="The title.")
    dek: str | None = Field(description="The standfirst, if there is one.")
    text: str = Field(description="The part of the text that answers best, about 240 characters, or its beginning.")


class FoundArticleOut(ListedArticleOut):
    """An article that answers, and how well."""

    score: float = Field(description="How well it answers, 0 to 1; comparable within one question only.")
    highlight: HighlightOut


FoundList = ListOut[FoundArticleOut]
_SYNTAX = (
    "Words that must all be there in any case, with any diacritics and in any form that the article's language has for "
    'them; `"…"` for words that follow each other as they are; `word*` for its beginning (three letters or more); '
    "`-word` for what must not be there. Nothing in it is an error. 1 to 300 characters."
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
    """Where a ranked list goes on: after an article, within a window of keys that stays what it was on the first page.

    A score below zero stands for what lies beyond the window.
    """

    score: int
    key: int
    newest: int
    oldest: int
    more: int  # 1 if there is something beyond the window

    def encode(self, query: str) -> str:
        """As a cursor of the query with this fingerprint."""
        return encode_cursor(query, "relevance", *self)

    @classmethod
    def decode(cls, cursor: str, query: str) -> "RankedCursor":
        """Read a cursor of the query with this fingerprint; anything else is a 400."""
        parts = decode_cursor(cursor)
        owner, numbers = parts[:2], parts[2:]
        fits = all(type(number) is int and -MAX_INT63 <= number <= MAX_INT63 for number in numbers)
        if owner != [query, "relevance"] or not fits or len(numbers) != len(cls._fields):
            raise InvalidParameter("cursor", WRONG_QUERY)
        return cls(*numbers)
