"""From a text to the words that are looked up: case and diacritics folded, scripts without spaces cut in pairs.

Neither database's own tokenizer sees a text: both get finished words, and so both find the same.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from app.text.inputs import LATIN
from app.text.languages import STEMMERS
from app.text.languages import stem_word as stem_of

MAX_WORDS: Final = 16_000  # of one article: PostgreSQL knows no places beyond 16,383
MAX_WORD_BYTES: Final = 400_000  # of different words of one article: PostgreSQL takes a megabyte, places included
MAX_WORD_LENGTH: Final = 40  # characters of a word that count
TITLE_WEIGHT, DEK_WEIGHT, TEXT_WEIGHT = 6, 3, 1  # how often a word counts, by where it stands
STEM_MARK: Final = "\u00b7"  # stands in no folded word, so that no stem is a word
SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Kana, Han and Hangul: scripts in which a word need not end at a space."""
_RUNS: Final = re.compile(f"[{SPACELESS}]+|[^{SPACELESS}]+")
_MAX_CACHED_FOLDS: Final = 20_000  # characters whose folded form is remembered
_AVERAGE_LENGTH, _SATURATION, _LENGTH_NORMALIZATION = 400, 2.0, 0.75
WEIGHT_STEPS: Final = 90  # weights are one character each, from "!" on
MAX_WEIGHT: Final = WEIGHT_STEPS + 1
MAX_PREFIX_WORDS: Final = 200  # words of an article with one beginning that are weighed
_OTHER_SCRIPTS: Final = frozenset("ar el fa hi hy ne ru sr ta yi".split())


def _is_accent(char: str) -> bool:
    """Marks above and below letters, and vowel points; not the vowels that other scripts write as marks."""
    place = unicodedata.combining(char)
    return place >= 200 or 10 <= place <= 35


def _indexable(char: str) -> str:
    """Letters, digits and marks. What is invisible ends no word but for the non-joiner, which stands where Persian may
    have a space."""
    kind = unicodedata.category(char)
    return char if kind[0] in "LNM" else "" if kind == "Cf" and char != "\u200c" else " "


class _Folds(dict[int, str]):
    """What becomes of each character, reckoned when it is first met: letters, nothing, or a space."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKD", chr(code)).casefold().translate(LATIN)
        letters = unicodedata.normalize("NFC", "".join(char for char in plain if not _is_accent(char)))
        folded = "".join(map(_indexable, letters))
        if len(self) >= _MAX_CACHED_FOLDS:
            self.clear()
        self[code] = folded
        return folded


FOLDS: Final = _Folds()


def fold_text(text: str) -> str:
    """A text in letters and digits without case and accents; everything else is a space."""
    return unicodedata.normalize("NFKC", text).translate(FOLDS)


def is_spaceless(run: str) -> bool:
    """Whether a run is of a script without spaces."""
    return not run.isascii() and re.match(f"[{SPACELESS}]", run) is not None


def split_runs(text: str) -> Iterator[str]:
    """The words of a text, and whole runs of a script without spaces."""
    for chunk in fold_text(text).split():
        if chunk.isascii():
            yield chunk
        else:
            yield from _RUNS.findall(chunk)


def split_pairs(run: str) -> list[str]:
    """A run of a script without spaces as pairs of characters, and its last one alone: any part of it can be found."""
    return [*(run[at : at + 2] for at in range(len(run) - 1)), run[-1]]


def list_words(text: str, limit: int = MAX_WORDS) -> list[str]:
    """Everything in a text that is looked up, in its order."""
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
    """What all forms of a word have in common in a language, or None; it is looked up beside the word itself."""
    code = language.partition("-")[0].lower()
    own_script = (code not in _OTHER_SCRIPTS or code == "sr") if word.isascii() else code in _OTHER_SCRIPTS
    if code not in STEMMERS or not own_script or not word.isalpha() or is_spaceless(word):
        return None
    return f"{code}{STEM_MARK}{stem_of(code, word)}"[: MAX_WORD_LENGTH + 4]


def list_stems(word: str, languages: Iterable[str] = STEMMERS) -> list[str]:
    """The same in several languages: a question does not say in which it is."""
    return list(dict.fromkeys(word_stem for language in languages if (word_stem := find_stem(language, word))))


class IndexedWords(NamedTuple):
    """What is stored of an article."""

    title: list[str]
    dek: list[str]
    text: list[str]
    stems: list[str]
    weights: str  # a line for each word and stem: the word, a space, its weight


def _limit_size(indexed: IndexedWords) -> IndexedWords:
    """Without the words at the end of a text that has more different ones than can be stored."""
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
    """The words of an article, and how much each of them weighs in it.

    Weights are Okapi BM25's without the rarity of a word: that moves with every article, and pages must stay pages.
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
    """What finds the line of a word."""
    return f"\n{word} "


def find_weight(weights: str, line: str) -> int:
    """How much the word of a needle weighs in an article, 0 to 91; 0 if it does not stand there."""
    at = weights.find(line)
    return ord(weights[at + len(line)]) - 33 if at >= 0 else 0


def language_of(weights: str) -> str | None:
    """In which language the words of an article have stems, None if they have none."""
    at = weights.find(STEM_MARK)
    return weights[weights.rfind("\n", 0, at) + 1 : at] if at >= 0 else None


def find_max_weight(weights: str, beginning: str) -> int:
    """The same for the heaviest word that begins so, of some hundred."""
    best, at, remaining = 0, weights.find(f"\n{beginning}"), MAX_PREFIX_WORDS
    while at >= 0 and remaining:
        remaining -= 1
        end = weights.index("\n", at + 1)
        best = max(best, ord(weights[end - 1]) - 33)
        at = weights.find(f"\n{beginning}", end)
    return best
