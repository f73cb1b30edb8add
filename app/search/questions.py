"""Search queries: parsing words, "phrases", prefixes* and -exclusions, weighing them, and marking them in texts.

Weights are computed when an article is indexed, and stored as text: a line for each word and stem, the word, a space
and its weight as a character, from "!" on.

No query is an error. Highlights are HTML in which `<mark>` is the only markup.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from html import escape
from itertools import islice
from typing import Final

from app.text.languages import STEMMERS
from app.text.words import (
    FOLDS,
    MAX_WORD_LENGTH,
    SPACELESS,
    STEM_MARK,
    find_stem,
    is_spaceless,
    list_stems,
    split_pairs,
    split_runs,
)

WEIGHT_STEPS: Final = 90
MAX_WEIGHT: Final = WEIGHT_STEPS + 1
MAX_PREFIX_WORDS: Final = 200  # words per article considered for a prefix
MIN_PREFIX_LENGTH: Final = 3  # letters; `*` is ignored after fewer
MAX_TERMS: Final = 40
_PART: Final = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<open>\*)?')
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»", '"'))  # quotation marks of phones and other languages
_WORD_COLUMNS: Final = "{title dek text}"
_STEM_SHARE: Final = (4, 5)  # weight of another form of the word
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


def format_weights(weights: Mapping[str, int]) -> str:
    """Return the weights of an article's words, 1 to `MAX_WEIGHT`, and then of its stems, as they are stored."""
    return "\n" + "\n".join(f"{word} {chr(33 + weight)}" for word, weight in weights.items()) + "\n"


def line_prefix(word: str) -> str:
    """Return the beginning of a word's line in `weights`."""
    return f"\n{word} "


def find_weight(weights: str, line: str, start: int = 0) -> int:
    """Return the weight of a word, given by `line_prefix`, in an article, 0 to 91; 0 if absent."""
    at = weights.find(line, start)
    return ord(weights[at + len(line)]) - 33 if at >= 0 else 0


def find_max_weight(weights: str, beginning: str) -> int:
    """Return the largest weight of the words with a prefix, among the first `MAX_PREFIX_WORDS`."""
    best, at, remaining = 0, weights.find(f"\n{beginning}"), MAX_PREFIX_WORDS
    while at >= 0 and remaining:
        remaining -= 1
        end = weights.index("\n", at + 1)
        best = max(best, ord(weights[end - 1]) - 33)
        at = weights.find(f"\n{beginning}", end)
    return best


def find_stems(weights: str) -> tuple[str, int]:
    """Return the language of an article's stems, and where they begin, after the words; no language without stems."""
    at = weights.find(STEM_MARK)
    if at < 0:
        return "", len(weights)
    begin = weights.rfind("\n", 0, at)
    return weights[begin + 1 : at], begin


@dataclass(frozen=True)
class Term:
    """A term of a query: consecutive words, of which the last may be a prefix."""

    runs: tuple[str, ...]
    words: tuple[str, ...]
    is_open: bool  # the last word is a prefix
    stems: tuple[str, ...]  # of a single word, in any language

    def fts5(self) -> str:
        """Return the query in the syntax of SQLite's FTS5."""
        together = " ".join(self.words)
        phrase = f'{_WORD_COLUMNS} : "{together}"' + ("*" if self.is_open else "")
        if not self.stems:
            return phrase
        forms = " OR ".join(f'"{stem}"' for stem in self.stems)
        return f"({phrase} OR stems : ({forms}))"

    def tsquery(self) -> str:
        """Return the query in the text form of PostgreSQL's tsquery."""
        phrase = " <-> ".join(f"'{word}'" for word in self.words) + (":*" if self.is_open else "")
        return "(" + " | ".join([phrase, *(f"'{stem}'" for stem in self.stems)]) + ")"

    @cached_property
    def forms(self) -> dict[str, str]:
        """The stem in each language."""
        return {stem.partition(STEM_MARK)[0]: stem for stem in self.stems}

    @cached_property
    def _lines(self) -> tuple[str, ...]:
        """Line prefixes of its whole words in an article's weights."""
        return tuple(map(line_prefix, self.words[:-1] if self.is_open else self.words))

    @cached_property
    def _stem_lines(self) -> dict[str, str]:
        """Line prefix of its stem in each language."""
        return {code: line_prefix(form) for code, form in self.forms.items()}

    def weight(self, weights: str, language: str, stems_start: int) -> int:
        """Return its weight in an article, given the language and the beginning of its stems."""
        own_weight = MAX_WEIGHT
        for line in self._lines:
            if (weight := find_weight(weights, line)) < own_weight:
                own_weight = weight
        if self.is_open and own_weight:
            own_weight = min(own_weight, find_max_weight(weights, self.words[-1]))
        if (line_of_stem := self._stem_lines.get(language)) is None:
            return own_weight
        share, of = _STEM_SHARE
        return max(own_weight, find_weight(weights, line_of_stem, stems_start) * share // of)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Pattern of its words in a folded text; that of a single word may match within a longer one."""
        if any(map(is_spaceless, self.runs)):
            return re.compile(_phrase_pattern(self, _LETTER))
        if len(self.runs) > 1:
            return re.compile(_phrase_pattern(self, _SPACED_LETTER))
        return re.compile(_word_pattern(self.runs[0], _SPACED_LETTER, is_open=self.is_open))

    def find_in(self, plain: str, spaced: str) -> Iterable[re.Match[str]]:
        """Find it in a folded text, given as it is and with scripts without spaces blanked out."""
        if any(map(is_spaceless, self.runs)):
            return self._pattern.finditer(plain)
        matches = self._pattern.finditer(spaced)
        return matches if len(self.runs) > 1 else _keep_word_starts(matches, spaced)


@dataclass(frozen=True)
class Question:
    """A parsed query: required and excluded terms."""

    required: tuple[Term, ...]
    excluded: tuple[Term, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the query requires nothing; exclusions alone match nothing."""
        return not self.required

    def fts5(self) -> str:
        """Return the query in the syntax of SQLite's FTS5."""
        required = " AND ".join(term.fts5() for term in self.required)
        if not self.excluded:
            return required
        return f"({required}) NOT ({' OR '.join(term.fts5() for term in self.excluded)})"

    def tsquery(self) -> str:
        """Return the query in the text form of PostgreSQL's tsquery."""
        return " & ".join([term.tsquery() for term in self.required] + [f"!{term.tsquery()}" for term in self.excluded])

    @property
    def is_plain(self) -> bool:
        """Whether weights alone decide a match: they do not contain the order of words."""
        return all(len(term.words) == 1 for term in (*self.required, *self.excluded))

    def may_be_in(self, weights: str) -> bool:
        """Tell whether an article may match by its weights; exact if the query is plain."""
        stems = find_stems(weights)
        if any(len(term.words) == 1 and term.weight(weights, *stems) for term in self.excluded):
            return False
        return all(term.weight(weights, *stems) for term in self.required)

    def score(self, weights: str) -> int:
        """Return the score of an article from the weights of its words."""
        language, stems_start = find_stems(weights)
        total = 0
        for term in self.required:
            total += term.weight(weights, language, stems_start)
        return total


def _parse_term(text: str, *, is_phrase: bool, is_open: bool, languages: Iterable[str]) -> Term | None:
    term_runs = tuple(split_runs(text))
    if not term_runs:
        return None
    *others, last = term_runs
    words: list[str] = []
    for run in others:
        words += split_pairs(run) if is_spaceless(run) else [run[:MAX_WORD_LENGTH]]
    if is_spaceless(last):
        words += split_pairs(last)[:-1] or [last]
        is_open = len(last) == 1  # its run may continue
    else:
        words.append(last[:MAX_WORD_LENGTH])
        is_open = is_open and len(last) >= MIN_PREFIX_LENGTH
    alone = len(words) == 1 and not is_open and not is_phrase
    return Term(term_runs, tuple(words), is_open, tuple(list_stems(words[0], languages)) if alone else ())


def parse_question(text: str, languages: Iterable[str] = STEMMERS) -> Question:
    """Parse a query; other forms of its words are searched in `languages`."""
    required: list[Term] = []
    excluded: list[Term] = []
    for part in _PART.finditer(text.translate(_QUOTES)):
        if len(required) + len(excluded) >= MAX_TERMS:
            break
        phrase = part["phrase"]
        term = _parse_term(
            part["word"] if phrase is None else phrase,
            is_phrase=phrase is not None,
            is_open=part["open"] is not None or (part["word"] or "").endswith("*"),
            languages=languages,
        )
        if term is not None:
            (excluded if part["no"] else required).append(term)
    return Question(tuple(dict.fromkeys(required)), tuple(dict.fromkeys(excluded)))


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


def _keep_word_starts(matches: Iterator[re.Match[str]], text: str) -> Iterator[re.Match[str]]:
    """Keep matches at the beginning of a word; patterns that start with letters are faster than those that check it."""
    return (match for match in matches if not match.start() or text[match.start() - 1] in " \n")


def _fold_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Fold a text character by character, and return the original place of each."""
    plain = text.translate(FOLDS)
    if text.isascii() or all(len(FOLDS[ord(char)]) == 1 for char in set(text)):
        return plain, range(len(text) + 1)
    parts = [FOLDS[ord(char)] for char in text]
    places = [at for at, part in enumerate(parts) for _ in part]
    return "".join(parts), [*places, len(text)]


@lru_cache(256)
def _inflection_pattern(code: str, forms: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern of words that may have one of these stems; only some languages inflect at the beginning."""
    if code in _PREFIXING_LANGUAGES:
        return re.compile(f"{_SPACED_LETTER}+")
    begin = "|".join(re.escape(form.partition(STEM_MARK)[2][:2]) for form in forms)
    return re.compile(f"(?:{begin}){_SPACED_LETTER}*")


def _find_spans(text: str, question: Question, language: str) -> list[Span]:
    """Find the spans of the terms in a text, in order, without overlaps."""
    plain, places = _fold_with_places(text)
    spaced = plain if plain.isascii() else _SPACELESS_CHARACTER.sub("\n", plain)
    spans: list[Span] = []
    for number, term in enumerate(question.required):
        stands = islice(term.find_in(plain, spaced), _MAX_PLACES)
        spans += [(match.start(), match.end(), number) for match in stands]
    code = language.partition("-")[0].lower()
    forms = {term.forms[code]: number for number, term in enumerate(question.required) if code in term.forms}
    if forms:
        inflected = (
            (match.start(), match.end(), forms[lemma])
            for match in _keep_word_starts(_inflection_pattern(code, tuple(forms)).finditer(spaced), spaced)
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
