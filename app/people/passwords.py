"""Passwords: which are good enough, and their Argon2id hashes."""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

from app.core.problems import Invalid, Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_LENGTH: Final = 256
MAX_HASHES_AT_ONCE: Final = 2  # each takes a processor for some 25 ms, and 19 MiB
MAX_WAITING_HASHES: Final = 64
MIN_REST_LENGTH: Final = 8  # characters of a password beside a word that others can guess
_MIN_WORD_LENGTH: Final = 3
# Words of frequent passwords; longer ones repeat them, or add digits. It is a list of our own, of words, keys that are
# neighbours, and what people add when a password has to change; it is not one of passwords that were breached.
_FREQUENT: Final = """
password passwort passwd motdepasse contrasena parola qwerty qwertz azerty asdf zxcv iloveyou letmein welcome admin
administrator monkey dragon football baseball superman batman master sunshine princess shadow michael trustno1
whatever changeme default secret login guest root test newspaper newsroom broadsheet editor 123456789 1234567890
987654321 abcdefgh 1q2w3e4r qazwsx 1qaz2wsx zaq12wsx qwertyuiop asdfghjkl zxcvbnm poiuytrewq lkjhgfdsa mnbvcxz 123123
987654 112233 spring summer autumn winter fruehling sommer herbst printemps january february march april june july
august september october november december monday tuesday wednesday thursday friday saturday sunday 2020 2021 2022
2023 2024 2025 2026 2027 2028 2029 2030 correct horse battery staple helloworld starwars pokemon samsung computer
internet freedom charlie thomas daniel jordan jessica ashley andrew hunter killer soccer hockey liverpool arsenal
chelsea barcelona journalist journalism reporter headline
""".split()
_DISGUISES: Final = str.maketrans("@4310$57!", "aaeiosstl")  # of letters by characters that look alike
_UNKNOWN: Final = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nLXJhbmRvbQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""A hash that no password is known for, against which those of unknown people are checked, at the same cost."""


def normalize_password(password: str) -> str:
    """Return a password as it is hashed, so that keyboards that compose characters differently give the same."""
    return unicodedata.normalize("NFKC", password)


def _guessable_words(*contexts: str) -> list[str]:
    words = [*(word for context in contexts for word in re.findall(r"[^\W_]+", context)), *_FREQUENT]
    return sorted({word.casefold() for word in words if len(word) >= _MIN_WORD_LENGTH}, key=len, reverse=True)


def _is_guessable(text: str, words: Iterable[str]) -> bool:
    """Whether little is left of a text without words that others can guess."""
    for word in words:
        text = text.replace(word, "")
    return len(text) < MIN_REST_LENGTH or len(set(text)) < MIN_REST_LENGTH // 2


def check_password(password: str, *contexts: str) -> None:
    """Raise 422 for a password that is too short, or that consists of what is easily guessed.

    `contexts` are texts whose words attackers try first (NIST SP 800-63B §5.1.1.2): the name and the address of the
    person, the name and the domain of the publication.
    """
    text = normalize_password(password).casefold()
    if len(text) < MIN_PASSWORD_LENGTH:
        raise Invalid(f"A password has at least {MIN_PASSWORD_LENGTH} characters.", pointer="/password", code="short")
    words = _guessable_words(*contexts)
    undisguised = sorted({word.translate(_DISGUISES) for word in words}, key=len, reverse=True)
    if _is_guessable(text, words) or _is_guessable(text.translate(_DISGUISES), undisguised):
        detail = "This password is easily guessed: it consists of frequent words, names or repeated characters."
        raise Invalid(detail, pointer="/password", code="guessable")


class Passwords:
    """Hashes and checks passwords outside of the event loop, a few at a time."""

    def __init__(self) -> None:
        self._slots, self._waiting = asyncio.Semaphore(MAX_HASHES_AT_ONCE), 0
        self._hasher: PasswordHasher | None = None

    @property
    def hasher(self) -> "PasswordHasher":
        """The hasher, loaded for the first password, with the parameters that OWASP recommends for Argon2id."""
        from argon2 import PasswordHasher

        self._hasher = self._hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        return self._hasher

    async def hash(self, password: str) -> str:
        """Return the hash to store of a password."""
        return await self._run(self._hash, normalize_password(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password has this hash; without a hash it takes as long, and is False."""
        is_right = await self._run(self._verify, stored or _UNKNOWN, normalize_password(password))
        return is_right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than those of today."""
        return self.hasher.check_needs_rehash(stored)

    def _hash(self, password: str) -> str:
        return self.hasher.hash(password)

    def _verify(self, stored: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        try:
            return self.hasher.verify(stored, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        if self._waiting >= MAX_WAITING_HASHES:
            raise Unavailable("Too many people sign in at once.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1
