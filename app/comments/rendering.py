"""Rendering of comments: Markdown to sanitised HTML of the `note` profile, plain text, links and a fingerprint."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

from app.text.autolinks import enable_autolinks
from app.text.character_table import CharacterTable
from app.text.html import parse_clean_html, sanitise, text_of

MAX_NESTING: Final = 20
MAX_BRACKETS: Final = 500  # every bracket may begin a link, so that parsing time grows with their square
MAX_LINES: Final = 500
MAX_MARKS: Final = 2000  # lines, emphasis, code, links and entities, which take most of the parser's time
MAX_QUICK_MARKS: Final = 40
MAX_QUICK_LENGTH: Final = 2000  # characters; with so few marks, a text of this length takes about a millisecond
MAX_SHORT_LETTERS: Final = 20  # letters and digits; in texts with fewer the fingerprint includes signs
_MARKED: Final = re.compile(r"[&<>*_`\[\]\\~@]|[^\S ]|  |^[ #=+\-\d]| $|//|www\.")  # possible Markdown
_MARK: Final = re.compile(r"[&<>*_`\[\]\\~@\n]|//")
# Combining marks that are used with several scripts. Those of a single script are left out: they distinguish letters.
_DECORATION: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]")
_IN_NUMBER: Final = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<!\w)[-\u2212](?=\d)")
_SIGNS: Final = frozenset("#%&@*")


class _Markdown(MarkdownIt):
    """CommonMark for comments: without HTML, headings and images, with hard line breaks and autolinks."""

    def __init__(self) -> None:
        options = {"html": False, "breaks": True, "maxNesting": MAX_NESTING}
        super().__init__("commonmark", options)
        self.enable("strikethrough")
        self.disable(["heading", "lheading", "image", "html_block", "html_inline", "reference"])
        enable_autolinks(self)


_MARKDOWN: Final = _Markdown()


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a comment in all its forms."""

    source: str
    html: str
    text: str
    links: tuple[str, ...]  # addresses that the text links to
    fingerprint: str

    def columns(self) -> dict[str, str]:
        """Return the columns of a comment that hold its text."""
        return {"source": self.source, "html": self.html, "text": self.text, "fingerprint": self.fingerprint}


def _keep_character(char: str) -> str:
    """Return a letter, mark or digit, and nothing for any other character."""
    return char if unicodedata.category(char)[0] in "LMN" else ""


_WORD_CHARACTERS: Final = CharacterTable(_keep_character)


def fingerprint_text(text: str) -> str:
    """Return a hash of the words that ignores case, white space, accents and punctuation.

    In short texts signs count as well: `+1` and `-1` differ, and so do a thumb up and a thumb down.
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
    """Count the marks that make a text slow to parse; 0 means that it contains no Markdown at all."""
    return len(_MARK.findall(source)) or bool(_MARKED.search(source))


def is_quick(source: str) -> bool:
    """Tell whether a text can be rendered on the event loop, which takes about a millisecond at most."""
    return len(source) <= MAX_QUICK_LENGTH and count_marks(source) <= MAX_QUICK_MARKS


def render_markdown(source: str) -> Body:
    """Render Markdown; raise ValueError for texts that would take too long to parse or that show nothing."""
    marks = count_marks(source)
    if source.count("\n") >= MAX_LINES:
        raise ValueError(f"the text has more than {MAX_LINES} lines")
    if source.count("[") > MAX_BRACKETS or source.count("!") > 4 * MAX_BRACKETS:
        raise ValueError("the text has too many brackets")
    if marks > MAX_MARKS:
        raise ValueError(f"the text has more than {MAX_MARKS} lines, links and signs of Markdown")
    if not marks:  # as in most comments: words and full stops
        return Body(source, f"<p>{source}</p>", source, (), fingerprint_text(source))
    body = _render_body(source, _MARKDOWN.render(source))
    if not body.text.strip():
        raise ValueError("the text shows nothing")
    return body


def clean_html(source: str) -> Body:
    """Sanitise HTML from another system; raise ValueError beyond the limits of `app.text.html`."""
    return _render_body(source, source)
