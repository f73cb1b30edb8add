"""Splitting a text into indexed words: case and diacritics folded, scripts without spaces cut into pairs.

Both databases index these words instead of using their own tokenizers, so that both find the same.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from app.text.character_table import CharacterTable
from app.text.inputs import LATIN
from app.text.languages import STEMMERS
from app.text.languages import stem_word as stem_of

MAX_WORDS: Final = 16_000  # per article: PostgreSQL has no positions beyond 16,383
MAX_WORD_BYTES: Final = 400_000  # of different words per article: PostgreSQL allows a megabyte including positions
MAX_WORD_LENGTH: Final = 40  # characters of a word that are indexed
TITLE_WEIGHT, DEK_WEIGHT, TEXT_WEIGHT = 6, 3, 1  # how often a word counts, by its place
STEM_MARK: Final = "\u00b7"  # occurs in no folded word, so that stems and words differ
SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Kana, Han and Hangul: scripts in which a word need not end at a space."""
_RUNS: Final = re.compile(f"[{SPACELESS}]+|[^{SPACELESS}]+")
_AVERAGE_LENGTH, _SATURATION, _LENGTH_NORMALIZATION = 400, 2.0, 0.75
WEIGHT_STEPS: Final = 90  # weights are one character each, from "!" on
MAX_WEIGHT: Final = WEIGHT_STEPS + 1
MAX_PREFIX_WORDS: Final = 200  # words per article considered for a prefix
_OTHER_SCRIPTS: Final = frozenset("ar el fa hi hy ne ru sr ta yi".split())


def _is_accent(char: str) -> bool:
    """Tell whether a mark is a diacritic or vowel point; marks that write vowels in other scripts are not."""
    place = unicodedata.combining(char)
    return place >= 200 or 10 <= place <= 35


def _indexable(char: str) -> str:
    """Return letters, digits and marks, a space otherwise. Invisible characters do not end a word, except the
    non-joiner, which Persian may use for a space.
    """
    kind = unicodedata.category(char)
    return char if kind[0] in "LNM" else "" if kind == "Cf" and char != "\u200c" else " "


def _fold_character(char: str) -> str:
    """Return the letters of a character in lower case and without accents, nothing, or a space."""
    plain = unicodedata.normalize("NFKD", char).casefold().translate(LATIN)
    letters = unicodedata.normalize("NFC", "".join(each for each in plain if not _is_accent(each)))
    return "".join(map(_indexable, letters))


FOLDS: Final = CharacterTable(_fold_character)


def fold_text(text: str) -> str:
    """Fold case and accents of a text; everything but letters and digits becomes a space."""
    return unicodedata.normalize("NFKC", text).translate(FOLDS)


def is_spaceless(run: str) -> bool:
    """Tell whether a run is in a script without spaces."""
    return not run.isascii() and re.match(f"[{SPACELESS}]", run) is not None


def split_runs(text: str) -> Iterator[str]:
    """Iterate over the words of a text, and over whole runs of scripts without spaces."""
    for chunk in fold_text(text).split():
        if chunk.isascii():
            yield chunk
        else:
            yield from _RUNS.findall(chunk)


def split_pairs(run: str) -> list[str]:
    """Split a run into overlapping pairs of characters and its last character, so that any part can be found."""
    return [*(run[at : at + 2] for at in range(len(run) - 1)), run[-1]]


def list_words(text: str, limit: int = MAX_WORDS) -> list[str]:
    """List the indexed words of a text, in order."""
    words: list[str] = []
    for run in split_runs(text):
        if is_spaceless(run):
            words += split_pairs(run)
        else:
            words.append(run[:MAX_WORD_LENGTH])
        if len(words) >= limit:
            break
    return words[:limit]


def find_stem(language: str, word: str) -> str | None:
    """Return the indexed stem of a word in a language, or None; it is indexed in addition to the word."""
    code = language.partition("-")[0].lower()
    own_script = (code not in _OTHER_SCRIPTS or code == "sr") if word.isascii() else code in _OTHER_SCRIPTS
    if code not in STEMMERS or not own_script or not word.isalpha() or is_spaceless(word):
        return None
    return f"{code}{STEM_MARK}{stem_of(code, word)}"[: MAX_WORD_LENGTH + 4]


def list_stems(word: str, languages: Iterable[str] = STEMMERS) -> list[str]:
    """List the stems of a word in several languages, as queries do not state theirs."""
    return list(dict.fromkeys(word_stem for language in languages if (word_stem := find_stem(language, word))))


class IndexedWords(NamedTuple):
    """The indexed words of an article."""

    title: list[str]
    dek: list[str]
    text: list[str]
    stems: list[str]
    weights: str  # a line for each word and stem: the word, a space, its weight


def _limit_size(indexed: IndexedWords) -> IndexedWords:
    """Cut a text that has more different words than can be stored."""
    different: set[str] = set()
    size = 0
    for at, word in enumerate(indexed.text):
        if word not in different:
            different.add(word)
            size += len(word.encode())
            if size > MAX_WORD_BYTES:
                return indexed._replace(text=indexed.text[:at])
    return indexed


def index_words(title: str, dek: str | None, text: str, language: str) -> IndexedWords:
    """Index the words of an article with their weights.

    Weights are those of Okapi BM25 without inverse document frequency, which would change with every article and so
    reorder pages.
    """
    indexed = _limit_size(
        IndexedWords(list_words(title), list_words(dek or ""), list_words(text, MAX_WORDS - 4000), [], "")
    )
    counts: Counter[str] = Counter()
    for part, times in ((indexed.title, TITLE_WEIGHT), (indexed.dek, DEK_WEIGHT), (indexed.text, TEXT_WEIGHT)):
        for word, number in Counter(part).items():
            counts[word] += number * times
    common: Counter[str] = Counter()
    for word, number in counts.items():
        if lemma := find_stem(language, word):
            common[lemma] += number
    length = (len(indexed.title) + len(indexed.dek) + len(indexed.text)) / _AVERAGE_LENGTH
    slow = _SATURATION * (1 - _LENGTH_NORMALIZATION + _LENGTH_NORMALIZATION * length)
    lines = [f"{word} {chr(34 + int(WEIGHT_STEPS * n / (n + slow)))}" for word, n in (counts + common).items()]
    return indexed._replace(stems=list(common), weights="\n" + "\n".join(lines) + "\n")


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
