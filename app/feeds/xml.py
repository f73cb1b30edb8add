"""XML written with lxml, without the characters that XML 1.0 does not allow."""

import re
from collections.abc import Iterable

from lxml import etree

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # all but XML 1.0 §2.2 Char


def drop_illegal(text: str) -> str:
    """Remove the characters that XML 1.0 cannot contain, not even escaped."""
    return _ILLEGAL.sub("", text)


def make_root(tag: str, namespaces: dict[str | None, str], **attributes: str) -> etree._Element:
    """Make the root element of a document that declares these namespaces by prefix."""
    return etree.Element(tag, attributes, nsmap=namespaces)  # type: ignore[arg-type]  # lxml-stubs: no default namespace


def add_child(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Add an element as the last child, without illegal characters. lxml finds these faster than we could."""
    try:
        child = etree.SubElement(parent, tag, attributes)
    except ValueError:
        child = etree.SubElement(parent, tag, {name: drop_illegal(value) for name, value in attributes.items()})
    if text:
        try:
            child.text = text
        except ValueError:
            child.text = drop_illegal(text)
    return child


def serialize(element: etree._Element) -> bytes:
    """Serialize a document as UTF-8, with an XML declaration."""
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def serialize_content(element: etree._Element) -> bytes:
    """Serialize the children of an element, for use inside of another one that declares the same namespaces."""
    outer = etree.tostring(element, encoding="UTF-8")
    return outer[outer.index(b">") + 1 : outer.rindex(b"</")]


def serialize_with(element: etree._Element, end_tags: bytes, parts: Iterable[bytes]) -> bytes:
    """Serialize a document with parts that are serialized already, inserted before the end tags at its end."""
    return b"".join([serialize(element).removesuffix(end_tags), *parts, end_tags])
