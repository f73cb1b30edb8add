"""What is known of languages: which stemmer reads one, and which tags mean the same."""

from functools import lru_cache
from threading import local
from typing import Any

import snowballstemmer

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

_THREAD = local()  # a stemmer keeps state while it works: one for each thread


def base_language_of(tag: str) -> str:
    """The language of a BCP 47 tag, without script and region: what articles must share to be compared."""
    base = tag.split("-", 1)[0].lower()
    return _ALIASES.get(base, base)


@lru_cache(100_000)
def stem_word(language: str, word: str) -> str:
    """The stem of a word in lower case; the word itself in a language without a stemmer."""
    name = STEMMERS.get(language)
    if name is None:
        return word
    stemmers: dict[str, Any] = _THREAD.__dict__
    if name not in stemmers:
        stemmers[name] = snowballstemmer.stemmer(name)
    return str(stemmers[name].stemWord(word))
