"""The marks of the block editor, `<!-- wp:name {"attribute": …} -->`, and what they say that the HTML does not."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final, NamedTuple

from app.importers.wordpress.shortcodes import Library, embed

_MAX_REUSED = 100
# A comment without an end hides all that follows, in browsers too; it is taken as one token and left alone.
_COMMENT = re.compile(r"<!--(?P<text>.*?)(?P<end>-->|\Z)", re.DOTALL)
_BLOCK = re.compile(
    r"\s*(?P<close>/)?wp:(?P<name>[a-z0-9/_-]+?)\s*+(?P<attributes>\{.*\})?+\s*+(?P<void>/)?\s*+", re.DOTALL
)
_SILENT_BLOCKS: Final = frozenset({"more", "nextpage", "spacer"})
_REFERENCE = re.compile(r"\bdata-fn\s*=")
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,40}")
_LIST_TYPES: Final = {
    "decimal": "1",
    "lower-alpha": "a",
    "lower-roman": "i",
    "upper-alpha": "A",
    "upper-roman": "I",
}


class _Addition(NamedTuple):
    """Attributes that the next tag of a kind is to get, unless it has them."""

    tag: str
    values: dict[str, str | None]


def without_marks(text: str, library: Library, warnings: list[str]) -> str:
    """Take out all comments, among them the marks of blocks, and put in what blocks without HTML refer to."""
    return _Marks(library, warnings).strip(text)


class _Marks:
    """One body on its way to plain HTML."""

    def __init__(self, library: Library, warnings: list[str]) -> None:
        self._library, self._warnings = library, warnings
        self._reused = 0
        self._shows_footnotes = False

    def strip(self, text: str) -> str:
        html = "".join(self._pieces(text, frozenset()))
        if not self._shows_footnotes and _REFERENCE.search(html):
            html += "\n\n" + self._footnotes()
        return html

    def _pieces(self, text: str, ancestors: frozenset[int]) -> Iterator[str]:
        position, addition = 0, None
        for comment in _COMMENT.finditer(text):
            yield _with_attributes(text[position : comment.start()], addition)
            position, addition = comment.end(), None
            if not comment["end"]:
                yield comment.group()
            elif comment["text"].strip() == "nextpage":
                yield "\n\n"
            elif (block := _BLOCK.fullmatch(comment["text"])) and not block["close"]:
                name, attributes = block["name"].removeprefix("core/"), _json(block["attributes"])
                if not block["void"]:
                    addition = _addition(name, attributes)
                    continue
                number = attributes.get("ref")
                content = self._library.reusable(number) if name == "block" and isinstance(number, int) else None
                is_new = isinstance(number, int) and number not in ancestors and self._reused < _MAX_REUSED
                if isinstance(number, int) and content is not None and is_new:
                    self._reused += 1
                    yield from self._pieces(content, ancestors | {number})
                elif name == "footnotes":
                    yield self._footnotes()
                else:
                    yield _filled(name, attributes, self._warnings)
        yield _with_attributes(text[position:], addition)

    def _footnotes(self) -> str:
        """Give the list of notes as WordPress renders it; once, as the notes belong to the article."""
        if self._shows_footnotes:
            return ""
        self._shows_footnotes = True
        items = [
            f'<li id="{escape(name)}">{text} <a href="#{escape(name)}-link" aria-label="Back to the text">↩︎</a></li>'
            for name, text in _notes(self._library.footnotes)
        ]
        if not items:
            self._warnings.append("block footnotes has no content of its own and is left out")
            return ""
        return f'<ol class="wp-block-footnotes">{"".join(items)}</ol>'


def _notes(source: str) -> Iterator[tuple[str, str]]:
    """Read the notes of an article from its custom field, an array of objects with id and content (HTML)."""
    try:
        listed = json.loads(source or "[]")
    except (ValueError, RecursionError):
        return
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("content"), str):
            yield entry["id"], entry["content"]


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _addition(name: str, attributes: dict[str, Any]) -> _Addition | None:
    """Find what the mark of a block says about the element that follows it."""
    if name == "list" and attributes.get("ordered"):
        values: dict[str, str | None] = {}
        if isinstance(attributes.get("start"), int):
            values["start"] = str(attributes["start"])
        if attributes.get("reversed") is True:
            values["reversed"] = None
        if kind := _LIST_TYPES.get(str(attributes.get("type", ""))):
            values["type"] = kind
        return _Addition("ol", values) if values else None
    language = attributes.get("language") or attributes.get("lang")
    if isinstance(language, str) and _LANGUAGE.fullmatch(language) and language not in {"plain", "plaintext", "text"}:
        return _Addition("pre", {"data-language": language})
    return None


def _with_attributes(html: str, addition: _Addition | None) -> str:
    """Add attributes to the first tag of the kind that was announced."""
    if addition is None:
        return html
    tag = re.search(rf"<{addition.tag}\b(?P<rest>[^<>]*)", html, re.IGNORECASE)
    if tag is None:
        return html
    present = {name.lower() for name in re.findall(r"([\w-]+)\s*(?:=|(?=\s)|$)", tag["rest"])}
    added = "".join(
        f" {name}" if value is None else f' {name}="{escape(value)}"'
        for name, value in addition.values.items()
        if name not in present
    )
    at = tag.start("rest")
    return html[:at] + added + html[at:]


def _filled(name: str, attributes: dict[str, Any], warnings: list[str]) -> str:
    """Give what a block without HTML shows of itself: an embedded address or a labelled link; warn if nothing."""
    url, label = attributes.get("url"), attributes.get("label")
    if isinstance(url, str) and re.match("https?://", url):
        if "embed" in name:
            return embed(url)
        if isinstance(label, str) and label.strip():
            return f'<p><a href="{escape(url)}">{label}</a></p>'
    if name not in _SILENT_BLOCKS:
        warnings.append(f"block {name} has no content of its own and is left out")
    return ""
