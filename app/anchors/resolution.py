"""Resolution of passages: finding in a new text the passage of an old one."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final, Literal, NamedTuple

from app.blocks.flatten import BlockSpan

State = Literal["anchored", "moved", "changed", "orphaned", "detached"]  # `detached` is set by editors
Method = Literal["shift", "diff", "exact", "fuzzy", "none"]
CONTEXT_CHARACTERS: Final = 32
"""Characters on either side of a passage that identify its place."""

# A word, a character of a script without spaces, or any other visible character.
_TOKEN: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|"
    r"[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[^\w\s]"
)
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")


class Token(NamedTuple):
    """A word and its place."""

    text: str
    start: int
    end: int


class Passage(NamedTuple):
    """A range of a text, in code points."""

    start: int
    end: int


class Resolution(NamedTuple):
    """The place of a passage in a text, how it was found and with which score; no place if it is orphaned."""

    state: State
    method: Method
    score: float
    start: int | None
    end: int | None
    block_id: str | None


ORPHANED: Final = Resolution("orphaned", "none", 0.0, None, None, None)


def trim_passage(text: str, passage: Passage) -> Passage:
    """Return a passage without white space at its ends, whose selection is arbitrary."""
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
        """The starts of the blocks."""
        return [span.start for span in self.spans]

    @cached_property
    def at(self) -> dict[str, int]:
        """The indexes of the blocks by id."""
        return {span.id: number for number, span in enumerate(self.spans)}

    @cached_property
    def tokens(self) -> list[Token]:
        """The words of the text."""
        return [Token(match.group(), *match.span()) for match in _TOKEN.finditer(self.text)]

    @cached_property
    def token_starts(self) -> list[int]:
        """The starts of the words."""
        return [token.start for token in self.tokens]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """The starts of each word by its text."""
        places: defaultdict[str, list[int]] = defaultdict(list)
        for token in self.tokens:
            places[token.text].append(token.start)
        return dict(places)

    def block(self, position: int) -> int | None:
        """Return the index of the block at a position; a caption or source after a block belongs to it."""
        number = bisect_right(self.starts, position) - 1
        return number if number >= 0 else None

    def block_id(self, position: int) -> str | None:
        """Return the id of the block at a position."""
        number = self.block(position)
        return None if number is None else self.spans[number].id

    def region(self, first: int, last: int) -> Passage:
        """Return the range from one block to the end of another, with its caption or source."""
        end = self.spans[last + 1].start if last + 1 < len(self.spans) else len(self.text)
        start = self.spans[first].start
        return Passage(start, start + len(self.text[start:end].rstrip()))

    def words(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of words that overlap a range of the text."""
        first = bisect_right(self.token_starts, start)
        if first and self.tokens[first - 1].end > start:
            first -= 1
        last = first
        while last < len(self.tokens) and self.tokens[last].start < end:
            last += 1
        return first, last

    def before(self, start: int) -> str:
        """Return the context before a position."""
        return self.text[max(0, start - CONTEXT_CHARACTERS) : start]

    def after(self, end: int) -> str:
        """Return the context after a position."""
        return self.text[end : end + CONTEXT_CHARACTERS]

    def splits(self, position: int) -> bool:
        """Tell whether a position is inside a word, or between a character and its combining marks."""
        if not 0 < position < len(self.text):
            return False
        left, right = self.text[position - 1], self.text[position]
        if self.joins(position) or not (left.isalnum() and right.isalnum()):
            return self.joins(position)
        return _TOKEN.fullmatch(left + right) is not None

    def joins(self, position: int) -> bool:
        """Tell whether a position is between a character and its combining marks."""
        left, right = self.text[position - 1 : position], self.text[position : position + 1]
        return bool(right) and (left == "\u200d" or right in _JOINERS or unicodedata.category(right)[0] == "M")

    def closed(self, end: int) -> int:
        """Return an end moved after the combining marks of the character before it."""
        while self.joins(end):
            end += 1
        return end


@dataclass(frozen=True)
class Pair:
    """An old and a new text, with a cache of their comparison."""

    old: Text
    new: Text

    @cached_property
    def maps(self) -> dict[tuple[int, int, int, int], dict[int, int]]:
        """Words of the old text that are in the new one, by the compared blocks."""
        return {}


MIN_SURVIVING_SHARE: Final = 0.5  # share of a passage's characters that must be left for a resolution by diff
MIN_SIMILARITY: Final = 0.75  # of the old and the new words
MIN_TOTAL_SCORE: Final = 0.80  # of words and context, for a fuzzy match
MIN_FUZZY_LENGTH: Final = 16  # characters; shorter passages resemble too many others
MIN_CONTEXT_SIMILARITY: Final = 0.5  # of the contexts of the same words elsewhere
MIN_LEAD: Final = 0.1  # lead of the best place over the next
_MAX_COMPARED: Final = 100_000_000  # product of the numbers of words
MAX_PLACES: Final = 500  # occurrences of a quote, beyond which it is ambiguous
_MAX_COMMON_PLACES: Final = 40  # occurrences of a word, beyond which it does not identify a place
_MAX_CANDIDATES: Final = 5
_LONG_QUOTE: Final = 160  # characters from which similar passages are aligned by words


class _Match(NamedTuple):
    start: int
    end: int
    quote: float
    total: float


def compare_quotes(old: str, new: str) -> float:
    """Return the similarity of two passages, 0 to 1."""
    from rapidfuzz import fuzz  # here, as only moving anchors needs it, and it takes 3.5 MB

    return fuzz.ratio(old, new) / 100


def find_occurrences(text: str, quote: str, limit: int) -> list[int]:
    """Find the places of a quote in a text, at most `limit`."""
    starts: list[int] = []
    at = text.find(quote)
    while at >= 0 and len(starts) < limit:
        starts.append(at)
        at = text.find(quote, at + 1)
    return starts


def resolve_passage(pair: Pair, passage: Passage) -> Resolution:
    """Find the place of a passage of the old text in the new one; in doubt it is orphaned."""
    passage = trim_passage(pair.old.text, passage)
    quote = pair.old.text[passage.start : passage.end]
    if not quote or not pair.new.text:
        return ORPHANED
    ways: tuple[tuple[Method, _Match | None], ...]
    if match := _resolve_by_shift(pair, passage):
        ways = (("shift", match),)
    elif match := _resolve_by_diff(pair, passage, quote):
        ways = (("diff", match),)
    else:
        match, ambiguous = _resolve_exactly(pair, passage, quote)
        ways = (("exact", match),) if match or ambiguous else (("fuzzy", _resolve_fuzzily(pair, passage, quote)),)
    method, best = ways[0]
    return _build_resolution(pair, passage, quote, method, best) if best else ORPHANED


def _build_resolution(pair: Pair, passage: Passage, quote: str, method: Method, match: _Match) -> Resolution:
    block_id = pair.new.block_id(match.start)
    if pair.new.text[match.start : match.end] != quote:
        return Resolution("changed", method, round(match.total, 3), match.start, match.end, block_id)
    state: State = "anchored" if block_id == pair.old.block_id(passage.start) else "moved"
    return Resolution(state, method, round(match.total, 3), match.start, match.end, block_id)


def _match_blocks(pair: Pair, passage: Passage) -> tuple[int, int, int, int] | None:
    """Return the first and last block of a passage in both texts, None if the new text lacks them."""
    first, last = pair.old.block(passage.start), pair.old.block(max(passage.start, passage.end - 1))
    if first is None or last is None:
        return None
    new_first = pair.new.at.get(pair.old.spans[first].id)
    new_last = pair.new.at.get(pair.old.spans[last].id)
    if new_first is None or new_last is None or new_first > new_last:
        return None
    return first, last, new_first, new_last


def _resolve_by_shift(pair: Pair, passage: Passage) -> _Match | None:
    """Resolve a passage in blocks with the same text, which may have moved."""
    if (blocks := _match_blocks(pair, passage)) is None:
        return None
    old, new = pair.old.region(*blocks[:2]), pair.new.region(*blocks[2:])
    if pair.old.text[old.start : old.end] != pair.new.text[new.start : new.end] or passage.end > old.end:
        return None
    by = new.start - old.start
    return _Match(passage.start + by, passage.end + by, 1.0, 1.0)


def _map_tokens(pair: Pair, blocks: tuple[int, int, int, int]) -> dict[int, int]:
    """Map the words of the old blocks to those of the new ones."""
    if blocks not in pair.maps:
        from rapidfuzz.distance import LCSseq

        old = pair.old.words(*pair.old.region(*blocks[:2]))
        new = pair.new.words(*pair.new.region(*blocks[2:]))
        old_words = [token.text for token in pair.old.tokens[slice(*old)]]
        right = [token.text for token in pair.new.tokens[slice(*new)]]
        mapping: dict[int, int] = {}
        if len(old_words) * len(right) <= _MAX_COMPARED:
            for op in LCSseq.opcodes(old_words, right):
                if op.tag == "equal":
                    old_range = range(old[0] + op.src_start, old[0] + op.src_end)
                    mapping.update(zip(old_range, range(new[0] + op.dest_start, new[0] + op.dest_end), strict=True))
        pair.maps[blocks] = mapping
    return pair.maps[blocks]


def _resolve_by_diff(pair: Pair, passage: Passage, quote: str) -> _Match | None:
    """Resolve a passage in edited blocks by its words that are left."""
    if (blocks := _match_blocks(pair, passage)) is None:
        return None
    mapping = _map_tokens(pair, blocks)
    first, last = pair.old.words(*passage)
    surviving = [number for number in range(first, last) if number in mapping]
    old, new = pair.old.tokens, pair.new.tokens
    total = sum(_overlap(old[number].start, old[number].end, passage) for number in range(first, last))
    if (
        not surviving
        or sum(_overlap(old[number].start, old[number].end, passage) for number in surviving)
        < MIN_SURVIVING_SHARE * total
    ):
        return None
    head, tail = old[surviving[0]], old[surviving[-1]]
    start = new[mapping[surviving[0]]].start + max(0, passage.start - head.start)
    end = new[mapping[surviving[-1]]].end - max(0, tail.end - passage.end)
    # Replacements of its first or last words are between the words that are left and their neighbours.
    low, high = pair.old.words(*pair.old.region(*blocks[:2]))
    bounds = pair.new.words(*pair.new.region(*blocks[2:]))
    before = bounds[0] - 1 if first == low else mapping.get(first - 1)
    after = bounds[1] if last == high else mapping.get(last)
    wide_start, wide_end = start, end
    if surviving[0] > first and before is not None and before + 1 < mapping[surviving[0]]:
        wide_start = new[before + 1].start
    if surviving[-1] < last - 1 and after is not None and after - 1 > mapping[surviving[-1]]:
        wide_end = new[after - 1].end
    for places in ([(wide_start, wide_end)], [(start, wide_end), (wide_start, end), (start, end)]):
        best = _best_match(pair.new, quote, places)
        if best and best.quote >= MIN_SIMILARITY:
            return best
    return None


def _overlap(start: int, end: int, passage: Passage) -> int:
    return min(end, passage.end) - max(start, passage.start)


def _best_match(text: Text, quote: str, places: Iterable[tuple[int, int]]) -> _Match | None:
    """Return the range that is most similar to the quote; no range ends between a letter and its mark."""
    closed = {(start, text.closed(end)) for start, end in places if start < end}
    matches = [_Match(start, end, score := compare_quotes(quote, text.text[start:end]), score) for start, end in closed]
    return max(matches, key=lambda each: (each.quote, each.start - each.end), default=None)


def _context_score(pair: Pair, passage: Passage, start: int, end: int) -> float:
    """Return the similarity of the contexts of the old and a new place."""
    sides = (
        (pair.old.before(passage.start), pair.new.before(start)),
        (pair.old.after(passage.end), pair.new.after(end)),
    )
    scores = [compare_quotes(old, new) for old, new in sides if old or new]
    return sum(scores) / len(scores) if scores else 1.0


def _find_leader(matches: list[_Match], lead: float) -> tuple[_Match | None, bool]:
    """Return the best match, None if others that do not overlap it are nearly as good, and whether it is ambiguous."""
    if not matches:
        return None, False
    best = max(matches, key=lambda each: each.total)
    others = [each.total for each in matches if each.end <= best.start or each.start >= best.end]
    ambiguous = bool(others) and best.total - max(others) < lead
    return (None if ambiguous else best), ambiguous


def _resolve_exactly(pair: Pair, passage: Passage, quote: str) -> tuple[_Match | None, bool]:
    """Find the same words elsewhere, by their context; also return whether they are ambiguous."""
    text = pair.new
    torn = pair.old.splits(passage.start), pair.old.splits(passage.end)
    places = [(at, at + len(quote)) for at in find_occurrences(text.text, quote, MAX_PLACES + 1)]
    if len(places) > MAX_PLACES:
        return None, True
    fitting = [(start, end) for start, end in places if (text.splits(start), text.splits(end)) == torn]
    matches = [_Match(start, end, 1.0, _context_score(pair, passage, start, end)) for start, end in fitting]
    best, ambiguous = _find_leader(matches, MIN_LEAD)
    sure = best is not None and (
        best.total >= MIN_CONTEXT_SIMILARITY or (len(matches) == 1 and len(quote) >= MIN_FUZZY_LENGTH)
    )
    return (best, False) if sure else (None, ambiguous or len(matches) > 1)


def _diagonals(pair: Pair, passage: Passage) -> list[int]:
    """Return possible starts of the passage, by votes of the places of its rarer words in the new text."""
    width = max(8, (passage.end - passage.start) // 4)
    votes: Counter[int] = Counter()
    for token in pair.old.tokens[slice(*pair.old.words(*passage))]:
        places = pair.new.places.get(token.text, ())
        if 0 < len(places) <= _MAX_COMMON_PLACES:
            for place in places:
                bucket = (place - (token.start - passage.start)) // width
                votes[bucket] += token.end - token.start
                votes[bucket + 1] += (token.end - token.start) // 2
    return [bucket * width for bucket, _ in votes.most_common(_MAX_CANDIDATES)]


def _resolve_fuzzily(pair: Pair, passage: Passage, quote: str) -> _Match | None:
    """Find similar words in a similar context."""
    if len(quote) < MIN_FUZZY_LENGTH:
        return None
    text, matches = pair.new, list[_Match]()
    for begin in _diagonals(pair, passage):
        low = max(0, begin - len(quote) // 2)
        window = text.text[low : max(low, begin + len(quote) + len(quote) // 2)]
        if len(window) < len(quote) * MIN_SIMILARITY:
            continue
        low, high = _align_quote(pair, passage, quote, low, low + len(window))
        best = _best_match(text, quote, _surrounding_text(text, low, high))
        if best and best.quote >= MIN_SIMILARITY:
            total = (5 * best.quote + 4 * _context_score(pair, passage, best.start, best.end)) / 9
            matches.append(best._replace(total=total))
    best, _ = _find_leader(matches, MIN_LEAD / 2)
    return best if best and best.total >= MIN_TOTAL_SCORE else None


def _align_quote(pair: Pair, passage: Passage, quote: str, low: int, high: int) -> tuple[int, int]:
    """Align a quote with a window by letters, or by words if it is long."""
    from rapidfuzz import fuzz
    from rapidfuzz.distance import LCSseq

    if high - low <= len(quote):
        return low, high
    if len(quote) <= _LONG_QUOTE:
        near = fuzz.partial_ratio_alignment(quote, pair.new.text[low:high], score_cutoff=60)
        return (low + near.dest_start, low + near.dest_end) if near else (low, high)
    old, new = (
        text.tokens[slice(*text.words(*place))] for text, place in ((pair.old, passage), (pair.new, (low, high)))
    )
    ops = LCSseq.opcodes([token.text for token in old], [token.text for token in new])
    equal = [op for op in ops if op.tag == "equal"]
    return (new[equal[0].dest_start].start, new[equal[-1].dest_end - 1].end) if equal else (low, high)


def _surrounding_text(text: Text, start: int, end: int) -> list[tuple[int, int]]:
    """Return variants of a range with its ends moved to nearby words."""
    first, last = text.words(start, end)
    if first >= last:
        return []
    starts = {token.start for token in text.tokens[max(0, first - 1) : first + 2]}
    at = bisect_left(text.token_starts, end)
    ends = {token.end for token in text.tokens[max(0, at - 2) : at + 2]}
    return [(low, high) for low, high in product(sorted(starts), sorted(ends)) if low < high]
