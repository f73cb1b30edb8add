"""A streaming reader of WordPress eXtended RSS (WXR 1.0, 1.1 and 1.2) whose memory does not grow with the file."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from lxml import etree

from app.importers.wordpress.elements import MAKERS, Fields, field_name, site, text
from app.importers.wordpress.records import Author, Category, Contents, Item, Record, Site, Tag, Term

Progress = Callable[[int], None]
"""Is told the number of bytes read so far; ends at the size of the file."""

VERSIONS: Final = ("1.0", "1.1", "1.2")

_CHUNK = 1 << 20


class BrokenFile(Exception):
    """A file that cannot be read as a WordPress export, with the place where it breaks.

    `line` and `column` count from 1; `offset` is the byte at which that line begins, or None where no place is known.
    """

    def __init__(self, message: str, line: int, column: int, offset: int | None) -> None:
        where = f"line {line}, column {column}" + ("" if offset is None else f", in the line from byte {offset}")
        super().__init__(f"{where}: {message}")
        self.message, self.line, self.column, self.offset = message, line, column, offset


class _Unsuitable(Exception):
    """Well-formed so far, but not what this reader is for."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class _Metered:
    """A file that tells how much of it has been read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file, self._progress, self._count = file, progress, 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        if self._progress is not None:
            self._progress(self._count)
        return data


def check(path: Path, progress: Progress | None = None) -> Contents:
    """Read the whole file once and count what it holds, so that a broken one is refused before anything is written.

    Raises BrokenFile when it is not well-formed XML, has a document type declaration, or is no WordPress export.
    """
    kinds: Counter[type[Record]] = Counter()
    items: Counter[str] = Counter()
    version, comments = "", 0
    for record in read(path, progress):
        kinds[type(record)] += 1
        if isinstance(record, Item):
            items[record.type] += 1
            comments += len(record.comments)
        elif isinstance(record, Site):
            version = record.version
    return Contents(
        version=version,
        authors=kinds[Author],
        categories=kinds[Category],
        tags=kinds[Tag],
        terms=kinds[Term],
        items=dict(items),
        comments=comments,
    )


def read(path: Path, progress: Progress | None = None) -> Iterator[Record]:
    """Yield the records of a WXR file in its order, the site first; only one of them is in memory at a time.

    What an item refers to (parent, featured image, gallery) may come after it. Raises BrokenFile where `check` does,
    after having yielded what stands before the break.
    """
    with path.open("rb") as file:
        elements = _elements(_Metered(file, progress))
        try:
            yield from _records(elements)
        except etree.XMLSyntaxError as error:
            line, column, message = _fault(elements, error)
            raise BrokenFile(message, line, column, _line_start(path, line)) from error
        except _Unsuitable as error:
            raise BrokenFile(str(error), error.line, 1, _line_start(path, error.line)) from None


def _fault(elements: Any, error: etree.XMLSyntaxError) -> tuple[int, int, str]:
    """Give line, column and message of the first error; the exception itself names no place for some of them."""
    # An undeclared prefix ends the reading too, but libxml2 does not call it fatal.
    faults = [entry for level in ("FATAL", "ERROR") for entry in elements.error_log if entry.level_name == level]
    if not faults:
        return max(error.position[0], 1), max(error.position[1], 1), "the file is empty or has no element"
    message = " ".join(faults[0].message.split())
    if re.search("too long|too big|size limit", message):
        message = "a single text is longer than 10 MB"
    else:
        message = f"not well-formed XML: {message}"
    return max(faults[0].line, 1), max(faults[0].column, 1), message


def _line_start(path: Path, line: int) -> int | None:
    """Give the offset in bytes of the start of a line, reading no more than one chunk at a time."""
    before, position = line - 1, 0
    with path.open("rb") as file:
        while before > 0:
            chunk = file.read(_CHUNK)
            breaks = chunk.count(b"\n")
            if not chunk:
                return None
            if breaks < before:
                before -= breaks
                position += len(chunk)
                continue
            at = -1
            for _ in range(before):
                at = chunk.index(b"\n", at + 1)
            return position + at + 1
    return position


def _elements(source: _Metered) -> Any:
    # Entities are never resolved, no DTD is loaded, nothing is fetched, and texts beyond 10 MB are an error.
    return etree.iterparse(
        source,
        events=("end",),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _records(elements: Any) -> Iterator[Record]:
    root: etree._Element | None = None
    head: Fields = {}
    found: Site | None = None
    for _, element in elements:
        if root is None:
            root = _checked_root(element)
        channel = element.getparent()
        if channel is None or channel.tag != "channel" or channel.getparent() is not root:
            continue
        key = field_name(element.tag)
        if make := MAKERS.get(key):
            if found is None:
                found = _checked_site(head, _line(element))
                yield found
            yield make(element)
        elif found is None:
            head.setdefault(key, text(element))
        # The tree is what grows: drop all that stands before what has just been read.
        while element.getprevious() is not None:
            del channel[0]
    if found is None:
        yield _checked_site(head, 1)


def _checked_site(head: Fields, line: int) -> Site:
    found = site(head)
    if not found.version:
        raise _Unsuitable("not a WordPress export: it has no wp:wxr_version", line)
    if found.version not in VERSIONS:
        raise _Unsuitable(f"WXR version {found.version[:20]} is not supported; {', '.join(VERSIONS)} are", line)
    return found


def _checked_root(element: etree._Element) -> etree._Element:
    tree = element.getroottree()
    if tree.docinfo.internalDTD is not None:
        raise _Unsuitable("a document type declaration is not allowed; WordPress writes none")
    root = tree.getroot()
    if root.tag != "rss":
        raise _Unsuitable("not a WordPress export: its outermost element is not rss", _line(root))
    return root


def _line(element: Any) -> int:
    return int(element.sourceline or 1)
