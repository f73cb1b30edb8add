"""What a reader wrote, made harmless: HTML of the `note` profile, plain text, links, and what repeats are known by."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

from app.kit.html import parse, plain_text, sanitise

MAX_NESTING: Final = 20
MAX_BRACKETS: Final = 500  # every bracket may begin a link, and is looked at again from every other
_MARKED: Final = re.compile(r"[&<>*_`\[\]\\~@]|[^\S ]|  |^[ #=+\-\d]| $|//|www\.")  # what Markdown may read


class _Markdown(MarkdownIt):
    """CommonMark as people write to each other: no HTML, headings or pictures, line breaks kept, addresses linked."""

    def __init__(self) -> None:
        options = {"html": False, "breaks": True, "linkify": True, "maxNesting": MAX_NESTING}
        super().__init__("commonmark", options)
        self.enable(["linkify", "strikethrough"])
        self.disable(["heading", "lheading", "image", "html_block", "html_inline", "reference"])
        if self.linkify is not None:
            self.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})


_MARKDOWN: Final = _Markdown()


@dataclass(frozen=True, slots=True)
class Body:
    """One comment's text in all its forms."""

    source: str
    html: str
    text: str
    links: tuple[str, ...]
    fingerprint: str


def fingerprint(text: str) -> str:
    """A hash of the words alone, so that case, spaces and punctuation do not make a text another one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(char for char in folded if char.isalnum()) or "".join(folded.split())
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def _body(source: str, html: str) -> Body:
    html = sanitise(html, "note").strip()
    links: tuple[str, ...] = ()
    if "href=" in html:
        found = (node.attributes.get("href") for node in parse(html, "note").css("a[href]"))
        links = tuple(href for href in found if href)
    text = plain_text(html, "note")
    return Body(source, html, text, links, fingerprint(text))


def from_markdown(source: str) -> Body:
    """Read what was posted; raises ValueError for what cannot be read in reasonable time or shows nothing."""
    if source.count("[") > MAX_BRACKETS or source.count("!") > 4 * MAX_BRACKETS:
        raise ValueError("the text has too many brackets")
    if not _MARKED.search(source):  # most of what people write: words and full stops
        return Body(source, f"<p>{source}</p>", source, (), fingerprint(source))
    body = _body(source, _MARKDOWN.render(source))
    if not body.text.strip():
        raise ValueError("the text shows nothing")
    return body


def from_html(source: str) -> Body:
    """Read what another system kept as HTML; raises ValueError beyond the bounds of `kit.html`."""
    return _body(source, source)
