"""Skeletons of names, which are equal for names that look alike (UTS #39, in any letter case, and with leetspeak)."""

import json
import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

MAX_SKELETON_LENGTH: Final = 200
_INVISIBLE: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols without a glyph
# Characters that people read or write for a letter, although Unicode does not count them as confusable.
_READ_AS: Final = {
    "a": "4@",
    "b": "ъⲂ8",
    "c": "Ɔ¢",
    "d": "ԃ",
    "e": "эєз3ɛəƎ€",
    "l": "iI1|լןꟾ",
    "n": "пиŋ",
    "o": "фφ0◯○",
    "p": "þϸ",
    "q": "ϙ",
    "r": "я",
    "s": "ƨႽ5$",
    "t": "7",
    "u": "цμƱ",
    "w": "шщω",
    "x": "ӿ",
    "z": "2",
}
_LATIN_NAME: Final = re.compile(r"LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL) ([A-Z])(?: WITH .*)?")
_LATIN_BLOCKS: Final = tuple(
    range(*block) for block in ((0x80, 0x2B0), (0x1D00, 0x1DC0), (0x1E00, 0x1F00), (0x2C60, 0x2C80), (0xA720, 0xA800))
)


def _strip_marks(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char)[0] != "M")


def _take_character(entry: dict[str, object]) -> object:
    """Reduce a confusable to its character: with their names, all together take 4 MB until the process ends."""
    return entry["c"] if isinstance(entry.get("c"), str) else entry


@cache
def _read_table() -> dict[int, str]:
    """Map characters to the ASCII letters in lower case that they look like.

    Sources in this order: `_READ_AS`, Unicode's confusables, Latin letters by name, and the other case of all these.
    """
    table = {look: plain for plain, looks in _READ_AS.items() for look in looks}
    path = files("confusable_homoglyphs") / "confusables.json"
    data: dict[str, list[str]] = json.loads(path.read_bytes(), object_hook=_take_character)
    for char, confusables in data.items():
        plain = next((text for other in confusables if (text := _strip_marks(other)).isascii()), "")
        if len(char) == 1 and not char.isascii() and plain.isalpha():
            table.setdefault(char, plain.casefold().replace("i", "l"))
    for char in (chr(code) for block in _LATIN_BLOCKS for code in block):
        if letter := _LATIN_NAME.fullmatch(unicodedata.name(char, "")):
            table.setdefault(char, letter[1].lower().replace("i", "l"))
    for char, plain in list(table.items()):
        for other in (char.upper(), char.lower()):
            if len(other) == 1 and not other.isascii():
                table.setdefault(other, plain)
    return str.maketrans(table)


# Pairs of letters that look like one letter.
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


@lru_cache(4096)
def skeleton(name: str) -> str:
    """Return the skeleton of a name; empty if the name has no letter or digit."""
    table = _read_table()
    # Map first: compatibility decompositions may look different, as σ (o) of ϲ (c) does.
    normalised = unicodedata.normalize(
        "NFKD", unicodedata.normalize("NFKC", name[: MAX_SKELETON_LENGTH * 2].translate(table))
    )
    shown = "".join(
        str(digit) if (digit := unicodedata.digit(char, None)) is not None else char
        for char in normalised
        if unicodedata.category(char)[0] != "M" and char not in _INVISIBLE
    )
    plain = shown.translate(table).casefold().translate(table)
    letters = "".join(char for char in plain if char.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters[:MAX_SKELETON_LENGTH]


def skeletons(name: str) -> tuple[str, str, str]:
    """Return the skeletons of a name as it is and in other letter case, which in Greek looks like other letters."""
    return skeleton(name), skeleton(name.lower()), skeleton(name.title())
