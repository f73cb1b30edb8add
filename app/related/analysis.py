"""Analysis of a text: stem counts, labels, and a signature that identifies near copies."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from app.related.measures import measure_stems
from app.related.stop_words import STOP_WORDS
from app.text.languages import base_language_of, stem_word

MAX_CHARACTERS = 30_000  # characters analyzed per text, about 5,000 words
TITLE_WEIGHT = 5
LEAD_WORDS = 60  # words at the beginning, which count twice: news starts with its subject
MAX_STEM_LENGTH = 40
SHINGLE_WORDS = 4  # consecutive words
SIGNATURE_BINS = 64
_LOW_BITS = int.from_bytes(b"\x7f\xff" * SIGNATURE_BINS)  # all bits of each bin but the highest
_HIGH_BITS = int.from_bytes(b"\x80\x00" * SIGNATURE_BINS)
# Marks that `\w` does not match, but that belong to words in Arabic, Indic and Thai scripts.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0980-\u0dff\u0e31\u0e34-\u0e4e"
    "\u200c\u200d"
)
# Scripts without spaces between words, which are cut into pieces of a few letters.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]+|(?:(?![{_SPACELESS}])[^\W_]|[{_MARKS}])+")
_IS_SPACELESS = re.compile(rf"[{_SPACELESS}]")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))  # invisible characters that do not end a word
# scripts before this code point are alphabetic: four letters carry as much as two of the others
FIRST_SYLLABIC = "\u1800"


class Analysis(NamedTuple):
    """The analysis of a text."""

    language: str
    counts: dict[str, int]  # by stem
    labels: dict[str, str]  # the most frequent form of each stem
    signature: bytes  # see `estimate_similarity`


def is_spaceless(word: str) -> bool:
    """Tell whether a word is in a script without spaces."""
    return _IS_SPACELESS.match(word) is not None


def _iterate_words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if is_spaceless(word):
            few = 4 if word < FIRST_SYLLABIC else 2
            yield from (word[at : at + few] for at in range(max(1, len(word) - few + 1)))
        else:
            yield word


def analyze_text(tag: str, title: str, text: str) -> Analysis:
    """Analyze a text in the language of a BCP 47 tag, without numbers, single letters and stop words."""
    language = base_language_of(tag)
    stop, measured = STOP_WORDS.get(language, frozenset()), measure_stems(language)
    counts: Counter[str] = Counter()
    written: dict[str, Counter[str]] = {}
    run: list[str] = []
    for part, times, lead in ((title, TITLE_WEIGHT, 0.0), (text[:MAX_CHARACTERS], 1, float(LEAD_WORDS))):
        for word in _iterate_words(unicodedata.normalize("NFKC", part.translate(_INVISIBLE))):
            lower = word.lower()
            run.append(lower)
            if lower in stop or len(lower) < 2 or lower.isdecimal():
                continue
            term = stem_word(language, lower)[:MAX_STEM_LENGTH]
            if not term or term in measured:  # a stemmer may remove an Arabic ornament completely
                continue
            counts[term] += times
            if lead > 0:
                counts[term] += 1
                lead -= 0.5 if is_spaceless(word) else 1.0
            written.setdefault(term, Counter())[word] += 1
    labels = {term: _choose_label(forms) for term, forms in written.items()}
    return Analysis(language, dict(counts), labels, _compute_signature(run))


def _choose_label(forms: Counter[str]) -> str:
    """Choose the most frequent form, preferring lower case: only names are never written in lower case."""
    return max(forms, key=lambda form: (form[:1].islower(), forms[form]))


def _compute_signature(words: list[str]) -> bytes:
    """Compute a one-permutation MinHash sketch of the text's shingles: two bytes per bin, zero for an empty one."""
    least = [1 << 58] * SIGNATURE_BINS
    for at in range(max(1, len(words) - SHINGLE_WORDS + 1)):
        digest = hashlib.blake2b(" ".join(words[at : at + SHINGLE_WORDS]).encode(), digest_size=8).digest()
        value = int.from_bytes(digest, "big")
        place, value = value % SIGNATURE_BINS, value >> 6
        least[place] = min(least[place], value)
    return b"".join((b"\0\0" if value == 1 << 58 else (value % 65535 + 1).to_bytes(2, "big")) for value in least)


def estimate_similarity(signature: bytes, other_signature: bytes) -> float:
    """Estimate the Jaccard index of two texts' shingles, 0 to 1."""
    bins, other_bins = int.from_bytes(signature), int.from_bytes(other_signature)
    same = _count_zeros(bins ^ other_bins)
    if not same:
        return 0.0
    empty = _count_zeros(bins | other_bins)
    return (same - empty) / (SIGNATURE_BINS - empty) if empty < SIGNATURE_BINS else 0.0


def _count_zeros(bins: int) -> int:
    """Count the bins that are zero, all at once: linking an article compares thousands of signatures."""
    return SIGNATURE_BINS - ((((bins & _LOW_BITS) + _LOW_BITS) | bins) & _HIGH_BITS).bit_count()
