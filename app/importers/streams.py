"""Streaming XML files element by element: entities are not resolved, nothing is fetched, and errors have a position."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar, cast

from lxml import etree

from app.importers.characters import find_first_fault

Progress = Callable[[int], None]
"""Callback that gets the number of bytes read so far, up to the size of the file."""

T = TypeVar("T")
_CHUNK = 1 << 20


class BrokenFile(Exception):
    """A file that cannot be read as an export, with the position of the error.

    `line` and `column` count from 1; `offset` is the byte at which the line begins, or None if unknown.
    """

    def __init__(self, message: str, line: int, column: int, offset: int | None) -> None:
        where = f"line {line}, column {column}" + ("" if offset is None else f", in the line from byte {offset}")
        super().__init__(f"{where}: {message}")
        self.message, self.line, self.column, self.offset = message, line, column, offset
        self.file = ""  # the name of the file, set if there are several


class Unsuitable(Exception):
    """A file that is well-formed but of a wrong format."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class _LogEntry(NamedTuple):
    """An error of libxml2."""

    level_name: str
    message: str
    line: int
    column: int


class Elements(Protocol):
    """The elements of a file as they end, of which lxml has no types, and the errors that ended the parsing."""

    error_log: Iterable[_LogEntry]

    def __iter__(self) -> Iterator[tuple[str, etree._Element]]: ...


class _Metered:
    """A file that reports how much of it has been read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file, self._progress, self._count = file, progress, 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        if self._progress is not None:
            self._progress(self._count)
        return data


def stream(path: Path, progress: Progress | None, records: Callable[[Elements], Iterator[T]]) -> Iterator[T]:
    """Yield the records that `records` makes of the elements of a file; raise BrokenFile at an error."""
    with path.open("rb") as file:
        elements = _parse(_Metered(file, progress))
        try:
            yield from records(elements)
        except etree.XMLSyntaxError as error:
            line, column, message = _fault(elements, error)
            # libxml2 reports some of these only as a section that does not end.
            fault = find_first_fault(path)
            if fault is not None and fault.line <= line:
                line, column = fault.line, fault.column
                message = f"{fault.description} is not allowed in XML; --lenient repairs or removes such characters"
            raise BrokenFile(message, line, column, _line_start(path, line)) from error
        except Unsuitable as error:
            raise BrokenFile(str(error), error.line, 1, _line_start(path, error.line)) from None


def stream_all(
    files: Iterable[tuple[Path, str]], progress: Progress | None, read: Callable[[Path, Progress | None], Iterator[T]]
) -> Iterator[tuple[int, T]]:
    """Yield the records of several files, each with the index of its file; BrokenFile names the broken one."""
    done = 0
    for number, (path, name) in enumerate(files):
        size = path.stat().st_size
        try:
            for record in read(path, _shift_progress(done, progress)):
                yield number, record
        except BrokenFile as error:
            error.file = name
            raise
        done += size


def _shift_progress(done: int, progress: Progress | None) -> Progress | None:
    """Return a callback for one file that reports the progress in all files."""
    return None if progress is None else lambda count: progress(done + count)


def check_root(element: etree._Element, tag: str, system: str) -> etree._Element:
    """Return the root element; raise Unsuitable if it has another tag, or if there is a document type declaration."""
    tree = element.getroottree()
    if tree.docinfo.internalDTD is not None:
        raise Unsuitable(f"a document type declaration is not allowed; {system} writes none")
    root = tree.getroot()
    if root.tag != tag:
        name = tag.rpartition("}")[2]
        raise Unsuitable(f"not a {system} export: its root element is not {name}", line_of(root))
    return root


def line_of(element: etree._Element) -> int:
    """Return the line on which an element begins."""
    return cast("int | None", element.sourceline) or 1


def _fault(elements: Elements, error: etree.XMLSyntaxError) -> tuple[int, int, str]:
    """Return line, column and message of the first error; some exceptions have no position."""
    # An undeclared prefix ends the parsing too, although libxml2 does not count it as fatal.
    faults = [entry for level in ("FATAL", "ERROR") for entry in elements.error_log if entry.level_name == level]
    if not faults:
        return max(error.position[0], 1), max(error.position[1], 1), "the file is empty or has no elements"
    message = " ".join(faults[0].message.split())
    if re.search("too long|too big|size limit", message):
        message = "a single text is longer than 10 MB"
    else:
        message = f"not well-formed XML: {message}"
    return max(faults[0].line, 1), max(faults[0].column, 1), message


def _line_start(path: Path, line: int) -> int | None:
    """Return the offset in bytes of the start of a line, reading one chunk at a time."""
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


def _parse(source: _Metered) -> Elements:
    # Entities are never resolved, no DTD is loaded, nothing is fetched, and texts beyond 10 MB are an error.
    elements: Elements = etree.iterparse(
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
    return elements
