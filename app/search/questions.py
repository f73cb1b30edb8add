"""Parsing search queries: words, "phrases", prefixes*, and -exclusions. No query is an error."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from app.search.words import (
    MAX_WEIGHT,
    MAX_WORD_LENGTH,
    STEM_MARK,
    find_max_weight,
    find_weight,
    is_spaceless,
    language_of,
    line_prefix,
    list_stems,
    split_pairs,
    split_runs,
)
from app.text.languages import STEMMERS

MIN_PREFIX_LENGTH: Final = 3  # letters; `*` is ignored after fewer
MAX_TERMS: Final = 40
_PART: Final = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<open>\*)?')
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»", '"'))  # quotation marks of phones and other languages
_WORD_COLUMNS: Final = "{title dek text}"
_STEM_SHARE: Final = (4, 5)  # weight of another form of the word


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
    def _lines(self) -> tuple[list[str], dict[str, str]]:
        """Line prefixes of its whole words, and of its stem by language."""
        whole_words = self.words[:-1] if self.is_open else self.words
        return [line_prefix(word) for word in whole_words], {
            code: line_prefix(form) for code, form in self.forms.items()
        }

    def weight(self, weights: str, language: str | None) -> int:
        """Return its weight in an article of a language."""
        lines, forms = self._lines
        own_weight = min((find_weight(weights, line) for line in lines), default=MAX_WEIGHT)
        if self.is_open:
            own_weight = min(own_weight, find_max_weight(weights, self.words[-1]))
        if language not in forms:
            return own_weight
        share, of = _STEM_SHARE
        return max(own_weight, find_weight(weights, forms[language]) * share // of)


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
        language = language_of(weights)
        if any(len(term.words) == 1 and term.weight(weights, language) for term in self.excluded):
            return False
        return all(term.weight(weights, language) for term in self.required)

    def score(self, weights: str) -> int:
        """Return the score of an article from the weights of its words."""
        language = language_of(weights)
        return sum(term.weight(weights, language) for term in self.required)


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
