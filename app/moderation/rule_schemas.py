"""Schemas of phrases and bans, phrase matching, tokenization, and the types that the pipeline's stages share."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.comments.schemas import Submission
from app.core.clock import Moment
from app.core.ids import AnyId
from app.core.schema_rules import absent, both, exactly_one, matching, where
from app.core.settings import Settings
from app.moderation.schemas import ModeratorText
from app.text.confusables import skeleton
from app.text.inputs import OneLine, Visible
from app.web.paging import PageQuery

PhraseMatch = Literal["word", "text"]
PhraseAction = Literal["hold", "reject", "spam"]
_PREFIX_LENGTH: Final = 3  # phrases are indexed by their first characters
_MAX_CACHED_SKELETONS: Final = 20_000
_SPELT_OUT: Final = re.compile(r"(?<= )[^\W_](?: [^\W_](?= )){2,}")  # v i a g r a
_MAX_LINK_CHARACTERS: Final = 300


class _Skeletons(dict[int, str]):
    """Cache of the skeleton of each character: what it looks like."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        look = skeleton(char) or ("" if kind[0] in "LMN" or kind == "Cf" else " ")
        if len(self) >= _MAX_CACHED_SKELETONS:
            self.clear()
        self[code] = look
        return look


_SKELETONS: Final = _Skeletons()


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


class CompiledPhrase(NamedTuple):
    """A phrase compiled for matching."""

    id: str
    needle: str
    action: PhraseAction


class Phrases:
    """All phrases of a publication. Matching takes time linear in the text, regardless of their number."""

    def __init__(self, phrases: Iterable[Sequence[Any]] = ()) -> None:
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


def _check_letters(text: str) -> str:
    if len(fold_text(text).strip()) < 2:
        raise ValueError("must have at least two letters or digits")
    return text


PhraseText = Annotated[
    str, OneLine, StringConstraints(min_length=2, max_length=200), Visible, AfterValidator(_check_letters)
]
"""A word, several words, or a part of one, 2 to 200 characters on one line."""
_MATCH: Final = (
    "`word` matches whole words; `text` also matches inside longer words and needs at least three letters or digits."
)
_ACTION: Final = "`hold` puts the comment into the moderation queue; `reject` and `spam` refuse it."
_NOTE: Final = "A note for other moderators."


class PhraseIn(BaseModel):
    """A phrase to watch for. Case, accents, spacing and look-alike letters of other scripts are ignored."""

    model_config = ConfigDict(extra="forbid")

    text: PhraseText = Field(description="One or more words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: ModeratorText | None = Field(None, description=_NOTE)


class PhrasesIn(BaseModel):
    """Phrases to watch for."""

    model_config = ConfigDict(extra="forbid")

    phrases: list[PhraseIn] = Field(min_length=1, max_length=500)


class PhrasePatch(BaseModel):
    """Changes to a phrase (RFC 7396 merge patch)."""

    model_config = ConfigDict(extra="forbid")

    text: PhraseText = Field(default_factory=str, description="One or more words, or the host of a link.")
    match: PhraseMatch = Field("word", description=_MATCH)
    action: PhraseAction = Field("hold", description=_ACTION)
    note: ModeratorText | None = Field(None, description=_NOTE)


class PhraseOut(BaseModel):
    """A watched phrase."""

    id: str
    text: str
    match: PhraseMatch
    action: PhraseAction
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class PhrasesOut(BaseModel):
    """The phrases that were created."""

    data: list[PhraseOut]


class PhraseQuery(PageQuery):
    """Filters of the list of phrases."""

    action: PhraseAction | None = Field(None, description="Only phrases with this action.")
    match: PhraseMatch | None = Field(None, description="Only entries of this kind.")


BanKind = Literal["identity", "address", "email", "email_domain"]


_ADDRESS = re.compile(r"(?:[^\s@]+@)?[^\s@.]+(?:\.[^\s@.]+)+")


def is_network_address(value: str) -> bool:
    """Tell whether a value is a single IPv4 or IPv6 address without a zone."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone id has a meaning on its own machine only


def _parse_ban_value(value: str) -> str:
    if not (_ADDRESS.fullmatch(value) or is_network_address(value)):
        raise ValueError("must be an e-mail address, a domain or a single network address")
    return value.lower()


BanValue = Annotated[str, OneLine, StringConstraints(min_length=3, max_length=254), AfterValidator(_parse_ban_value)]
"""An e-mail address, a domain or a network address, in lower case."""
_BAN = both(
    exactly_one("comment_id", "value"),
    where("kind", ["identity"], absent("value")),
    where("kind", ["email"], matching("value", "^[^@]+@")),
)


class BanIn(BaseModel):
    """A new ban, by a comment of the person or by an e-mail address, domain or network address."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_BAN)

    kind: BanKind = Field(
        description="`identity`: the author's token or account. `address`: the network address, for 60 days at "
        "most. `email`: the e-mail address given with the comment. `email_domain`: all addresses of"
        " its domain and subdomains."
    )
    comment_id: AnyId | None = Field(None, description="The comment that causes the ban.")
    value: BanValue | None = Field(
        None,
        description="Without `comment_id`: the e-mail address, the domain, or a single IPv4 or IPv6 address. "
        "Ranges are not supported, as only hashes of addresses are stored; an IPv6 address stands "
        "for its /64 network.",
    )
    until: Moment | None = Field(None, description="When the ban expires (RFC 3339); null means never.")
    reason: ModeratorText | None = Field(None, description="A note for other moderators.")


class BannedAuthorOut(BaseModel):
    """The banned author."""

    id: str = Field(description="Public id, as in `author.id` of comments.")
    name: str | None
    kind: Literal["guest", "reader", "staff"]


class BanOut(BaseModel):
    """A ban."""

    id: str
    kind: BanKind
    author: BannedAuthorOut | None = Field(description="Set for the kind `identity`.")
    domain: str | None = Field(description="Set for the kind `email_domain`. Addresses are stored only as hashes.")
    comment_id: str | None
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: str | None = Field(description="Id of the moderator's key.")


class BanQuery(PageQuery):
    """Filters of the list of bans."""

    kind: BanKind | None = Field(None, description="Only entries of this kind.")


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


CheckerAnswer = Literal["publish", "hold", "reject", "spam", "unavailable"]


class CheckerVerdict(NamedTuple):
    """The external checker's verdict on a comment, or that it was unavailable."""

    verdict: CheckerAnswer
    reason: str = ""


UNAVAILABLE = CheckerVerdict("unavailable")


class CheckerAnswerIn(BaseModel):
    """The checker's response; unknown members are ignored."""

    verdict: Literal["publish", "hold", "reject", "spam"]
    reason: Annotated[str, OneLine, StringConstraints(max_length=500)] | None = Field(None)


MINUTE_SECONDS, DAY_SECONDS = 60, 86_400  # seconds
DAILY_RATE_FACTOR = 100  # the daily limit as a multiple of the limit per minute
MIN_DISTINCTIVE_LENGTH = 20  # characters; shorter texts are often written by several people


class Finding(NamedTuple):
    """The finding of a stage; `note` is only logged."""

    state: Literal["note", "pending", "rejected", "spam"]
    detail: str = ""


class AuthorHistory(NamedTuple):
    """What is known of an author's recent comments and of the text, read in one row."""

    banned: bool = False
    author_minute: datetime | None = None  # creation time of the comment that reaches the limit; null below it
    author_day: datetime | None = None
    address_minute: datetime | None = None
    address_day: datetime | None = None
    repeats_here: int = 0  # the same text under the same comment, or at the top level of the same article
    articles: int = 0  # other articles with the same text
    phrases: str | None = None  # generation of the phrases
    spam: int | None = None  # texts that the classifier has learned
    ham: int | None = None
    parents: int = 0  # other places of the same article with the same text


class TextAnalysis(NamedTuple):
    """Expensive analysis of a text that needs no database, done before the transaction that evaluates it."""

    generation: str | None  # of the phrases that were matched
    phrases: tuple[CompiledPhrase, ...]
    tokens: list[int] | None  # None if the classifier was not trained at the time


@dataclass(frozen=True)
class ModerationContext:
    """Everything that the stages need to evaluate a submission."""

    submission: Submission
    history: AuthorHistory
    settings: Settings
    phrases: Phrases
    spam_probability: Callable[[], float]  # reads the database; 0.5 if unknown
    checker_verdict: CheckerVerdict | None  # None without a checker
    matches: tuple[CompiledPhrase, ...] | None = None  # phrases in the text and the links; None if not matched yet
