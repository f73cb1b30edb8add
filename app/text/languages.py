"""Languages: their stemmers, and tags that mean the same."""

from functools import lru_cache
from threading import local
from typing import Protocol

STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "st": "sesotho",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
_ALIASES = {"nb": "no", "nn": "no", "ms": "id", "in": "id", "iw": "he", "yue": "zh", "cmn": "zh", "ji": "yi"}

_THREAD = local()  # stemmers have state: one per thread


def base_language_of(tag: str) -> str:
    """Return the language of a BCP 47 tag, without script and region."""
    base = tag.split("-", 1)[0].lower()
    return _ALIASES.get(base, base)


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


@lru_cache(100_000)
def stem_word(language: str, word: str) -> str:
    """Return the stem of a lower-case word; the word itself in a language without a stemmer."""
    name = STEMMERS.get(language)
    if name is None:
        return word
    stemmers: dict[str, _Stemmer] = _THREAD.__dict__
    if name not in stemmers:
        import snowballstemmer  # here, as it takes 3 MB: all languages at once

        stemmers[name] = snowballstemmer.stemmer(name)
    return stemmers[name].stemWord(word)
