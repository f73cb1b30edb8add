"""What a reader wrote, made harmless: HTML of the `note` profile, plain text, links, and what repeats are known by."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

from app.text.autolinks import enable_autolinks
from app.text.html import parse_clean_html, sanitise, text_of

MAX_NESTING: Final = 20
MAX_BRACKETS: Final = 500  # every bracket may begin a link, and is looked at again from every other
MAX_LINES: Final = 500
MAX_MARKS: Final = 2000  # what Markdown and HTML spend their time on: lines, emphasis, code, links, entities
MAX_QUICK_MARKS: Final = 40
MAX_QUICK_LENGTH: Final = 2000  # characters; so short, with so few marks, a text is read in about a millisecond
MAX_CACHED_CHARACTERS: Final = 20_000  # characters
MAX_SHORT_LETTERS: Final = 20  # letters and digits: what is shorter tells texts apart by its signs as well
_MARKED: Final = re.compile(r"[&<>*_`\[\]\\~@]|[^\S ]|  |^[ #=+\-\d]| $|//|www\.")  # what Markdown may read
_MARK: Final = re.compile(r"[&<>*_`\[\]\\~@\n]|//")
# Marks that decorate letters of any script; those of one script make other letters of what they stand with.
_DECORATION: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]")
_IN_NUMBER: Final = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<!\w)[-\u2212](?=\d)")
_SIGNS: Final = frozenset("#%&@*")


class _Markdown(MarkdownIt):
    """CommonMark as people write to each other: no HTML, headings or pictures, line breaks kept, addresses linked."""

    def __init__(self) -> None:
        options = {"html": False, "breaks": True, "maxNesting": MAX_NESTING}
        super().__init__("commonmark", options)
        self.enable("strikethrough")
        self.disable(["heading", "lheading", "image", "html_block", "html_inline", "reference"])
        enable_autolinks(self)


_MARKDOWN: Final = _Markdown()


@dataclass(frozen=True, slots=True)
class Body:
    """One comment's text in all its forms."""

    source: str
    html: str
    text: str
    links: tuple[str, ...]
    fingerprint: str


class _WordCharacters(dict[int, str | None]):
    """What stays of each character where words alone count, found out when it is first met."""

    def __missing__(self, code: int) -> str | None:
        if len(self) >= MAX_CACHED_CHARACTERS:
            self.clear()
        char = chr(code)
        self[code] = kept = char if unicodedata.category(char)[0] in "LMN" else None
        return kept


_WORD_CHARACTERS: Final = _WordCharacters()


def fingerprint_text(text: str) -> str:
    """Hash the words, so that case, spaces and punctuation do not make another text of one that was said before.

    Of short texts the signs count as well: `+1` and `-1`, a thumb up and a thumb down say different things.
    """
    folded = _DECORATION.sub("", unicodedata.normalize("NFKC", text).casefold())
    words = folded.translate(_WORD_CHARACTERS)
    if len(words) < MAX_SHORT_LETTERS:
        kept = _IN_NUMBER.sub(lambda sign: "\0" if sign[0] in "-\u2212" else "\1", folded)
        words = "".join(char for char in kept if char in "\0\1" or _is_significant(char)) or "".join(folded.split())
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def _is_significant(char: str) -> bool:
    kind = unicodedata.category(char)
    return char in _SIGNS or (kind[0] not in "PZC" and kind != "Sk")


def _render_body(source: str, html: str) -> Body:
    html = sanitise(html, "note").strip()
    root = parse_clean_html(html)
    hrefs = (node.attributes.get("href") for node in root.css("a[href]")) if "href=" in html else ()
    links = tuple(href for href in hrefs if href)
    text = text_of(root)
    return Body(source, html, text, links, fingerprint_text(text))


def count_marks(source: str) -> int:
    """Count what makes reading a text long; 0 for plain words."""
    return len(_MARK.findall(source)) or bool(_MARKED.search(source))


def is_quick(source: str) -> bool:
    """Tell whether a text is read so fast that nobody waits for it."""
    return len(source) <= MAX_QUICK_LENGTH and count_marks(source) <= MAX_QUICK_MARKS


def render_markdown(source: str) -> Body:
    """Read what was posted; raises ValueError for what cannot be read in reasonable time or shows nothing."""
    marks = count_marks(source)
    if source.count("\n") >= MAX_LINES:
        raise ValueError(f"the text has more than {MAX_LINES} lines")
    if source.count("[") > MAX_BRACKETS or source.count("!") > 4 * MAX_BRACKETS:
        raise ValueError("the text has too many brackets")
    if marks > MAX_MARKS:
        raise ValueError(f"the text has more than {MAX_MARKS} lines, links and signs of Markdown")
    if not marks:  # most of what people write: words and full stops
        return Body(source, f"<p>{source}</p>", source, (), fingerprint_text(source))
    body = _render_body(source, _MARKDOWN.render(source))
    if not body.text.strip():
        raise ValueError("the text shows nothing")
    return body


def clean_html(source: str) -> Body:
    """Clean HTML from another system; raise ValueError beyond the bounds of `app.text.html`."""
    return _render_body(source, source)
