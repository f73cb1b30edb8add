"""Alphabetical order: keys that sort names and titles as readers expect, alike on every database.

An approximation of the Unicode Collation Algorithm with CLDR's root order: spaces, punctuation, symbols, digits, then
letters by script; accents count only between words that are otherwise alike, and letter case only after them. What of
it holds, and why no library makes the keys: ADR 25.
"""

import re
import unicodedata
from functools import lru_cache

import sqlalchemy as sa

SORT_KEY = sa.String(600).with_variant(sa.String(600, collation="C"), "postgresql")
"""Column of keys, compared code point by code point."""
MAX_BASE, MAX_TIE = 150, 60  # characters of a key: what is alike so far keeps the order of ids
_PUNCTUATION, _SYMBOL, _END = "!", '"', "\x01"  # each sorts before the digits, and the end before everything
# Letters without a decomposition, or with one that says nothing of their place: beside a letter, or ("~") after it.
_EXPANSIONS = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t"}
_EXPANSIONS |= {"ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ"}
_AFTER_BASE = {"ð": "d", "ı": "i", "ŋ": "n", "þ": "z"}
_CYRILLIC = ("гґ", "дђѓ", "еє", "зѕ", "ийіїј", "лљ", "нњ", "тћќ", "уў", "чџ")  # what follows the first letter of each
_AFTER_CYRILLIC = "\u052f"  # no letter of any alphabet stands behind it
_LETTERS = str.maketrans(
    {
        **_EXPANSIONS,
        **{letter: base + "~" for letter, base in _AFTER_BASE.items()},
        **{run[n]: run[0] + _AFTER_CYRILLIC * n for run in _CYRILLIC for n in range(1, len(run))},
    }
)
_SPACES = re.compile(r"\s+")


def _is_accent(char: str) -> bool:
    """Whether a mark is no letter of its own: those of Latin, Greek, Cyrillic, Hebrew, Arabic, nuktas, and voicing."""
    combining = unicodedata.combining(char)
    return combining >= 200 or 1 <= combining <= 8 or 10 <= combining <= 36


def _base(line: str) -> str:
    """A folded text without accents, with what is no letter before all letters."""
    parts = []
    letters = unicodedata.normalize("NFKC", line).translate(_LETTERS)
    for char in unicodedata.normalize("NFKD", letters).translate(_LETTERS):  # twice: ǽ is an æ once it is taken apart
        kind = unicodedata.category(char)
        if _is_accent(char) or kind in {"Cf", "Cc"}:
            continue
        if kind[0] == "P" and char != "~":
            parts.append(_PUNCTUATION + char)
        elif kind[0] == "S":
            parts.append(char if char == "~" else _SYMBOL + char)
        elif kind == "Nd":
            parts.append(str(unicodedata.decimal(char)))
        elif "\u30a1" <= char <= "\u30f6":  # katakana stand with hiragana
            parts.append(chr(ord(char) - 0x60))
        else:
            parts.append(char)
    return "".join(parts)[:MAX_BASE]


def fold_name(name: str) -> str:
    """Fold a name so that two that differ in letter case, width or spaces alone are equal; accents and signs count."""
    visible = "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def key_bounds(name: str) -> tuple[str, str]:
    """Bounds, the upper one excluded, of the keys of every name that `fold_name` makes equal to this one."""
    base = collation_key(fold_name(name)).partition(_END)[0]
    return f"{base}{_END}", f"{base}{chr(ord(_END) + 1)}"


def _accents(line: str) -> str:
    """The accents of a folded text, with a space for each letter: no letter comes before or behind an accent."""
    marks = (char if _is_accent(char) else f" {char}" if char in _EXPANSIONS else " " for char in line)
    return "".join(marks)[:MAX_TIE]


@lru_cache(2048)
def collation_key(text: str) -> str:
    """The key of a text: compare keys by code points to have the texts in alphabetical order."""
    line = unicodedata.normalize("NFC", _SPACES.sub(" ", text).strip())
    folded = unicodedata.normalize("NFC", line.casefold())
    lower_first = "".join(turned if len(turned := char.swapcase()) == 1 else char for char in line)
    return _END.join((_base(folded), _accents(unicodedata.normalize("NFD", folded)), lower_first[:MAX_TIE]))
