"""Splitting a text into the words that searches compare: folded, with stems, scripts without spaces cut into pairs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from app.text.character_table import CharacterTable
from app.text.inputs import LATIN
from app.text.languages import STEMMERS, stem_word

MAX_WORD_LENGTH: Final = 40  # characters of a word that are indexed
STEM_MARK: Final = "\u00b7"  # occurs in no folded word, so that stems and words differ
SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Kana, Han and Hangul: scripts in which a word need not end at a space."""
_RUNS: Final = re.compile(f"[{SPACELESS}]+|[^{SPACELESS}]+")
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
    yield from _split_folded(fold_text(text))


def _split_folded(folded: str) -> Iterator[str]:
    for chunk in folded.split():
        if chunk.isascii():
            yield chunk
        else:
            yield from _RUNS.findall(chunk)


def split_pairs(run: str) -> list[str]:
    """Split a run into overlapping pairs of characters and its last character, so that any part can be found."""
    return [*(run[at : at + 2] for at in range(len(run) - 1)), run[-1]]


def list_words(text: str, limit: int | None = None) -> list[str]:
    """List the indexed words of a text, in order, up to a limit."""
    folded = fold_text(text)
    if folded.isascii():  # as most texts; the rest takes four times as long
        return [word[:MAX_WORD_LENGTH] for word in folded.split()[:limit]]
    words: list[str] = []
    for run in _split_folded(folded):
        if is_spaceless(run):
            words += split_pairs(run)
        else:
            words.append(run[:MAX_WORD_LENGTH])
        if limit is not None and len(words) >= limit:
            break
    return words[:limit]


def find_stem(language: str, word: str) -> str | None:
    """Return the indexed stem of a word in a language, or None; it is indexed in addition to the word."""
    code = language.partition("-")[0].lower()
    own_script = (code not in _OTHER_SCRIPTS or code == "sr") if word.isascii() else code in _OTHER_SCRIPTS
    if code not in STEMMERS or not own_script or not word.isalpha() or is_spaceless(word):
        return None
    return f"{code}{STEM_MARK}{stem_word(code, word)}"[: MAX_WORD_LENGTH + 4]


def list_stems(word: str, languages: Iterable[str] = STEMMERS) -> list[str]:
    """List the stems of a word in several languages, as queries do not state theirs."""
    return list(dict.fromkeys(word_stem for language in languages if (word_stem := find_stem(language, word))))
