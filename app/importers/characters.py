"""Characters and bytes that XML does not allow: found, named, and repaired or left out."""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

_CHUNK: Final = 1 << 20
_MAX_REFERENCE: Final = 12  # characters of the longest reference to a character, &#x10FFFF;
_REFERENCE: Final = "the reference"
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""")
# XML 1.0 §2.2. Bytes that are not in the encoding have been decoded to lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|&#(?:[0-9]{1,8}|[xX][0-9a-fA-F]{1,7});")


class UnknownEncoding(Exception):
    """The file declares an encoding that nobody knows."""


class Fault(NamedTuple):
    """Something that XML does not allow, where it stands (from 1), and what takes its place, if anything does."""

    line: int
    column: int
    what: str
    instead: str

    def __str__(self) -> str:
        done = f"read as {self.instead}" if self.instead else "left out"
        return f"line {self.line}, column {self.column}: {self.what} is {done}"


def encoding_of(head: bytes) -> str:
    """Find the encoding of an XML file from its first bytes, as XML 1.0 appendix F has it."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(head)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)  # refuses codecs that are of no text, such as zlib's
        codecs.getincrementaldecoder(name)("replace").decode(b"")
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise UnknownEncoding(name) from None


def repaired(file: BinaryIO, faults: list[Fault]) -> Iterator[str]:
    """Yield the text of an XML file without what XML forbids, and add each fault to the list; lines stay lines."""
    head = file.read(_CHUNK)
    encoding = encoding_of(head)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    line, line_start, before, rest, data = 1, 0, 0, "", head
    while data or rest:
        text = rest + decoder.decode(data, final=not data)
        cut = text.rfind("&", max(0, len(text) - _MAX_REFERENCE)) if data else -1
        rest = text[cut:] if cut >= 0 and ";" not in text[cut:] else ""
        text = text[: len(text) - len(rest)]
        pieces, position = list[str](), 0
        for match in _FORBIDDEN.finditer(text):
            instead = _replacement(match.group())
            if instead is None:
                continue
            skipped = text[position : match.start()]
            if breaks := skipped.count("\n"):
                line, line_start = line + breaks, before + position + skipped.rindex("\n") + 1
            faults.append(Fault(line, before + match.start() - line_start + 1, _name(match.group()), instead))
            pieces += [skipped, instead]
            position = match.end()
        if breaks := text.count("\n", position):
            line, line_start = line + breaks, before + text.rindex("\n") + 1
        before += len(text)
        yield "".join([*pieces, text[position:]])
        data = file.read(_CHUNK) if data else b""


def first_fault(path: Path) -> Fault | None:
    """Find the first character that XML does not allow anywhere; references to such are allowed in CDATA sections."""
    faults: list[Fault] = []
    try:
        with path.open("rb") as file:
            for _ in repaired(file, faults):
                if characters := [fault for fault in faults if not fault.what.startswith(_REFERENCE)]:
                    return characters[0]
    except UnknownEncoding:
        return None
    return None


def _number(reference: str) -> int:
    digits = reference[2:-1]
    return int(digits[1:], 16) if digits[0] in "xX" else int(digits)


def _is_allowed(code: int) -> bool:
    return code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def _replacement(found: str) -> str | None:
    """What to put in place of what was found; None if it is allowed. Stray bytes are mostly Windows-1252."""
    if found.startswith("&"):
        return None if _is_allowed(_number(found)) else ""
    if "\udc80" <= found <= "\udcff":
        return bytes([ord(found) - 0xDC00]).decode("cp1252", errors="ignore")
    return ""


def _name(found: str) -> str:
    if found.startswith("&"):
        return f"{_REFERENCE} {found}"
    if "\udc80" <= found <= "\udcff":
        return f"the byte 0x{ord(found) - 0xDC00:02X} (not UTF-8)"
    return f"the character U+{ord(found):04X}"
