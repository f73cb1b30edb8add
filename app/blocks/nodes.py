"""Attributes of parsed HTML elements."""

import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from selectolax.lexbor import LexborNode

from app.blocks.schemas import Direction
from app.text.html import DROPPED_TAGS

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


class LanguageSetting(NamedTuple):
    """The language and direction of an element."""

    lang: str | None
    dir: Direction | None


def iter_children(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the children of an element."""
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def find_attribute(node: LexborNode, name: str) -> str | None:
    """Return an attribute unchanged."""
    return node.attributes.get(name)


def parse_number(value: str | None, limit: int) -> int | None:
    """Parse a whole number at the beginning of an attribute, at most `limit`."""
    match = re.match(r"\s*([0-9]{1,9})(?![0-9])", value or "")
    return min(int(match[1]), limit) if match else None


def read_language(node: LexborNode) -> LanguageSetting:
    """Return the language and direction of an element, if valid."""
    lang, direction = find_attribute(node, "lang") or "", (find_attribute(node, "dir") or "").lower()
    return LanguageSetting(
        lang if _LANGUAGE_TAG.fullmatch(lang) else None,
        cast(Direction, direction) if direction in {"ltr", "rtl", "auto"} else None,
    )


def find_only_link(node: LexborNode) -> LexborNode | None:
    """Return the link that is the only content of an element, apart from brackets around it."""
    links = [child for child in iter_children(node) if child.is_element_node]
    around = "".join(child.text_content or "" for child in iter_children(node) if child.is_text_node)
    return links[0] if len(links) == 1 and links[0].tag == "a" and not around.strip(" \n\t[]()") else None


def iter_definition_parts(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the children of a definition list, including those of groups."""
    for child in iter_children(node):
        if child.tag == "div":
            yield from iter_definition_parts(child)
        elif child.is_element_node or child.is_text_node:
            yield child


def read_task_state(node: LexborNode) -> bool | None:
    """Return whether the task of a list item is done; None if it is no task."""
    child = node.first_child if node.tag == "li" else None
    while child is not None:
        if child.is_element_node and child.tag in {"p", "label"}:
            child = child.first_child
            continue
        if child.is_element_node:
            is_box = child.tag == "input" and (child.attributes.get("type") or "").lower() == "checkbox"
            return "checked" in child.attributes if is_box else None
        if child.is_text_node and (child.text_content or "").strip():
            return None
        child = child.next
    return None


def is_task_box(node: LexborNode) -> bool:
    """Tell whether an element is the checkbox of a task."""
    above = node.parent
    while above is not None and above.tag in {"p", "label"}:
        above = above.parent
    return node.tag == "input" and above is not None and read_task_state(above) is not None


def iter_raw_text(node: LexborNode) -> Iterator[str]:
    """Yield the text of preformatted content."""
    for child in iter_children(node):
        if child.is_text_node:
            yield child.text_content or ""
        elif child.tag == "br":
            yield "\n"
        elif child.is_element_node and child.tag not in DROPPED_TAGS:
            yield from iter_raw_text(child)


def has_ruby_parentheses(node: LexborNode) -> bool:
    """Tell whether a ruby annotation has explicit parentheses (HTML §4.5.12)."""
    parent = node.parent
    return parent is not None and any(child.tag == "rp" for child in iter_children(parent))
