"""Words as the classifier counts them, and how likely what it has counted makes spam."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

MOST_TOKENS: Final = 150  # of one text
MOST_TELLING: Final = 60
LEAST_TELLING: Final = 5  # with fewer the classifier has no opinion
LEAST_TEXTS: Final = 20  # of each class, before it has one at all
_LONGEST: Final = 40
_DISTANCE: Final = 0.1  # from even, for a word to be telling
_PRIOR: Final = 1.0  # texts that speak for even before any is read: Robinson's s, with x = 0.5
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPACELESS: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Counted(NamedTuple):
    """In how many texts of each class: one word, or all there are."""

    spam: int
    ham: int


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _SPACELESS.search(word):  # no spaces between words: two letters at a time
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        elif len(word) > 1:
            yield word[:_LONGEST]


def _hosts(links: Iterable[str]) -> Iterator[str]:
    for link in links:
        try:
            host = urlsplit(link).hostname
        except ValueError:
            continue
        if host:
            yield f"//{host.removeprefix('www.')}"


def _hashed(token: str) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest()) >> 1 or 1


def tokens(text: str, links: Iterable[str] = ()) -> list[int]:
    """Hashes of the different words of a text and of the hosts that it links to, smallest first."""
    found: dict[str, None] = {}
    for token in (*_hosts(links), *_words(text)):
        found[token] = None
        if len(found) == MOST_TOKENS:
            break
    return sorted(map(_hashed, found))


def is_trained(texts: Counted) -> bool:
    """Whether enough has been learned of both classes."""
    return min(texts) >= LEAST_TEXTS


def _share(word: Counted, texts: Counted) -> float:
    """How much a word speaks for spam, 0 to 1 (Robinson 2003): the rarer it is, the nearer to even."""
    spam, ham = word.spam / texts.spam, word.ham / texts.ham
    if spam + ham == 0.0:
        return 0.5
    seen = word.spam + word.ham
    return (_PRIOR * 0.5 + seen * spam / (spam + ham)) / (_PRIOR + seen)


def _chance(statistic: float, half: int) -> float:
    """The chance that χ² with `2 * half` degrees of freedom is larger."""
    term = total = math.exp(-statistic / 2)
    for i in range(1, half):
        term *= statistic / 2 / i
        total += term
    return min(total, 1.0)


def score(texts: Counted, words: Iterable[Counted]) -> float:
    """How likely a text is spam, 0 to 1, by Fisher's method over its most telling words; 0.5 means unknown."""
    shares = sorted((_share(word, texts) for word in words), key=lambda share: -abs(share - 0.5))[:MOST_TELLING]
    shares = [share for share in shares if abs(share - 0.5) >= _DISTANCE]
    if len(shares) < LEAST_TELLING or not is_trained(texts):
        return 0.5
    for_ham = _chance(-2 * sum(map(math.log, shares)), len(shares))
    for_spam = _chance(-2 * sum(math.log(1 - share) for share in shares), len(shares))
    return (1 + for_ham - for_spam) / 2
