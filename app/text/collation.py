"""Alphabetical order: sort keys of names and titles that are the same on every database.

An approximation of the Unicode Collation Algorithm with CLDR's root order: spaces, punctuation, symbols, digits, then
letters by script; accents count only between words that are otherwise equal, and letter case only after them. See
ADR 25 for its limits, and for why no library makes the keys.
"""

import re
import unicodedata
from functools import lru_cache

import sqlalchemy as sa

SORT_KEY = sa.String(600).with_variant(sa.String(600, collation="C"), "postgresql")
"""Type of key columns, compared code point by code point."""
MAX_BASE, MAX_TIE = 150, 60  # characters of the parts of a key; names with equal keys are sorted by id
_PUNCTUATION, _SYMBOL, _END = "!", '"', "\x01"  # all sort before digits, and the end before everything
# Letters whose place does not follow from a decomposition: equal to a base letter, or ("~") after it.
_EXPANSIONS = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t"}
_EXPANSIONS |= {"ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ"}
_AFTER_BASE = {"ð": "d", "ı": "i", "ŋ": "n", "þ": "z"}
_CYRILLIC = (
    "гґ",
    "дђѓ",
    "еє",
    "зѕ",
    "ийіїј",
    "лљ",
    "нњ",
    "тћќ",
    "уў",
    "чџ",
)  # each letter sorts after the first of its group
_AFTER_CYRILLIC = "\u052f"  # sorts after the letters of every Cyrillic alphabet
_LETTERS = str.maketrans(
    {
        **_EXPANSIONS,
        **{letter: base + "~" for letter, base in _AFTER_BASE.items()},
        **{run[n]: run[0] + _AFTER_CYRILLIC * n for run in _CYRILLIC for n in range(1, len(run))},
    }
)
_SPACES = re.compile(r"\s+")


def _is_accent(char: str) -> bool:
    """Tell whether a mark is an accent: of Latin, Greek, Cyrillic, Hebrew or Arabic, a nukta, or a voicing mark."""
    combining = unicodedata.combining(char)
    return combining >= 200 or 1 <= combining <= 8 or 10 <= combining <= 36


def _base(line: str) -> str:
    """Return the primary part of a key: a folded text without accents, in which symbols sort before letters."""
    parts = []
    letters = unicodedata.normalize("NFKC", line).translate(_LETTERS)
    for char in unicodedata.normalize("NFKD", letters).translate(_LETTERS):  # twice, as ǽ decomposes to æ
        kind = unicodedata.category(char)
        if _is_accent(char) or kind in {"Cf", "Cc"}:
            continue
        if kind[0] == "P" and char != "~":
            parts.append(_PUNCTUATION + char)
        elif kind[0] == "S":
            parts.append(char if char == "~" else _SYMBOL + char)
        elif kind == "Nd":
            parts.append(str(unicodedata.decimal(char)))
        elif "\u30a1" <= char <= "\u30f6":  # katakana sort with hiragana
            parts.append(chr(ord(char) - 0x60))
        else:
            parts.append(char)
    return "".join(parts)[:MAX_BASE]


def fold_name(name: str) -> str:
    """Fold a name so that names are equal that differ only in letter case, width or spaces."""
    visible = "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def key_bounds(name: str) -> tuple[str, str]:
    """Return the bounds, the upper one exclusive, of the keys of all names that fold to the same name."""
    base = collation_key(fold_name(name)).partition(_END)[0]
    return f"{base}{_END}", f"{base}{chr(ord(_END) + 1)}"


def _accents(line: str) -> str:
    """Return the secondary part of a key: the accents of a folded text, with a space for each letter."""
    marks = (char if _is_accent(char) else f" {char}" if char in _EXPANSIONS else " " for char in line)
    return "".join(marks)[:MAX_TIE]


@lru_cache(2048)
def collation_key(text: str) -> str:
    """Return the sort key of a text, to be compared code point by code point."""
    line = unicodedata.normalize("NFC", _SPACES.sub(" ", text).strip())
    folded = unicodedata.normalize("NFC", line.casefold())
    lower_first = "".join(swapped if len(swapped := char.swapcase()) == 1 else char for char in line)
    return _END.join((_base(folded), _accents(unicodedata.normalize("NFD", folded)), lower_first[:MAX_TIE]))
