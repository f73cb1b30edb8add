"""XML on lxml, where no character can get in that XML 1.0 does not have."""

import re
from collections.abc import Iterable

from lxml import etree

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # all but XML 1.0 §2.2 Char


def legal(text: str) -> str:
    """The text without what XML 1.0 has no way to write."""
    return _ILLEGAL.sub("", text)


def root(tag: str, spaces: dict[str | None, str], **attributes: str) -> etree._Element:
    """A root element with the namespaces of its document."""
    return etree.Element(tag, attributes, nsmap=spaces)  # type: ignore[arg-type]  # the stubs know no default namespace


def add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """A new last child. lxml refuses illegal characters and looks for them faster than we could."""
    try:
        child = etree.SubElement(parent, tag, attributes)
    except ValueError:
        child = etree.SubElement(parent, tag, {name: legal(value) for name, value in attributes.items()})
    if text:
        try:
            child.text = text
        except ValueError:
            child.text = legal(text)
    return child


def written(element: etree._Element) -> bytes:
    """The document as UTF-8."""
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def inside(element: etree._Element) -> bytes:
    """What is in an element, to stand in another one that has the same namespaces."""
    whole = etree.tostring(element, encoding="UTF-8")
    return whole[whole.index(b">") + 1 : whole.rindex(b"</")]


def filled(element: etree._Element, last: bytes, parts: Iterable[bytes]) -> bytes:
    """The document with parts that are written already, before the tags that `last` names at its end."""
    return b"".join([written(element).removesuffix(last), *parts, last])
