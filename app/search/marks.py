"""Highlights of matches, as HTML in which `<mark>` is the only markup."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice
from typing import Final

from app.search.questions import Question, Term
from app.search.words import FOLDS, MAX_WORD_LENGTH, SPACELESS, STEM_MARK, find_stem, is_spaceless

SNIPPET_LENGTH: Final = 240  # approximate
MAX_READ_CHARACTERS: Final = 200_000
_MAX_PLACES: Final = 100  # per term
_LEADING_CHARACTERS: Final = 60  # before the first match
_LETTER: Final = f"[^ {SPACELESS}]"
_SPACELESS_CHARACTER: Final = re.compile(f"[{SPACELESS}]")
# As `_LETTER` where scripts without spaces are blanked out; it compiles a hundred times as fast.
_SPACED_LETTER: Final = "[^ \n]"
_PREFIXING_LANGUAGES: Final = {"ar", "fa", "id", "ne", "st"}
Span = tuple[int, int, int]  # start, end, number of the term


def _phrase_pattern(term: Term, letter: str) -> str:
    """Return the pattern of several words in a folded text: whole words, or anywhere in scripts without spaces."""
    parts: list[str] = []
    for at, run in enumerate(term.runs):
        if is_spaceless(run):
            parts.append(re.escape(run))
        else:
            parts.append(
                f"(?<!{letter})" + _word_pattern(run, letter, is_open=term.is_open and at == len(term.runs) - 1)
            )
    return " *".join(parts)


def _word_pattern(run: str, letter: str, *, is_open: bool) -> str:
    """Return the pattern of a word, from its beginning."""
    return re.escape(run[:MAX_WORD_LENGTH]) + (
        f"{letter}*" if is_open or len(run) >= MAX_WORD_LENGTH else f"(?!{letter})"
    )


def _find_at_word_start(pattern: str, text: str) -> Iterator[re.Match[str]]:
    """Find matches at the beginning of a word. Checked afterwards, as patterns that start with letters are much
    faster.
    """
    return (match for match in re.finditer(pattern, text) if not match.start() or text[match.start() - 1] in " \n")


def _find_term(term: Term, plain: str, spaced: str) -> Iterable[re.Match[str]]:
    """Find a term in a folded text, given as it is and with scripts without spaces blanked out."""
    if any(map(is_spaceless, term.runs)):
        return re.finditer(_phrase_pattern(term, _LETTER), plain)
    if len(term.runs) > 1:
        return re.finditer(_phrase_pattern(term, _SPACED_LETTER), spaced)
    return _find_at_word_start(_word_pattern(term.runs[0], _SPACED_LETTER, is_open=term.is_open), spaced)


def _fold_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Fold a text character by character, and return the original place of each."""
    plain = text.translate(FOLDS)
    if text.isascii() or all(len(FOLDS[ord(char)]) == 1 for char in set(text)):
        return plain, range(len(text) + 1)
    parts = [FOLDS[ord(char)] for char in text]
    places = [at for at, part in enumerate(parts) for _ in part]
    return "".join(parts), [*places, len(text)]


def _inflection_pattern(code: str, forms: Iterable[str]) -> str:
    """Return a pattern of words that may have one of these stems; only some languages inflect at the beginning."""
    if code in _PREFIXING_LANGUAGES:
        return f"{_SPACED_LETTER}+"
    begin = "|".join(re.escape(form.partition(STEM_MARK)[2][:2]) for form in forms)
    return f"(?:{begin}){_SPACED_LETTER}*"


def _find_spans(text: str, question: Question, language: str) -> list[Span]:
    """Find the spans of the terms in a text, in order, without overlaps."""
    plain, places = _fold_with_places(text)
    spaced = plain if plain.isascii() else _SPACELESS_CHARACTER.sub("\n", plain)
    spans: list[Span] = []
    for number, term in enumerate(question.required):
        stands = islice(_find_term(term, plain, spaced), _MAX_PLACES)
        spans += [(match.start(), match.end(), number) for match in stands]
    code = language.partition("-")[0].lower()
    forms = {term.forms[code]: number for number, term in enumerate(question.required) if code in term.forms}
    if forms:
        inflected = (
            (match.start(), match.end(), forms[lemma])
            for match in _find_at_word_start(_inflection_pattern(code, forms), spaced)
            if (lemma := find_stem(language, match[0][:MAX_WORD_LENGTH])) in forms
        )
        spans += islice(inflected, _MAX_PLACES * len(forms))
    spans_kept: list[Span] = []
    for start, end, number in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end > start and (not spans_kept or start >= spans_kept[-1][1]):
            spans_kept.append((start, end, number))
    return [(places[start], places[end - 1] + 1, number) for start, end, number in spans_kept]


def _mark_spans(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    """Return a part of a text as HTML with marked spans."""
    parts, at = [], start
    for first, last, _ in spans:
        if first >= at and last <= end:
            parts += [escape(text[at:first]), "<mark>", escape(text[first:last]), "</mark>"]
            at = last
    return "".join(parts) + escape(text[at:end])


def highlight(text: str, question: Question, language: str) -> str:
    """Return a whole text of one line as HTML with marked matches."""
    return _mark_spans(text, _find_spans(text, question, language), 0, len(text))


def _best_span(spans: Sequence[Span]) -> int:
    """Return the index of the span whose snippet has the most different terms, then the most matches."""
    best, score = 0, (0, 0)
    for at, (start, _, _) in enumerate(spans):
        near = [number for first, last, number in spans[at : at + 30] if first >= start and last <= start + 180]
        span_score = (len(set(near)), len(near))
        if span_score > score:
            best, score = at, span_score
    return best


def _find_word_edge(text: str, at: int, step: int) -> int:
    """Find a nearby place that does not cut a word, within twenty characters."""
    for moved in range(20):
        place = at + moved * step
        if not 0 < place < len(text):
            return max(0, min(place, len(text)))
        if text[place].isspace() or text[place - 1].isspace():
            return place
    return at


def extract_snippet(text: str, question: Question, language: str) -> str:
    """Return the best matching part of a text, or its beginning, as one line of HTML with ellipses where it was cut."""
    text = text[:MAX_READ_CHARACTERS]
    spans = _find_spans(text, question, language)
    first = spans[_best_span(spans)][0] if spans else 0
    start = _find_word_edge(text, first - _LEADING_CHARACTERS, 1) if first > _LEADING_CHARACTERS else 0
    start = min(start, first)
    end = len(text) if start + SNIPPET_LENGTH >= len(text) else _find_word_edge(text, start + SNIPPET_LENGTH, -1)
    inside = [span for span in spans if span[0] >= start and span[1] <= end]
    line = " ".join(_mark_spans(text, inside, start, end).split())
    return ("…" if start else "") + line + ("…" if end < len(text) else "")
