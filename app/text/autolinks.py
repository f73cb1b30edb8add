"""Autolinks for bare URLs in Markdown, in linear time."""

import re
import unicodedata
from typing import Final

from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

MAX_URL_LENGTH: Final = 2048  # characters of a URL that becomes a link
_SCHEME: Final = re.compile(r"(?:^|[^a-z0-9.+-])(https?|ftp)$", re.IGNORECASE)
_INSIDE_WORDS: Final = frozenset("\u00b7\u0387\u05be\u05f3\u05f4\u0f0b\u2010\u2011\u2012\u2013\u203f\u2040\u30fb")
"""Non-ASCII punctuation that occurs inside words, and therefore inside URLs."""


def _ends_address(char: str) -> bool:
    """Tell whether a character ends a URL: quotation marks, brackets, stops and long dashes of any script do."""
    return unicodedata.category(char)[0] in "PZ" and char not in _INSIDE_WORDS


def _as_ranges(chars: list[str]) -> str:
    """Join sorted characters to the ranges of a character class."""
    ranges: list[list[str]] = []
    for char in chars:
        if ranges and ord(char) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = char
        else:
            ranges.append([char, char])
    return "".join(first if first == last else f"{first}-{last}" for first, last in ranges)


_CLOSING: Final = _as_ranges([char for char in map(chr, range(0x80, 0x10000)) if _ends_address(char)])
_END: Final = re.compile(rf"[\s<>\"{_CLOSING}]")


class _BoundedLinkify:
    """Bounds the search for a URL: the library's patterns would search the whole text for each candidate."""

    def __init__(self, linkify: LinkifyIt) -> None:
        self._test = linkify.test_schema_at
        self._searched: tuple[str, int, int] = ("", 0, 0)  # a text, and a range of it in which no URL ends

    def _end(self, text: str, position: int) -> int:
        searched, since, end = self._searched
        if searched is not text or not since <= position <= end:
            match = _END.search(text, position)
            end = match.start() if match else len(text)
            self._searched = text, position, end
        return end

    def test_schema_at(self, text: str, name: str, position: int) -> int:
        """Return the length of a URL after its scheme, 0 for none; it depends on the characters before, too."""
        start, end = max(0, position - 3), self._end(text, position)
        if end - position > MAX_URL_LENGTH:
            return 0
        return int(self._test(text[start:end], name, position - start) or 0)


def _link_address(state: StateInline, silent: bool) -> bool:
    """Make a link of a URL at its `://`, before its characters are parsed as emphasis."""
    if state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = _SCHEME.search(state.pending[-6:])
    if scheme is None or state.md.linkify is None:
        return False
    length = state.md.linkify.test_schema_at(state.src, f"{scheme[1]}:", state.pos + 1)
    address = f"{scheme[1]}{state.src[state.pos : state.pos + 1 + length]}".rstrip("*")
    href = state.md.normalizeLink(address)
    if not length or not state.md.validateLink(href):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[1])]
        opening = state.push("link_open", "a", 1)
        opening.attrs, opening.markup, opening.info = {"href": href}, "linkify", "auto"
        state.push("text", "", 0).content = state.md.normalizeLinkText(address)
        closing = state.push("link_close", "a", -1)
        closing.markup, closing.info = "linkify", "auto"
    state.pos += len(address) - len(scheme[1])
    return True


def enable_autolinks(markdown: MarkdownIt, *, without: str | None = None) -> None:
    """Enable autolinks for bare `http`, `https`, `ftp` and `mailto` URLs, but not for words that contain a dot.

    URLs that begin with `without` are not linked either.
    """
    linkify = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    if without is not None:
        linkify.add(without, None)
    linkify.test_schema_at = _BoundedLinkify(linkify).test_schema_at
    markdown.linkify = linkify
    markdown.options["linkify"] = True
    markdown.core.ruler.enable("linkify")
    markdown.inline.ruler.at("linkify", _link_address)
    markdown.inline.ruler.enable("linkify")
