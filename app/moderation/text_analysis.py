"""Analysis of texts without the database: watched phrases, and the words that the spam classifier counts."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from app.comments.moderation import CompiledPhrase
from app.text.character_table import CharacterTable
from app.text.confusables import skeleton

PhraseMatch = Literal["word", "text"]
PhraseAction = Literal["hold", "reject", "spam"]
_PREFIX_LENGTH: Final = 3  # phrases are indexed by their first characters
_SPELT_OUT: Final = re.compile(r"(?<= )[^\W_](?: [^\W_](?= )){2,}")  # v i a g r a
_MAX_LINK_CHARACTERS: Final = 300


def _fold_character(char: str) -> str:
    """Return what a character looks like, or a space for what separates words."""
    kind = unicodedata.category(char)
    return skeleton(char) or ("" if kind[0] in "LMN" or kind == "Cf" else " ")


_SKELETONS: Final = CharacterTable(_fold_character)


def fold_text(text: str) -> str:
    """Fold a text so that look-alike characters are equal, with one space between words."""
    words = " ".join(text.translate(_SKELETONS).split())
    return _SPELT_OUT.sub(lambda spelt: spelt[0].replace(" ", ""), f" {words} ").replace("rn", "m").replace("vv", "w")


def _readable_link(link: str) -> str:
    """Return a link without its scheme, with internationalized host names decoded."""
    address = link.partition("://")[2][:_MAX_LINK_CHARACTERS]
    try:
        host = urlsplit(link).hostname or ""
        return f"{host.encode().decode('idna')} {address}" if "xn--" in host else address
    except ValueError:
        return address


def fold_comment(text: str, name: str, links: Iterable[str]) -> str:
    """Fold a text, its author's name and its links, one per line."""
    return "\n".join(fold_text(part) for part in (text, name, *map(_readable_link, links)))


class Phrases:
    """All phrases of a publication. Matching takes time linear in the text, regardless of their number."""

    def __init__(self, phrases: Iterable[tuple[str, str, PhraseMatch, PhraseAction]] = ()) -> None:
        """Compile phrases given as (id, text, match, action)."""
        self._by_key: dict[str, list[CompiledPhrase]] = {}
        for phrase_id, text, match, action in phrases:
            needle = fold_text(text) if match == "word" else fold_text(text).strip()
            self._by_key.setdefault(needle[:_PREFIX_LENGTH], []).append(CompiledPhrase(phrase_id, needle, action))

    @property
    def is_empty(self) -> bool:
        """Whether there are no phrases."""
        return not self._by_key

    def find(self, text: str, name: str, links: Iterable[str]) -> list[CompiledPhrase]:
        """Return the phrases found in a text, its author's name or its links."""
        return self.find_in_folded(fold_comment(text, name, links)) if self._by_key else []

    def find_in_folded(self, where: str) -> list[CompiledPhrase]:
        """Return the phrases found in a text that `fold_comment` folded."""
        hits: dict[str, CompiledPhrase] = {}
        for length in {len(key) for key in self._by_key}:
            for at in range(len(where) - length + 1):
                for phrase in self._by_key.get(where[at : at + length], ()):
                    if where.startswith(phrase.needle, at):
                        hits[phrase.id] = phrase
        return list(hits.values())


def is_long_enough(text: str) -> bool:
    """Tell whether a phrase is long enough to match inside words; two letters suffice outside ASCII."""
    letters = fold_text(text).strip()
    return len(letters) >= _PREFIX_LENGTH or not letters.isascii()


MAX_TOKENS: Final = 150  # of one text
MAX_SIGNIFICANT_TOKENS: Final = 60
MIN_SIGNIFICANT_TOKENS: Final = 5  # with fewer the result is unknown
MIN_LEARNED_TEXTS: Final = 20  # of each class, before the classifier is used
_MAX_TOKEN_LENGTH: Final = 40
_MIN_DISTANCE: Final = 0.1  # from 0.5, for a word to be significant
_PRIOR_TEXTS: Final = 1.0  # Robinson's s, with x = 0.5
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPACELESS: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class ClassCounts(NamedTuple):
    """Number of texts of each class, for one word or in total."""

    spam: int
    ham: int


def _iterate_words(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _SPACELESS.search(word):  # script without spaces between words: two letters at a time
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        elif len(word) > 1:
            yield word[:_MAX_TOKEN_LENGTH]


def _iterate_hosts(links: Iterable[str]) -> Iterator[str]:
    for link in links:
        try:
            host = urlsplit(link).hostname
        except ValueError:
            continue
        if host:
            yield f"//{host.removeprefix('www.')}"


def _hash_token(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest()) >> 1 or 1


def tokenize(text: str, links: Iterable[str] = ()) -> list[int]:
    """Return the hashes of the different words of a text and of the hosts it links to, in ascending order."""
    different: dict[str, None] = {}
    for token in (*_iterate_hosts(links), *_iterate_words(text)):
        different[token] = None
        if len(different) == MAX_TOKENS:
            break
    return sorted(map(_hash_token, different))


def is_trained(texts: ClassCounts) -> bool:
    """Tell whether enough texts of both classes were learned."""
    return min(texts) >= MIN_LEARNED_TEXTS


def _spam_share(word: ClassCounts, texts: ClassCounts) -> float:
    """Return how much a word indicates spam, 0 to 1 (Robinson 2003); rare words stay near 0.5."""
    spam, ham = word.spam / texts.spam, word.ham / texts.ham
    if spam + ham == 0.0:
        return 0.5
    count = word.spam + word.ham
    return (_PRIOR_TEXTS * 0.5 + count * spam / (spam + ham)) / (_PRIOR_TEXTS + count)


def _chi_square_tail(statistic: float, half: int) -> float:
    """Return the probability that χ² with `2 * half` degrees of freedom exceeds the statistic."""
    term = total = math.exp(-statistic / 2)
    for i in range(1, half):
        term *= statistic / 2 / i
        total += term
    return min(total, 1.0)


def combine_shares(texts: ClassCounts, words: Iterable[ClassCounts]) -> float:
    """Return the probability of spam, 0 to 1, by Fisher's method over the most significant words; 0.5 means unknown."""
    shares = sorted((_spam_share(word, texts) for word in words), key=lambda share: -abs(share - 0.5))[
        :MAX_SIGNIFICANT_TOKENS
    ]
    shares = [share for share in shares if abs(share - 0.5) >= _MIN_DISTANCE]
    if len(shares) < MIN_SIGNIFICANT_TOKENS or not is_trained(texts):
        return 0.5
    for_ham = _chi_square_tail(-2 * sum(map(math.log, shares)), len(shares))
    for_spam = _chi_square_tail(-2 * sum(math.log(1 - share) for share in shares), len(shares))
    return (1 + for_ham - for_spam) / 2


def analyze_text(
    text: str, links: tuple[str, ...], with_looks: bool, with_tokens: bool
) -> tuple[str, list[int] | None]:
    """Return the folded text and links for phrase matching, and the token hashes for the classifier."""
    return fold_comment(text, "", links) if with_looks else "", tokenize(text, links) if with_tokens else None
