"""Tables that fold texts character by character."""

from collections.abc import Callable
from typing import Final

MAX_CHARACTERS: Final = 20_000


class CharacterTable(dict[int, str]):
    """A table for `str.translate` that a function of one character fills on use.

    It is emptied when it is full: Unicode has many characters, texts have few.
    """

    def __init__(self, fold: Callable[[str], str]) -> None:
        super().__init__()
        self.fold = fold

    def __missing__(self, code: int) -> str:
        if len(self) >= MAX_CHARACTERS:
            self.clear()
        self[code] = folded = self.fold(chr(code))
        return folded
