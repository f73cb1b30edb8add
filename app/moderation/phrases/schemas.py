"""Phrases as they come in and go out, and how they are found in a text."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.kit.paging import PageQuery
from app.kit.text import OneLine, Visible, skeleton
from app.moderation.schemas import Words

PhraseMatch = Literal["word", "text"]
PhraseAction = Literal["hold", "reject", "spam"]
_KEY: Final = 3  # characters by which phrases are looked up, fewer only of those that have no more
_KNOWN: Final = 20_000  # characters whose looks are remembered
_SPELT: Final = re.compile(r"(?<= )[^\W_](?: [^\W_](?= )){2,}")  # v i a g r a
_LINK: Final = 300  # characters of a link that are looked at


class _Looks(dict[int, str]):
    """What each character looks like, reckoned when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        look = skeleton(char) or ("" if kind[0] in "LMN" or kind == "Cf" else " ")
        if len(self) >= _KNOWN:
            self.clear()
        self[code] = look
        return look


_LOOKS: Final = _Looks()


def folded(text: str) -> str:
    """A text by its looks: letters and digits that pass for others are alike, and between words stands one space."""
    words = " ".join(text.translate(_LOOKS).split())
    return _SPELT.sub(lambda spelt: spelt[0].replace(" ", ""), f" {words} ").replace("rn", "m").replace("vv", "w")


def _site(link: str) -> str:
    """What stands in a link behind `https://`, names in other scripts as readers see them."""
    rest = link.partition("://")[2][:_LINK]
    try:
        host = urlsplit(link).hostname or ""
        return f"{host.encode().decode('idna')} {rest}" if "xn--" in host else rest
    except ValueError:
        return rest


def folded_whole(text: str, name: str, links: Iterable[str]) -> str:
    """Give a text, its author's name and its links by their looks, each on a line of its own."""
    return "\n".join(folded(part) for part in (text, name, *map(_site, links)))


class Compiled(NamedTuple):
    """A phrase that is ready to be found."""

    id: str
    needle: str
    action: PhraseAction


class Phrases:
    """All phrases of a publication; finding them takes as long as the text is, however many they are."""

    def __init__(self, phrases: Iterable[Sequence[Any]] = ()) -> None:
        """Each is its id, its text, how it matches and what it does."""
        self._by_key: dict[str, list[Compiled]] = {}
        for phrase_id, text, match, action in phrases:
            needle = folded(text) if match == "word" else folded(text).strip()
            self._by_key.setdefault(needle[:_KEY], []).append(Compiled(phrase_id, needle, action))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self._by_key

    def found(self, text: str, name: str, links: Iterable[str]) -> list[Compiled]:
        """Those that stand in a text, in its author's name or in its links."""
        return self.found_in(folded_whole(text, name, links)) if self._by_key else []

    def found_in(self, where: str) -> list[Compiled]:
        """Those that stand in what `folded_whole` gave."""
        hits: dict[str, Compiled] = {}
        for length in {len(key) for key in self._by_key}:
            for at in range(len(where) - length + 1):
                for phrase in self._by_key.get(where[at : at + length], ()):
                    if where.startswith(phrase.needle, at):
                        hits[phrase.id] = phrase
        return list(hits.values())


def is_part(text: str) -> bool:
    """Whether a phrase may be looked for inside of words: two letters may where each is nearly a word."""
    letters = folded(text).strip()
    return len(letters) >= _KEY or not letters.isascii()


def _says_enough(text: str) -> str:
    if len(folded(text).strip()) < 2:
        raise ValueError("must have two letters or digits at least")
    return text


PhraseText = Annotated[
    str, OneLine, StringConstraints(min_length=2, max_length=200), Visible, AfterValidator(_says_enough)
]
"""A word, several words, or a part of one, 2 to 200 characters on one line."""
_MATCH: Final = "`word`: whole words; `text`: also as part of a longer word, three letters or digits at least."
_ACTION: Final = "`hold`: a moderator reads it first; `reject` or `spam`: refused as such."
_NOTE: Final = "For the other moderators."


class PhraseIn(BaseModel):
    """A phrase to watch for; case, accents, spacing and look-alike letters of other scripts make no difference."""

    model_config = ConfigDict(extra="forbid")

    text: PhraseText = Field(description="Words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: Words | None = Field(None, description=_NOTE)


class PhrasesIn(BaseModel):
    """Phrases to watch for."""

    model_config = ConfigDict(extra="forbid")

    phrases: list[PhraseIn] = Field(min_length=1, max_length=500)


class PhrasePatch(BaseModel):
    """Changes to a phrase, as RFC 7396 has them."""

    model_config = ConfigDict(extra="forbid")

    text: PhraseText = Field(default_factory=str, description="Words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: Words | None = Field(None, description=_NOTE)


class PhraseOut(BaseModel):
    """A phrase that is watched for."""

    id: str
    text: str
    match: PhraseMatch
    action: PhraseAction
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class PhrasesOut(BaseModel):
    """Phrases that were new."""

    data: list[PhraseOut]


class PhraseQuery(PageQuery):
    """Filters of the list of phrases."""

    action: PhraseAction | None = Field(None, description="Only those with this action.")
    match: PhraseMatch | None = Field(None, description="Only those of this kind.")
