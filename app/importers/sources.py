"""Opening export files: decompression, repair of forbidden characters, and recognition of unsupported formats."""

import gzip
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple

from app.importers.characters import Fault, UnknownEncoding, repair_xml

MAX_FILES: Final = 1000  # per archive
MAX_UNPACKED: Final = 20_000_000_000  # bytes of all files together
FREE_UNPACKED: Final = 100_000_000  # bytes that may be unpacked whatever the compression ratio
MAX_RATIO: Final = 200  # compression ratio beyond `FREE_UNPACKED`; that of XML is about 10, rarely 50
MAX_LISTED_REPAIRS: Final = 20  # repairs that are listed one by one
_CHUNK: Final = 1 << 20
_HEAD: Final = 4096
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_SUPPORTED = "supported are WordPress exports (XML) and Disqus exports (XML), also as .gz or .zip"
_DECLARATION = re.compile(r"""^(\s*<\?xml[^>]*?)\s+encoding\s*=\s*["'][^"']*["']""")
_FORMATS: Final = (
    (re.compile(rb'^\s*[{\[].*"(?:db|exported_on|mobiledoc|lexical|posts_tags)"', re.DOTALL), "a Ghost export (JSON)"),
    (re.compile(rb"^\s*[{\[]"), "JSON"),
    (re.compile(rb"^(?:\xef\xbb\xbf)?\"?post_id\"?,\"?post_date\"?,"), "a Substack export (CSV)"),
    (re.compile(rb"^(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)\b", re.IGNORECASE), "a web page (HTML)"),
    (re.compile(rb"<feed\b[^>]*http://www\.w3\.org/2005/Atom.*blogger", re.DOTALL | re.IGNORECASE), "a Blogger export"),
    (re.compile(rb"^(?:/\*|--).*(?:MySQL|MariaDB|phpMyAdmin|PostgreSQL)", re.IGNORECASE), "a database dump (SQL)"),
    (re.compile(rb"^(?:AUTHOR|TITLE|BASENAME): "), "a Movable Type export"),
    (
        re.compile(rb"^BZh|^\xfd7zXZ\x00|^7z\xbc\xaf|^Rar!|^\x28\xb5\x2f\xfd"),
        "compressed in an unsupported way",
    ),
    (re.compile(rb"^.{257}ustar", re.DOTALL), "a tar archive; unpack it and import the XML files in it"),
    (re.compile(rb"^%PDF|^\x89PNG|^\xff\xd8\xff|^GIF8|^\xd0\xcf\x11\xe0"), "a document or picture"),
    (re.compile(rb"^(?:\xef\xbb\xbf)?[\w \"-]+(?:[,;\t][\w \"-]+){2,}\r?\n"), "a table (CSV)"),
)
_OTHERS: Final = (
    (re.compile(rb"<disqus\b"), "wordpress", "a Disqus export; use `import disqus`"),
    (re.compile(rb"<rss\b.*wordpress\.org/export", re.DOTALL), "disqus", "a WordPress export; use `import wordpress`"),
)


class UnsupportedFile(Exception):
    """A file that cannot be imported; the message says what it is. `file` is its name."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(message)
        self.file = file


class ExportFile(NamedTuple):
    """A plain XML file and the name to show for it."""

    path: Path
    name: str


@dataclass
class Exports:
    """The files of one export in the given order, and notes about their repair."""

    files: list[ExportFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextmanager
def open_exports(paths: Sequence[Path], system: str, *, lenient: bool = False) -> Iterator[Exports]:
    """Decompress the files of an export, and with `lenient` repair forbidden characters. Copies are deleted at the end.

    Raise UnsupportedFile for files that are no export of `system`, which is `wordpress` or `disqus`.
    """
    with tempfile.TemporaryDirectory(prefix="broadsheet-import-") as folder:
        opening = _Opening(Path(folder), system)
        for path in paths:
            opening.open(path, path.name)
        if lenient:
            opening.repair()
        yield opening.exports


class _Opening:
    def __init__(self, folder: Path, system: str) -> None:
        self._folder, self._system = folder, system
        self._packed, self._unpacked, self._count = 0, 0, 0
        self.exports = Exports()

    def open(self, path: Path, name: str, depth: int = 0) -> None:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        self._packed += 0 if depth else path.stat().st_size
        if depth < 2 and head.startswith(_GZIP):
            with gzip.open(path) as packed:
                self.open(self._unpack(packed, name), name.removesuffix(".gz"), depth + 1)
        elif depth < 2 and head.startswith(_ZIP):
            self._open_zip(path, name, depth)
        else:
            if form := describe(head, self._system):
                raise UnsupportedFile(name, f"it is {form}" + ("" if "import " in form else f"; {_SUPPORTED}"))
            self.exports.files.append(ExportFile(path, name))

    def _open_zip(self, path: Path, name: str, depth: int) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
                entries = [entry for entry in entries if not entry.filename.startswith("__MACOSX/")]
                if len(entries) > MAX_FILES:
                    raise UnsupportedFile(name, f"it holds more than {MAX_FILES:,} files")
                xml_files = [e for e in entries if re.search(r"\.(?:xml|wxr)(?:\.gz)?$", e.filename, re.IGNORECASE)]
                if not xml_files:
                    raise UnsupportedFile(name, f"it is {_describe_zip(entries)}; {_SUPPORTED}")
                for entry in sorted(xml_files, key=lambda entry: entry.filename):
                    if entry.flag_bits & 1:
                        raise UnsupportedFile(name, "it is encrypted")
                    inner = f"{name}/{PurePosixPath(entry.filename).name}"
                    with archive.open(entry) as packed:
                        copy = self._unpack(packed, inner)
                    self.open(copy, inner, depth + 1)
                if left := len(entries) - len(xml_files):
                    self.exports.notes.append(f"{name}: {left:,} other files of the archive are ignored")
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise UnsupportedFile(name, "the archive is damaged or compressed in an unknown way") from error

    def _unpack(self, packed: "gzip.GzipFile | IO[bytes]", name: str) -> Path:
        """Write an unpacked copy; raise UnsupportedFile for decompression bombs."""
        copy = self._new()
        try:
            with copy.open("wb") as target:
                while data := packed.read(_CHUNK):
                    self._unpacked += len(data)
                    if self._unpacked > min(MAX_UNPACKED, max(FREE_UNPACKED, MAX_RATIO * self._packed)):
                        raise UnsupportedFile(name, "it expands too much; unpack it yourself")
                    target.write(data)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UnsupportedFile(name, "the compressed file is damaged or the disk is full") from error
        return copy

    def _new(self) -> Path:
        self._count += 1
        return self._folder / f"{self._count}.xml"

    def repair(self) -> None:
        """Replace each file that has forbidden characters by a repaired copy, and note the repairs."""
        for number, (path, name) in enumerate(self.exports.files):
            faults, copy = list[Fault](), self._new()
            try:
                with path.open("rb") as source, copy.open("w", encoding="utf-8", newline="") as target:
                    for position, text in enumerate(repair_xml(source, faults)):
                        target.write(text if position else _DECLARATION.sub(r"\1", text, count=1))
            except UnknownEncoding as error:
                raise UnsupportedFile(name, f"its encoding {error} is unknown") from error
            if not faults:
                copy.unlink()
                continue
            self.exports.files[number] = ExportFile(copy, name)
            self.exports.notes += [f"{name}: {fault}" for fault in faults[:MAX_LISTED_REPAIRS]]
            if more := len(faults) - MAX_LISTED_REPAIRS:
                self.exports.notes += [f"{name}: {more:,} more such characters"] if more > 0 else []


def describe(head: bytes, system: str = "") -> str:
    """Name the format of a file from its first bytes; empty if it may be an export of `system`."""
    for pattern, wrong_for, form in _OTHERS:
        if system == wrong_for and pattern.search(head):
            return form
    return next((form for pattern, form in _FORMATS if pattern.search(head)), "")


def _describe_zip(entries: Sequence[zipfile.ZipInfo]) -> str:
    names = [entry.filename.lower() for entry in entries]
    if any(PurePosixPath(name).name == "posts.csv" for name in names):
        return "a Substack export"
    if any(name.endswith(".json") for name in names):
        return "an archive of JSON files, such as a Ghost export"
    if any(name.endswith((".html", ".htm")) for name in names):
        return "an archive of web pages, such as a Medium export"
    return "an archive without XML files"
