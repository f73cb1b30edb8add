"""State of reading one source: its anchors and footnotes, dropped elements, and limits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from selectolax.lexbor import LexborNode

from app.text.inputs import scrub_text

MAX_NEAR: Final = 80
# Every container repeats the text of its contents.
MAX_VOLUME: Final = 5_000_000
MAX_PARTS: Final = 30_000  # list items, cells, quotes and other containers
Reason = Literal["unsupported", "address", "data_image"]
_ANCHOR = re.compile(r"\w[\w:.-]{0,99}")
_UNSAFE = re.compile(r"[^\w:.-]+")
# Names that scripts of a page may look up on `window` or `document`.
_RESERVED_NAMES: Final = frozenset(
    "attributes body children cookie defaultview document documentelement domain firstchild form forms frames head "
    "history images implementation innerhtml lastchild links location name nodename nodetype opener origin "
    "ownerdocument parent parentnode scripts self submit textcontent title top window".split()
)
_CAMEL = re.compile(r"[a-z]+[A-Z]\w*", re.ASCII)
_BACK: Final = frozenset("↩︎ ↩ ↑ ^ ⏎ ↵ ⤴ back".split())
_NOTES = "footnotes"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Elements that were dropped from a text."""

    element: str
    count: int
    near: str
    reason: Reason


class _Note(NamedTuple):
    id: str
    number: int


def make_anchor_name(value: str) -> str | None:
    """Make a name that is safe as an id and in a URL; None if nothing is left."""
    name = _UNSAFE.sub("-", scrub_text(value).strip()).lstrip("-:.")[:100]
    if not _ANCHOR.fullmatch(name):
        return None
    return f"a-{name}"[:100] if name.lower() in _RESERVED_NAMES or _CAMEL.fullmatch(name) else name


def _words(node: LexborNode, name: str) -> list[str]:
    return (node.attributes.get(name) or "").split()


def has_footnotes(node: LexborNode) -> bool:
    """Tell whether an element is or contains the footnotes of a text, as common editors and converters write them."""
    return (
        "data-footnotes" in node.attributes
        or "doc-endnotes" in _words(node, "role")
        or any(name == _NOTES or name.endswith(f"-{_NOTES}") for name in _words(node, "class"))
    )


@dataclass
class Context:
    """The state of reading one source."""

    anchors: dict[str, str] = field(default_factory=dict)
    notes: dict[str, _Note] = field(default_factory=dict)
    lists_of_notes: set[int] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    volume: int = 0
    parts: int = 0
    _dropped: dict[tuple[str, Reason], tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: LexborNode) -> "Context":
        """Find all link targets before anything is read."""
        context = cls()
        taken: set[str] = set()
        for entries in root.css("ol"):
            if has_footnotes(entries) or (
                (parent := entries.parent) is not None
                and parent.tag in {"section", "div", "aside", "footer", "li"}
                and has_footnotes(parent)
            ):
                context._add_notes(entries, taken)
        for node in root.css("[id], a[name]"):
            for raw in (node.attributes.get("id"), node.attributes.get("name") if node.tag == "a" else None):
                if not raw or raw in context.notes or raw in context.anchors:
                    continue
                name = make_anchor_name(raw)
                while name and name in taken:
                    name = f"{name[:97]}-2" if len(name) < 98 else None
                if name:
                    taken.add(name)
                    context.anchors[raw] = name
        return context

    def _add_notes(self, entries: LexborNode, taken: set[str]) -> None:
        self.lists_of_notes.add(entries.mem_id)
        number = 0
        child = entries.first_child
        while child is not None:
            if child.tag == "li":
                number += 1
                raw = child.attributes.get("id") or f"note-{number}"
                name = make_anchor_name(raw) or f"note-{number}"
                if raw not in self.notes and name not in taken:
                    taken.add(name)
                    self.notes[raw] = _Note(name, number)
            child = child.next

    def claim(self, node: LexborNode) -> Iterator[str]:
        """Yield the anchors of an element that were not used before in the text."""
        for raw in (node.attributes.get("id"), node.attributes.get("name") if node.tag == "a" else None):
            name = self.anchors.get(raw or "")
            if name and name not in self.claimed:
                self.claimed.add(name)
                yield name

    def target(self, href: str) -> str:
        """Replace the fragment of a link by the name of its target."""
        if not href.startswith("#"):
            return href
        name = self.anchors.get(href[1:]) or self.anchors.get(unquote(href[1:]))
        return f"#{name}" if name else href

    def note(self, href: str | None) -> _Note | None:
        """Find the note to which a link refers."""
        if not href or not href.startswith("#"):
            return None
        return self.notes.get(href[1:]) or self.notes.get(unquote(href[1:]))

    def count(self, text: str) -> None:
        """Count the text of a container; raise ValueError if there is too much."""
        self.volume += len(text)
        if self.volume > MAX_VOLUME:
            raise ValueError("the HTML is nested too deeply")

    def count_part(self) -> None:
        """Count a container; raise ValueError if there are too many."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise ValueError(f"the body has more than {MAX_PARTS} entries, cells and other containers")

    def drop(self, element: str, near: str, reason: Reason = "unsupported") -> None:
        """Record a dropped element, and the place of the first one."""
        count, first = self._dropped.get((element, reason), (0, ""))
        self._dropped[element, reason] = (count + 1, first or near)

    def has_dropped(self, element: str) -> bool:
        """Tell whether an element of this name was dropped before."""
        return (element, "unsupported") in self._dropped

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """The dropped elements, each kind once."""
        return tuple(
            Dropped(element, count, near, reason) for (element, reason), (count, near) in self._dropped.items()
        )


def is_back_link(node: LexborNode) -> bool:
    """Tell whether a link leads from a footnote back to the text."""
    href = node.attributes.get("href") or ""
    if not href.startswith("#"):
        return False
    marked = "data-footnote-backref" in node.attributes or "doc-backlink" in _words(node, "role")
    named = any("backref" in name or "footnote-back" in name for name in _words(node, "class"))
    return marked or named or node.text().strip().strip("\ufe0e\ufe0f").lower() in _BACK
