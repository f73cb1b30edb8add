"""Texts as words with places, what is asked of them, and what is answered."""

import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from app.articles.body import BlockSpan

State = Literal["anchored", "moved", "changed", "orphaned", "detached"]  # the last is for editors to say
Method = Literal["shift", "diff", "exact", "fuzzy", "none"]
CONTEXT: Final = 32
"""How many characters on either side of a passage tell where it stood."""

# A word, or one character of a script that writes no spaces, or any other character that can be seen.
_TOKEN: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|"
    r"[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[^\w\s]"
)
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")


class Token(NamedTuple):
    """A word and where it stands."""

    text: str
    start: int
    end: int


class Passage(NamedTuple):
    """A stretch of a text, in code points."""

    start: int
    end: int


class Resolution(NamedTuple):
    """Where a passage stands now, how it was found and how sure that is; no place when it is orphaned."""

    state: State
    method: Method
    score: float
    start: int | None
    end: int | None
    block_id: str | None


ORPHANED: Final = Resolution("orphaned", "none", 0.0, None, None, None)


def trimmed(text: str, passage: Passage) -> Passage:
    """A passage without the space at its ends: nobody can see how much of that was marked."""
    quote = text[passage.start : passage.end]
    start = passage.start + len(quote) - len(quote.lstrip())
    return Passage(start, start + len(quote.strip()))


@dataclass(frozen=True)
class Text:
    """The plain text of a revision with the places of its blocks."""

    text: str
    spans: Sequence[BlockSpan]

    @cached_property
    def starts(self) -> list[int]:
        """Where blocks begin."""
        return [span.start for span in self.spans]

    @cached_property
    def at(self) -> dict[str, int]:
        """The number of a block by its id."""
        return {span.id: number for number, span in enumerate(self.spans)}

    @cached_property
    def tokens(self) -> list[Token]:
        """All words in order."""
        return [Token(found.group(), *found.span()) for found in _TOKEN.finditer(self.text)]

    @cached_property
    def token_starts(self) -> list[int]:
        """Where words begin."""
        return [token.start for token in self.tokens]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where each word stands."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for token in self.tokens:
            found[token.text].append(token.start)
        return dict(found)

    def block(self, position: int) -> int | None:
        """The number of the block that holds a position; what follows a block (its caption or source) is its own."""
        number = bisect_right(self.starts, position) - 1
        return number if number >= 0 else None

    def block_id(self, position: int) -> str | None:
        """The id of that block."""
        number = self.block(position)
        return None if number is None else self.spans[number].id

    def region(self, first: int, last: int) -> Passage:
        """All that stands from one block up to the end of another, with what follows that one."""
        end = self.spans[last + 1].start if last + 1 < len(self.spans) else len(self.text)
        start = self.spans[first].start
        return Passage(start, start + len(self.text[start:end].rstrip()))

    def words(self, start: int, end: int) -> tuple[int, int]:
        """The range of words that overlap a stretch."""
        first = bisect_right(self.token_starts, start)
        if first and self.tokens[first - 1].end > start:
            first -= 1
        last = first
        while last < len(self.tokens) and self.tokens[last].start < end:
            last += 1
        return first, last

    def before(self, start: int) -> str:
        """What stands just before a position."""
        return self.text[max(0, start - CONTEXT) : start]

    def after(self, end: int) -> str:
        """What stands just after a position."""
        return self.text[end : end + CONTEXT]

    def splits(self, position: int) -> bool:
        """Whether a position is inside of a word, or between a character and what belongs to it."""
        if not 0 < position < len(self.text):
            return False
        left, right = self.text[position - 1], self.text[position]
        if self.joins(position) or not (left.isalnum() and right.isalnum()):
            return self.joins(position)
        return _TOKEN.fullmatch(left + right) is not None

    def joins(self, position: int) -> bool:
        """Whether a position is between a character and what belongs to it."""
        left, right = self.text[position - 1 : position], self.text[position : position + 1]
        return bool(right) and (left == "\u200d" or right in _JOINERS or unicodedata.category(right)[0] == "M")

    def closed(self, end: int) -> int:
        """An end, moved behind what belongs to the character before it."""
        while self.joins(end):
            end += 1
        return end


@dataclass(frozen=True)
class Pair:
    """Two texts, one of which a passage is known in; keeps what comparing them has shown."""

    old: Text
    new: Text

    @cached_property
    def maps(self) -> dict[tuple[int, int, int, int], dict[int, int]]:
        """Words of the old text that stand in the new one, by the blocks that were compared."""
        return {}
