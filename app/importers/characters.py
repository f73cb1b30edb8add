"""Detection and repair of characters and bytes that XML does not allow."""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

_CHUNK: Final = 1 << 20
_MAX_REFERENCE: Final = 12  # length of the longest character reference, &#x10FFFF;
_REFERENCE: Final = "the reference"
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""")
# XML 1.0 §2.2. Bytes that are invalid in the encoding are decoded to lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|&#(?:[0-9]{1,8}|[xX][0-9a-fA-F]{1,7});")


class UnknownEncoding(Exception):
    """The file declares an unknown encoding."""


class Fault(NamedTuple):
    """A character that XML does not allow, its position counted from 1, and its replacement (may be empty)."""

    line: int
    column: int
    description: str
    replacement: str

    def __str__(self) -> str:
        repair = f"read as {self.replacement}" if self.replacement else "left out"
        return f"line {self.line}, column {self.column}: {self.description} is {repair}"


def detect_encoding(head: bytes) -> str:
    """Detect the encoding of an XML file from its first bytes (XML 1.0 appendix F)."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(head)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)  # raises for codecs that are not text encodings, such as zlib
        codecs.getincrementaldecoder(name)("replace").decode(b"")
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise UnknownEncoding(name) from None


def repair_xml(file: BinaryIO, faults: list[Fault]) -> Iterator[str]:
    """Yield the text of an XML file without forbidden characters, appending each to `faults`; line numbers are kept."""
    head = file.read(_CHUNK)
    encoding = detect_encoding(head)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    line, line_start, offset, rest, data = 1, 0, 0, "", head
    while data or rest:
        text = rest + decoder.decode(data, final=not data)
        cut = text.rfind("&", max(0, len(text) - _MAX_REFERENCE)) if data else -1
        rest = text[cut:] if cut >= 0 and ";" not in text[cut:] else ""
        text = text[: len(text) - len(rest)]
        pieces, position = list[str](), 0
        for match in _FORBIDDEN.finditer(text):
            replacement = _replacement(match.group())
            if replacement is None:
                continue
            skipped = text[position : match.start()]
            if breaks := skipped.count("\n"):
                line, line_start = line + breaks, offset + position + skipped.rindex("\n") + 1
            faults.append(Fault(line, offset + match.start() - line_start + 1, _describe(match.group()), replacement))
            pieces += [skipped, replacement]
            position = match.end()
        if breaks := text.count("\n", position):
            line, line_start = line + breaks, offset + text.rindex("\n") + 1
        offset += len(text)
        yield "".join([*pieces, text[position:]])
        data = file.read(_CHUNK) if data else b""


def find_first_fault(path: Path) -> Fault | None:
    """Find the first forbidden character, or None; character references are ignored, as CDATA may contain them."""
    faults: list[Fault] = []
    try:
        with path.open("rb") as file:
            for _ in repair_xml(file, faults):
                if characters := [fault for fault in faults if not fault.description.startswith(_REFERENCE)]:
                    return characters[0]
    except UnknownEncoding:
        return None
    return None


def _code_point(reference: str) -> int:
    digits = reference[2:-1]
    return int(digits[1:], 16) if digits[0] in "xX" else int(digits)


def _is_allowed(code: int) -> bool:
    return code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def _replacement(text: str) -> str | None:
    """Return the replacement of a character or reference, None if it is allowed; stray bytes are Windows-1252."""
    if text.startswith("&"):
        return None if _is_allowed(_code_point(text)) else ""
    if "\udc80" <= text <= "\udcff":
        return bytes([ord(text) - 0xDC00]).decode("cp1252", errors="ignore")
    return ""


def _describe(text: str) -> str:
    if text.startswith("&"):
        return f"{_REFERENCE} {text}"
    if "\udc80" <= text <= "\udcff":
        return f"the byte 0x{ord(text) - 0xDC00:02X} (not UTF-8)"
    return f"the character U+{ord(text):04X}"
