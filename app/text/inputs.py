"""Input types that validate and clean text, and helpers that measure and cut it."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

MAX_INT63: Final = 2**63 - 1
WORDS_PER_MINUTE: Final = 238

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_SPACE = re.compile("[ \t\n\u2028\u2029]+")
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
MAX_MARKS_IN_A_ROW: Final = 30  # combining characters, as in the Stream-Safe Text Format (UAX #15, section 13)
_GRAPHEME_JOINER: Final = "\u034f"
# A long run of characters of blocks with combining characters: rare, and only then checked in detail.
_PERHAPS_MARKS = re.compile(
    f"[\u0300-\u1fff\u20d0-\u20ff\u2c00-\u2fff\u302a-\u309f\ua600-\uabff\ufb00-\ufe2f\U00010000-\U0001efff]"
    f"{{{MAX_MARKS_IN_A_ROW + 1},}}"
)
_CJK = re.compile("[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_DASHES = re.compile("[\u2013-\u2015\u2026/]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LANGUAGE_FORM: Final = r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*"
_LANGUAGE = re.compile(LANGUAGE_FORM)
_URL = re.compile(r"https?://[^\s\\<>\"`{}|^/?#]+(?:[/?#][^\s\\<>\"`{}|^]*)?", re.IGNORECASE)
# Characters that may stand in a slug, for the OpenAPI document: `\w` of JavaScript has no letters outside ASCII.
_SLUG_CHARACTER: Final = r"[^\s\x00-/:-@\[-`{-\x9F]"
_SLUG_PATTERN: Final = rf"^\s*{_SLUG_CHARACTER}+(?:-{_SLUG_CHARACTER}+)*\s*$"
# Latin letters that do not decompose into a base letter and a mark.
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
LATIN = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i"})


def _break_marks(match: re.Match[str]) -> str:
    pieces: list[str] = []
    marks = before = 0
    for char in match.group():
        order = unicodedata.combining(char)
        marks = marks + 1 if order else 0
        if marks > MAX_MARKS_IN_A_ROW and order < before:
            pieces.append(_GRAPHEME_JOINER)
            marks = 1
        pieces.append(char)
        before = order
    return "".join(pieces)


def to_nfc(value: str) -> str:
    """Normalise to NFC in linear time.

    Sorting a long run of combining characters takes time by the square of its length: ten thousand of them take 80 ms,
    a million more than ten minutes. A grapheme joiner, which shows nothing, breaks runs that no script has, where they
    are out of order.
    """
    return value if value.isascii() else unicodedata.normalize("NFC", _PERHAPS_MARKS.sub(_break_marks, value))


def clean_text(value: str) -> str:
    """Normalise to NFC with LF line ends; raise ValueError for surrogates and controls except tab and newline."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if _FORBIDDEN.search(value):
        raise ValueError("must not contain control characters or lone surrogates")
    return to_nfc(value)


def _repair_control(match: re.Match[str]) -> str:
    char = match.group()
    if "\x80" <= char <= "\x9f":
        repaired = char.encode("latin-1").decode("cp1252", errors="ignore")
        return "" if _FORBIDDEN.match(repaired) else repaired
    return ""


def drop_controls(value: str) -> str:
    """Remove forbidden characters; C1 controls are read as Windows-1252, which they usually are."""
    return _FORBIDDEN.sub(_repair_control, value.replace("\r\n", "\n").replace("\r", "\n"))


def scrub_text(value: str) -> str:
    """Make imported text valid for `clean_text` instead of refusing it."""
    return to_nfc(drop_controls(value))


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in {"Zs", "Zl", "Zp", "Cc", "Cf"} and char not in _INVISIBLE_LETTERS


def _text(value: object) -> object:
    return clean_text(value) if isinstance(value, str) else value


def _stripped(value: object) -> object:
    return clean_text(value).strip() if isinstance(value, str) else value


def _one_line(value: object) -> object:
    return _LINE_SPACE.sub(" ", clean_text(value)).strip() if isinstance(value, str) else value


def _visible(value: str) -> str:
    if not any(_is_visible(char) for char in value):
        raise ValueError("must contain a visible character")
    return value


def is_slug(value: str) -> bool:
    """Tell whether the value is words of lower-case letters, digits and combining marks joined by single hyphens."""
    return value == value.lower() and all(
        word[:1].isalnum() and all(char.isalnum() or unicodedata.category(char)[0] == "M" for char in word)
        for word in value.split("-")
    )


def _lowered(value: object) -> object:
    return to_nfc(clean_text(value).strip().lower()) if isinstance(value, str) else value


def _slug(value: str) -> str:
    if not is_slug(value):
        raise ValueError("must be lower-case letters and digits, with single hyphens between words")
    return value


def _reference(value: str) -> str:
    if not is_slug(value):
        raise ValueError("must be an id or a slug: lower-case letters and digits, with single hyphens between words")
    return value


def _not_uuid(value: str) -> str:
    if _UUID.fullmatch(value):
        raise ValueError("must not look like an id")
    return value


def _language(value: str) -> str:
    if not is_language(value):
        raise ValueError("must be a BCP 47 language tag, such as en or pt-BR")
    return normalise_language_tag(value)


def is_language(value: str) -> bool:
    """Tell whether a text has the form of a BCP 47 language tag."""
    return _LANGUAGE.fullmatch(value) is not None


def normalise_language_tag(value: str) -> str:
    """Return a language tag in the letter case of BCP 47 (RFC 5646 §2.1.1)."""
    first, *rest = value.lower().split("-")
    subtags, extended = [first], False
    for subtag in rest:
        plain = not extended and subtag.isalpha()
        cased = subtag.upper() if len(subtag) == 2 else subtag.title() if len(subtag) == 4 else subtag
        subtags.append(cased if plain else subtag)
        extended = extended or len(subtag) == 1
    return "-".join(subtags)


def is_http_url(value: str) -> bool:
    """Tell whether the value is an absolute http or https URL with a host and without credentials."""
    if not _URL.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False


def _http_url(value: str) -> str:
    if not is_http_url(value):
        raise ValueError("must be an absolute http or https URL")
    return value


_CONTROLS: Final = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F"  # as `_FORBIDDEN`; a carriage return ends a line
_UNSEEN: Final = (
    r"\u00AD\u0600-\u0605\u061C\u06DD\u070F\u115F\u1160\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F"
    r"\u2800\u3164\uFEFF\uFFA0\uFFF9-\uFFFB"
)
CLEAN_PATTERN: Final = f"^[^{_CONTROLS}]*$"
"""Pattern of text that `clean_text` accepts, for the OpenAPI document."""
_SPACES: Final = r"\t\n\r\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
VISIBLE_PATTERN: Final = rf"^[{_SPACES}{_UNSEEN}]*[^\s{_CONTROLS}{_UNSEEN}][^{_CONTROLS}]*$"
"""Pattern of text with at least one visible character."""


@dataclass(frozen=True)
class _Patterned:
    """A validator with a JSON Schema pattern that is nearly equivalent."""

    validator: BeforeValidator | AfterValidator
    pattern: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.validator.__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.pattern}


@dataclass(frozen=True)
class Length:
    """Limit the length of a text, in characters, both as it is sent and after it was cleaned.

    The OpenAPI document can only count what is sent, and what is stored is bounded as well. It stands after the
    validators that clean the text.
    """

    min_length: int
    max_length: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        least = {"minLength": self.min_length} if self.min_length else {}
        return {**handler(schema), "maxLength": self.max_length, **least}

    def _validate(self, value: object, clean: ValidatorFunctionWrapHandler) -> str:
        if isinstance(value, str):
            self._require_short(value)  # before much of it is cleaned
        text: str = clean(value)
        self._require_short(text)
        if len(text) < self.min_length:
            raise PydanticKnownError("string_too_short", {"min_length": self.min_length})
        return text

    def _require_short(self, text: str) -> None:
        if len(text) > self.max_length:
            raise PydanticKnownError("string_too_long", {"max_length": self.max_length})


OneLine = _Patterned(BeforeValidator(_one_line), CLEAN_PATTERN)
"""Text on one line: line breaks and tabs become spaces, and the ends are stripped."""
ManyLines = _Patterned(BeforeValidator(_stripped), CLEAN_PATTERN)
"""Text that may have several lines; the ends are stripped."""
Visible = _Patterned(AfterValidator(_visible), VISIBLE_PATTERN)
"""Text with at least one visible character."""

Name = Annotated[str, OneLine, Length(1, 200), Visible]
"""A name on one line, 1 to 200 characters."""
Title = Annotated[str, OneLine, Length(1, 300), Visible]
"""A headline on one line, 1 to 300 characters."""
Summary = Annotated[str, ManyLines, Length(0, 2000)]
"""Plain text of up to 2,000 characters; may be empty."""
MAX_PROSE_LENGTH = 10_000
Prose = Annotated[str, ManyLines, Length(1, MAX_PROSE_LENGTH), Visible]
"""Plain text of 1 to 10,000 characters, such as a correction or a reason."""
LongText = Annotated[str, _Patterned(BeforeValidator(_text), CLEAN_PATTERN), Length(0, 1_000_000)]
"""A whole document, such as HTML or Markdown, of up to 1,000,000 characters; spaces at the ends are kept."""
Slug = Annotated[
    str,
    BeforeValidator(_lowered),
    Length(1, 200),
    AfterValidator(_slug),
    AfterValidator(_not_uuid),
    Field(json_schema_extra={"pattern": _SLUG_PATTERN}),
]
"""The last segment of a URL: lower-case letters of any script and digits, in words joined by hyphens."""
Identifier = Annotated[
    str,
    BeforeValidator(_lowered),
    Length(1, 200),
    AfterValidator(_reference),
    Field(json_schema_extra={"pattern": _SLUG_PATTERN}),
]
"""A reference to an existing object: its id (UUID) or its slug."""
LanguageTag = Annotated[
    str,
    ManyLines,
    Length(2, 35),
    AfterValidator(_language),
    Field(json_schema_extra={"pattern": rf"^\s*{LANGUAGE_FORM}\s*$"}),
]
"""A language tag (BCP 47, RFC 5646) in its usual letter case, such as `en`, `pt-BR` or `zh-Hant`."""
HttpUrl = Annotated[
    str,
    BeforeValidator(_stripped),
    Length(0, 2048),
    AfterValidator(_http_url),
    Field(json_schema_extra={"format": "uri"}),
]
"""An absolute http or https URL of up to 2,048 characters, which is not changed."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""A strict integer that may be written `16.0`, which in JSON is the same number as `16`."""
Int63 = Annotated[int, Field(ge=0, le=MAX_INT63)]
"""An integer from 0 to 2^63 - 1, which every database can store."""


def _without_latin_marks(text: str) -> str:
    kept: list[str] = []
    latin = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char)[0] != "M":
            latin = unicodedata.name(char, "").startswith("LATIN ")
        elif latin:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def slugify(text: str, max_length: int = 80, language: str = "") -> str:
    """Make a slug from a title, in any script and without Latin diacritics; it is never empty and never an id.

    German umlauts are spelled out in German: `Häuser` becomes `haeuser`.
    """
    if language.partition("-")[0].lower() == "de":
        text = unicodedata.normalize("NFC", text[:2000]).translate(_UMLAUTS)
    folded = unicodedata.normalize("NFKC", text[:2000]).casefold().lower()
    plain = _without_latin_marks(folded.translate(LATIN)).lower()
    plain = re.sub("['’ʼ]", "", plain)
    shown = (" " if c in _INVISIBLE_LETTERS else c for c in plain)
    spaced = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in shown)
    words = [word for word in spaced.split() if is_slug(word)]
    slug = "-".join(words)
    if len(slug) > max_length:
        cut = slug.rfind("-", 0, max_length + 1)
        slug = slug[:cut] if cut > 0 else slug[:max_length]
    if not slug or _UUID.fullmatch(slug):
        return f"item-{slug}"[:max_length].rstrip("-") if slug else "item"
    return slug


def make_excerpt(text: str, limit: int = 280) -> str:
    """Cut to at most `limit` code points on one line, at a word boundary if possible, with an ellipsis."""
    line = " ".join(text[: limit * 20].split())
    if len(line) <= limit:
        return line
    space = line.rfind(" ", 0, limit)
    end = space if space >= limit // 2 else limit - 1
    # Never separate a base letter from its marks, or a joined emoji.
    while end > 1 and (line[end] == "\u200d" or line[end - 1] == "\u200d" or unicodedata.category(line[end])[0] == "M"):
        end -= 1
    return line[:end].rstrip(" ,;:.–—-") + "…"


def count_words(text: str) -> int:
    """Count words; every Chinese or Japanese character counts as one, as those scripts write no spaces."""
    spaced, ideographs = _CJK.subn(" ", text)
    words = _DASHES.sub(" ", spaced).split()
    return ideographs + sum(1 for word in words if word.isalnum() or any(char.isalnum() for char in word))


def reading_minutes(words: int) -> int:
    """Return the reading time in minutes at 238 words a minute: at least 1, or 0 for an empty text."""
    return max(1, round(words / WORDS_PER_MINUTE)) if words > 0 else 0
