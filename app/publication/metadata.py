"""Reading what an uploaded file tells besides its pixels: where it was taken, and where it comes from.

Nothing of it is served. The original, which has it, is kept.
"""

from collections.abc import Iterator

from PIL import ExifTags, Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_LOCATION = b"exif:GPSL"  # of GPSLatitude and GPSLongitude (XMP specification, part 2)
_APP11, _START_OF_SCAN = 0xEB, 0xDA
_JUMBF_IDENTIFIER = b"JP"  # of a box that is split over segments (ISO 19566-5, annex D)
_MANIFEST_LABEL = b"c2pa"  # of the manifest store (C2PA 2.1, §11.1.4)


def has_location(image: Image.Image, data: bytes) -> bool:
    """Whether the metadata (Exif or XMP) of a picture that was decoded from these bytes says where it was taken."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if _XMP_LOCATION in data or _XMP_LOCATION in (xmp.encode() if isinstance(xmp, str) else xmp):
        return True
    try:
        return bool(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    except Exception:  # the parser raises many exceptions on untrusted bytes, which may nevertheless tell the place
        return True


def find_provenance(data: bytes) -> str | None:
    """Return `c2pa` if a JPEG, PNG or WebP has a manifest of its provenance (C2PA 2.1, annex A)."""
    if data.startswith(b"\xff\xd8"):
        found = any(
            marker == _APP11 and body.startswith(_JUMBF_IDENTIFIER) and _MANIFEST_LABEL in body
            for marker, body in _iterate_segments(data)
        )
    elif data.startswith(PNG_SIGNATURE):
        found = b"caBX" in _iterate_png_chunks(data)
    elif data[:4] == b"RIFF":
        found = b"C2PA" in _iterate_riff_chunks(data)
    else:
        found = False
    return "c2pa" if found else None


def _iterate_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over the marker segments of a JPEG before its pixels (ISO 10918-1, annex B)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _START_OF_SCAN:
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _iterate_png_chunks(data: bytes) -> Iterator[bytes]:
    """Iterate over the names of the chunks of a PNG (PNG specification, §5.3)."""
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        yield data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _iterate_riff_chunks(data: bytes) -> Iterator[bytes]:
    """Iterate over the names of the chunks of a WebP (RFC 9649 §2.3)."""
    at = 12
    while at + 8 <= len(data):
        yield data[at : at + 4]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
