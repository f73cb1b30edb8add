"""XML files of any size, read element by element: nothing is resolved or fetched, and a broken one says where."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from lxml import etree

from app.importers.characters import first_fault

Progress = Callable[[int], None]
"""Is told the number of bytes read so far; ends at the size of the file."""

T = TypeVar("T")
_CHUNK = 1 << 20


class BrokenFile(Exception):
    """A file that cannot be read as an export, with the place where it breaks.

    `line` and `column` count from 1; `offset` is the byte at which that line begins, or None where no place is known.
    """

    def __init__(self, message: str, line: int, column: int, offset: int | None) -> None:
        where = f"line {line}, column {column}" + ("" if offset is None else f", in the line from byte {offset}")
        super().__init__(f"{where}: {message}")
        self.message, self.line, self.column, self.offset = message, line, column, offset
        self.file = ""  # its name, where one of several broke


class Unsuitable(Exception):
    """Well-formed so far, but not what a reader is for."""

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


def stream(path: Path, progress: Progress | None, records: Callable[[Any], Iterator[T]]) -> Iterator[T]:
    """Yield what `records` makes of the elements of a file as they end; raise BrokenFile where the file breaks."""
    with path.open("rb") as file:
        elements = _elements(_Metered(file, progress))
        try:
            yield from records(elements)
        except etree.XMLSyntaxError as error:
            line, column, message = _fault(elements, error)
            # libxml2 says of some of these only that a section does not end.
            fault = first_fault(path)
            if fault is not None and fault.line <= line:
                line, column = fault.line, fault.column
                message = f"{fault.what} is not allowed in XML; --lenient repairs or leaves out such"
            raise BrokenFile(message, line, column, _line_start(path, line)) from error
        except Unsuitable as error:
            raise BrokenFile(str(error), error.line, 1, _line_start(path, error.line)) from None


def stream_all(
    files: Iterable[tuple[Path, str]], progress: Progress | None, read: Callable[[Path, Progress | None], Iterator[T]]
) -> Iterator[tuple[int, T]]:
    """Yield the records of several files with the number of the file; BrokenFile names the one that breaks."""
    done = 0
    for number, (path, name) in enumerate(files):
        size = path.stat().st_size
        try:
            for record in read(path, _after(done, progress)):
                yield number, record
        except BrokenFile as error:
            error.file = name
            raise
        done += size


def _after(done: int, progress: Progress | None) -> Progress | None:
    """Progress in one file, told as that in all of them."""
    return None if progress is None else lambda count: progress(done + count)


def checked_root(element: etree._Element, tag: str, system: str) -> etree._Element:
    """The outermost element, which must be the one that the system writes; it writes no document type either."""
    tree = element.getroottree()
    if tree.docinfo.internalDTD is not None:
        raise Unsuitable(f"a document type declaration is not allowed; {system} writes none")
    root = tree.getroot()
    if root.tag != tag:
        name = tag.rpartition("}")[2]
        raise Unsuitable(f"not a {system} export: its outermost element is not {name}", line_of(root))
    return root


def line_of(element: Any) -> int:
    """The line on which an element begins."""
    return int(element.sourceline or 1)


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
