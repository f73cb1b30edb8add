"""Phrases as they come in and go out, and how they are found in a text."""

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
_PREFIX_LENGTH: Final = 3  # characters by which phrases are looked up, fewer only of those that have no more
_MAX_CACHED_SKELETONS: Final = 20_000  # characters whose looks are remembered
_SPELT_OUT: Final = re.compile(r"(?<= )[^\W_](?: [^\W_](?= )){2,}")  # v i a g r a
_MAX_LINK_CHARACTERS: Final = 300  # characters of a link that are looked at


class _Skeletons(dict[int, str]):
    """What each character looks like, reckoned when it is first met."""

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
    """A text by its looks: letters and digits that pass for others are alike, and between words stands one space."""
    words = " ".join(text.translate(_SKELETONS).split())
    return _SPELT_OUT.sub(lambda spelt: spelt[0].replace(" ", ""), f" {words} ").replace("rn", "m").replace("vv", "w")


def _readable_link(link: str) -> str:
    """What stands in a link behind `https://`, names in other scripts as readers see them."""
    address = link.partition("://")[2][:_MAX_LINK_CHARACTERS]
    try:
        host = urlsplit(link).hostname or ""
        return f"{host.encode().decode('idna')} {address}" if "xn--" in host else address
    except ValueError:
        return address


def fold_comment(text: str, name: str, links: Iterable[str]) -> str:
    """Give a text, its author's name and its links by their looks, each on a line of its own."""
    return "\n".join(fold_text(part) for part in (text, name, *map(_readable_link, links)))


class CompiledPhrase(NamedTuple):
    """A phrase that is ready to be found."""

    id: str
    needle: str
    action: PhraseAction


class Phrases:
    """All phrases of a publication; finding them takes as long as the text is, however many they are."""

    def __init__(self, phrases: Iterable[Sequence[Any]] = ()) -> None:
        """Each is its id, its text, how it matches and what it does."""
        self._by_key: dict[str, list[CompiledPhrase]] = {}
        for phrase_id, text, match, action in phrases:
            needle = fold_text(text) if match == "word" else fold_text(text).strip()
            self._by_key.setdefault(needle[:_PREFIX_LENGTH], []).append(CompiledPhrase(phrase_id, needle, action))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self._by_key

    def find(self, text: str, name: str, links: Iterable[str]) -> list[CompiledPhrase]:
        """Those that stand in a text, in its author's name or in its links."""
        return self.find_in_folded(fold_comment(text, name, links)) if self._by_key else []

    def find_in_folded(self, where: str) -> list[CompiledPhrase]:
        """Those that stand in what `folded_whole` gave."""
        hits: dict[str, CompiledPhrase] = {}
        for length in {len(key) for key in self._by_key}:
            for at in range(len(where) - length + 1):
                for phrase in self._by_key.get(where[at : at + length], ()):
                    if where.startswith(phrase.needle, at):
                        hits[phrase.id] = phrase
        return list(hits.values())


def is_long_enough(text: str) -> bool:
    """Whether a phrase may be looked for inside of words: two letters may where each is nearly a word."""
    letters = fold_text(text).strip()
    return len(letters) >= _PREFIX_LENGTH or not letters.isascii()


def _check_letters(text: str) -> str:
    if len(fold_text(text).strip()) < 2:
        raise ValueError("must have two letters or digits at least")
    return text


PhraseText = Annotated[
    str, OneLine, StringConstraints(min_length=2, max_length=200), Visible, AfterValidator(_check_letters)
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
    note: ModeratorText | None = Field(None, description=_NOTE)


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
    note: ModeratorText | None = Field(None, description=_NOTE)


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


BanKind = Literal["identity", "address", "email", "email_domain"]


_ADDRESS = re.compile(r"(?:[^\s@]+@)?[^\s@.]+(?:\.[^\s@.]+)+")


def is_network_address(value: str) -> bool:
    """Tell whether this is one IPv4 or IPv6 address."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone is known to its own machine alone


def _parse_ban_value(value: str) -> str:
    if not (_ADDRESS.fullmatch(value) or is_network_address(value)):
        raise ValueError("must be an e-mail address, a domain or one network address")
    return value.lower()


BanValue = Annotated[str, OneLine, StringConstraints(min_length=3, max_length=254), AfterValidator(_parse_ban_value)]
"""An e-mail address, a domain or a network address, in lower case."""
_BAN = both(
    exactly_one("comment_id", "value"),
    where("kind", ["identity"], absent("value")),
    where("kind", ["email"], matching("value", "^[^@]+@")),
)


class BanIn(BaseModel):
    """A ban to impose, on what stands behind a comment or on an e-mail or network address or domain that is named."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_BAN)

    kind: BanKind = Field(
        description="`identity`: the author's token or account; `address`: the network address, for 60 days at most; "
        "`email`: the address typed; `email_domain`: all addresses of its domain and of those below."
    )
    comment_id: AnyId | None = Field(None, description="The comment that gives reason to it.")
    value: BanValue | None = Field(
        None,
        description="Where no comment is named: the e-mail address, the domain, or one IPv4 or IPv6 address. Ranges "
        "are not taken, as only hashes of addresses are kept; an IPv6 address stands for its /64.",
    )
    until: Moment | None = Field(None, description="When it ends; null: never (RFC 3339).")
    reason: ModeratorText | None = Field(None, description="For the other moderators.")


class BannedAuthorOut(BaseModel):
    """Whose identity is banned."""

    id: str = Field(description="Public id, as in `author.id` of comments.")
    name: str | None
    kind: Literal["guest", "reader", "staff"]


class BanOut(BaseModel):
    """A ban."""

    id: str
    kind: BanKind
    author: BannedAuthorOut | None = Field(description="With the kind `identity`.")
    domain: str | None = Field(description="With the kind `email_domain`. Addresses are kept as hashes alone.")
    comment_id: str | None
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: str | None = Field(description="Id of the moderator's key.")


class BanQuery(PageQuery):
    """Filters of the list of bans."""

    kind: BanKind | None = Field(None, description="Only those of this kind.")


MAX_TOKENS: Final = 150  # of one text
MAX_SIGNIFICANT_TOKENS: Final = 60
MIN_SIGNIFICANT_TOKENS: Final = 5  # with fewer the classifier has no opinion
MIN_LEARNED_TEXTS: Final = 20  # of each class, before it has one at all
_MAX_TOKEN_LENGTH: Final = 40
_MIN_DISTANCE: Final = 0.1  # from even, for a word to be telling
_PRIOR_TEXTS: Final = 1.0  # texts that speak for even before any is read: Robinson's s, with x = 0.5
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SPACELESS: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class ClassCounts(NamedTuple):
    """In how many texts of each class: one word, or all there are."""

    spam: int
    ham: int


def _iterate_words(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _SPACELESS.search(word):  # no spaces between words: two letters at a time
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
    """Hashes of the different words of a text and of the hosts that it links to, smallest first."""
    different: dict[str, None] = {}
    for token in (*_iterate_hosts(links), *_iterate_words(text)):
        different[token] = None
        if len(different) == MAX_TOKENS:
            break
    return sorted(map(_hash_token, different))


def is_trained(texts: ClassCounts) -> bool:
    """Whether enough has been learned of both classes."""
    return min(texts) >= MIN_LEARNED_TEXTS


def _spam_share(word: ClassCounts, texts: ClassCounts) -> float:
    """How much a word speaks for spam, 0 to 1 (Robinson 2003): the rarer it is, the nearer to even."""
    spam, ham = word.spam / texts.spam, word.ham / texts.ham
    if spam + ham == 0.0:
        return 0.5
    count = word.spam + word.ham
    return (_PRIOR_TEXTS * 0.5 + count * spam / (spam + ham)) / (_PRIOR_TEXTS + count)


def _chi_square_tail(statistic: float, half: int) -> float:
    """The chance that χ² with `2 * half` degrees of freedom is larger."""
    term = total = math.exp(-statistic / 2)
    for i in range(1, half):
        term *= statistic / 2 / i
        total += term
    return min(total, 1.0)


def combine_shares(texts: ClassCounts, words: Iterable[ClassCounts]) -> float:
    """How likely a text is spam, 0 to 1, by Fisher's method over its most telling words; 0.5 means unknown."""
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
    """What a checker said of a comment, or that it could not be asked."""

    verdict: CheckerAnswer
    reason: str = ""


UNAVAILABLE = CheckerVerdict("unavailable")


class CheckerAnswerIn(BaseModel):
    """A checker's answer; what else is in it does not matter."""

    verdict: Literal["publish", "hold", "reject", "spam"]
    reason: Annotated[str, OneLine, StringConstraints(max_length=500)] | None = Field(None)


MINUTE_SECONDS, DAY_SECONDS = 60, 86_400  # seconds
DAILY_RATE_FACTOR = 100  # so many minutes' worth of comments are a day's
MIN_DISTINCTIVE_LENGTH = 20  # characters: what is shorter, several people say


class Finding(NamedTuple):
    """What a stage found: `note` is written down and changes nothing."""

    state: Literal["note", "pending", "rejected", "spam"]
    detail: str = ""


class AuthorHistory(NamedTuple):
    """What the store knows of the author and of the text, in one row."""

    banned: bool = False
    author_minute: datetime | None = None  # when the oldest comment was written that, with those after it, is too many
    author_day: datetime | None = None
    address_minute: datetime | None = None
    address_day: datetime | None = None
    repeats_here: int = 0  # the same text as an answer to the same comment, or at the top of the same article
    articles: int = 0  # other articles with the same text
    phrases: str | None = None  # the stamp of the phrases
    spam: int | None = None  # texts that the classifier has learned
    ham: int | None = None
    parents: int = 0  # other places of the same article with the same text


class TextAnalysis(NamedTuple):
    """What takes long to find out about a text and needs no store: found before the transaction that judges it."""

    generation: str | None  # of the phrases that were looked for
    phrases: tuple[CompiledPhrase, ...]
    tokens: list[int] | None  # None: the classifier had not learned enough when it was read


@dataclass(frozen=True)
class ModerationContext:
    """One submission before the stages."""

    submission: Submission
    history: AuthorHistory
    settings: Settings
    phrases: Phrases
    spam_probability: Callable[[], float]  # how likely it is spam, 0.5 where that is unknown; asks the store
    checker_verdict: CheckerVerdict | None  # None: there is no checker
    matches: tuple[CompiledPhrase, ...] | None = None  # phrases in the text and the links; None: not looked for yet
