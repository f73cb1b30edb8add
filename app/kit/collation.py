"""Alphabetical order: keys that sort names and titles as readers expect, alike on every database.

An approximation of the Unicode Collation Algorithm with CLDR's root order: spaces, punctuation, symbols, digits, then
letters by script; accents count only between words that are otherwise alike, and letter case only after them.
"""

import re
import unicodedata
from functools import lru_cache

import sqlalchemy as sa

SORT_KEY = sa.String(600).with_variant(sa.String(600, collation="C"), "postgresql")
"""Column of keys, compared code point by code point."""
MAX_BASE, MAX_TIE = 150, 60  # characters of a key: what is alike so far keeps the order of ids
_PUNCTUATION, _SYMBOL, _END = "!", '"', "\x01"  # each sorts before the digits, and the end before everything
# Letters that have no decomposition, as the root order places them: beside their base letter, or after it.
_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d~", "ħ": "h", "ı": "i~", "þ": "z~"}
)
_SPACES = re.compile(r"\s+")


def _is_accent(char: str) -> bool:
    """Whether a mark is no letter of its own: those of Latin, Greek, Cyrillic, Hebrew, Arabic, and voicing in kana."""
    combining = unicodedata.combining(char)
    return combining >= 200 or combining == 8 or 1 <= combining <= 6 or 10 <= combining <= 36


def _base(text: str) -> str:
    """The text without accents and letter case, with what is no letter before all letters."""
    parts = []
    for char in unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS)):
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


@lru_cache(2048)
def collation_key(text: str) -> str:
    """The key of a text: compare keys by code points to have the texts in alphabetical order."""
    line = _SPACES.sub(" ", text).strip()
    accents = unicodedata.normalize("NFD", line.casefold())[:MAX_TIE]
    return _END.join((_base(line), accents, line.swapcase()[:MAX_TIE]))
