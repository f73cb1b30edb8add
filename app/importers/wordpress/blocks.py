"""Block delimiters of the WordPress editor, `<!-- wp:name {"attribute": …} -->`, and what their attributes add."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Final, NamedTuple

from app.db.rows import JsonObject
from app.importers.wordpress.shortcodes import Library, render_embed

_MAX_REUSED = 100  # reusable blocks per body
# A comment without an end hides everything after it, as in browsers; it is one token, which is kept.
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
    """Attributes to add to the next tag of a name, unless it has them."""

    tag: str
    values: dict[str, str | None]


def strip_delimiters(text: str, library: Library, warnings: list[str]) -> str:
    """Remove all comments, including block delimiters, and insert the content that blocks without HTML refer to."""
    return _Stripper(library, warnings).strip(text)


class _Stripper:
    """Strips the comments of one body."""

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
                name, attributes = block["name"].removeprefix("core/"), _parse_object(block["attributes"])
                if not block["void"]:
                    addition = _find_addition(name, attributes)
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
                    yield _render_empty_block(name, attributes, self._warnings)
        yield _with_attributes(text[position:], addition)

    def _footnotes(self) -> str:
        """Render the list of footnotes as WordPress does; only once, as they belong to the article."""
        if self._shows_footnotes:
            return ""
        self._shows_footnotes = True
        items = [
            f'<li id="{escape(name)}">{text} <a href="#{escape(name)}-link" aria-label="Back to the text">↩︎</a></li>'
            for name, text in _parse_footnotes(self._library.footnotes)
        ]
        if not items:
            self._warnings.append("block footnotes has no content of its own and is removed")
            return ""
        return f'<ol class="wp-block-footnotes">{"".join(items)}</ol>'


def _parse_footnotes(source: str) -> Iterator[tuple[str, str]]:
    """Parse the custom field `footnotes`: an array of objects with `id` and `content` (HTML)."""
    try:
        listed = json.loads(source or "[]")
    except (ValueError, RecursionError):
        return
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and isinstance(entry.get("content"), str):
            yield entry["id"], entry["content"]


def _parse_object(text: str | None) -> JsonObject:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _find_addition(name: str, attributes: JsonObject) -> _Addition | None:
    """Return the attributes that a delimiter adds to the element after it."""
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
    """Add the attributes to the first tag of their name."""
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


def _render_empty_block(name: str, attributes: JsonObject, warnings: list[str]) -> str:
    """Render a block without HTML from its attributes: an embed or a link; warn if there is nothing to show."""
    url, label = attributes.get("url"), attributes.get("label")
    if isinstance(url, str) and re.match("https?://", url):
        if "embed" in name:
            return render_embed(url)
        if isinstance(label, str) and label.strip():
            return f'<p><a href="{escape(url)}">{label}</a></p>'
    if name not in _SILENT_BLOCKS:
        warnings.append(f"block {name} has no content of its own and is removed")
    return ""
