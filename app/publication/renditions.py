"""Renditions of pictures: which there are, and the signed addresses at which they are made on request.

An address names a picture, a size in pixels, the point that a crop keeps in view, and a signature of these by the
picture's own secret, so that nobody can have other sizes made. The signature holds for all formats: an ending may be
replaced by another one.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypedDict, cast, get_args

from app.db.rows import JsonObject

MEDIA_PATH = "/media/"  # path of stored files
Form = Literal["webp", "avif", "jpg"]
FORMS: tuple[Form, ...] = get_args(Form)
MIME_TYPES: Mapping[str, str] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
}
WIDTHS = (320, 640, 960, 1280, 1600)  # pixels, of renditions of whole pictures
MAX_RENDITION_SIDE = 4096  # pixels
SIGNATURE_LENGTH = 20  # hexadecimal digits
FOCAL_STEPS = 1000  # in which an address counts a focal point
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_FOCUS = re.compile(r"(\d{1,4})-(\d{1,4})")


class Crop(NamedTuple):
    """A shape that pictures are cut to."""

    name: str
    width: int  # pixels, of a picture that is large enough
    height: int
    form: Form


CROPS = (Crop("square", 640, 640, "webp"), Crop("wide", 1280, 720, "webp"), Crop("social", 1200, 630, "jpg"))


class PictureRow(TypedDict):
    """The columns of a picture that decide about its renditions."""

    id: str
    key: str | None
    width: int | None
    height: int | None
    token: str | None
    focal_x: float | None
    focal_y: float | None


class Spec(NamedTuple):
    """What a rendition is: its size in pixels, and the point that it keeps in view, in thousandths of the sides."""

    width: int
    height: int
    focus: tuple[int, int] | None = None  # None: the middle, or nothing is cut off

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return f"{self.width}x{self.height}" + (f"-{self.focus[0]}-{self.focus[1]}" if self.focus else "")

    def is_signed(self, row: PictureRow, signature: str) -> bool:
        """Whether this is the signature of this rendition of a picture."""
        assert row["token"] is not None, "only pictures with a secret have renditions on request"
        return hmac.compare_digest(self.sign(row["id"], row["token"]).encode(), signature.encode())

    def sign(self, picture_id: str, token: str) -> str:
        """Return the signature of this rendition of a picture."""
        digest = hmac.digest(bytes.fromhex(token), f"{picture_id}:{self.name}".encode(), "sha256")
        return digest.hex()[:SIGNATURE_LENGTH]


def parse_spec(size: str, focus: str | None) -> Spec | None:
    """Read the size and the focal point of an address; None if they cannot be those of a rendition."""
    sides = _SIZE.fullmatch(size)
    if sides is None or max(int(sides[1]), int(sides[2])) > MAX_RENDITION_SIDE:
        return None
    if focus is None:
        return Spec(int(sides[1]), int(sides[2]))
    point = _FOCUS.fullmatch(focus)
    if point is None or max(int(point[1]), int(point[2])) > FOCAL_STEPS:
        return None
    return Spec(int(sides[1]), int(sides[2]), (int(point[1]), int(point[2])))


def fit_spec(row: PictureRow, width: int | None, height: int | None) -> Spec:
    """Return a rendition of about this size, no larger than the picture; one side alone keeps its proportions."""
    own_width, own_height = row["width"] or 1, row["height"] or 1
    if width is None or height is None:
        scale = min(1.0, width / own_width if width else height / own_height if height else 1.0)
        scale = min(scale, MAX_RENDITION_SIDE / max(own_width, own_height))
        return Spec(max(1, round(own_width * scale)), max(1, round(own_height * scale)))
    scale = min(1.0, own_width / width, own_height / height)
    spec = Spec(max(1, round(width * scale)), max(1, round(height * scale)))
    is_whole = abs(spec.width * own_height - spec.height * own_width) < max(own_width, own_height)
    if is_whole or row["focal_x"] is None or row["focal_y"] is None:
        return spec
    return spec._replace(focus=(round(row["focal_x"] * FOCAL_STEPS), round(row["focal_y"] * FOCAL_STEPS)))


def present_rendition(row: PictureRow, base: str, name: str, spec: Spec, form: Form) -> JsonObject:
    """Shape a rendition as `RenditionOut`."""
    assert row["token"] is not None, "only pictures with a secret have renditions on request"
    focus = f"f={spec.focus[0]}-{spec.focus[1]}&" if spec.focus else ""
    path = f"{MEDIA_PATH}{row['id']}/{spec.width}x{spec.height}.{form}"
    url = f"{base}{path}?{focus}s={spec.sign(row['id'], row['token'])}"
    return {"name": name, "width": spec.width, "height": spec.height, "mime": MIME_TYPES[form], "url": url}


def has_renditions(row: PictureRow) -> bool:
    """Whether renditions of a picture are made on request: it is stored here, by this release or a later one."""
    return row["key"] is not None and bool(row["token"]) and bool(row["width"]) and bool(row["height"])


def list_renditions(row: PictureRow, base: str) -> list[JsonObject]:
    """List renditions of the whole picture, narrowest first."""
    narrower = [width for width in WIDTHS if width < (row["width"] or 0)] if has_renditions(row) else []
    return [present_rendition(row, base, f"w{width}", fit_spec(row, width, None), "webp") for width in narrower]


def list_crops(row: PictureRow, base: str) -> list[JsonObject]:
    """List renditions that are cut to other shapes around the focal point."""
    if not has_renditions(row):
        return []
    return [
        present_rendition(row, base, crop.name, fit_spec(row, crop.width, crop.height), crop.form) for crop in CROPS
    ]


def file_key(picture_id: str, spec: Spec, form: Form) -> str:
    """Return the key under which a rendition is stored."""
    return f"{folder_of(picture_id)}/{spec.name}.{form}"


def folder_of(picture_id: str) -> str:
    """Return the folder of all renditions of a picture."""
    return f"renditions/{picture_id[-2:]}/{picture_id}"


def find_box(width: int, height: int, spec: Spec) -> tuple[float, float, float, float]:
    """Return the part of a picture of this size that a rendition shows: left, upper, right and lower edge."""
    scale = min(width / spec.width, height / spec.height)
    cut_width, cut_height = min(width, spec.width * scale), min(height, spec.height * scale)
    x, y = spec.focus or (FOCAL_STEPS // 2, FOCAL_STEPS // 2)
    left = min(max(x / FOCAL_STEPS * width - cut_width / 2, 0.0), width - cut_width)
    top = min(max(y / FOCAL_STEPS * height - cut_height / 2, 0.0), height - cut_height)
    return left, top, left + cut_width, top + cut_height


def iterate_sources(renditions: object) -> Iterator[str]:
    """Iterate over the entries of `srcset` for renditions of a whole picture."""
    for rendition in cast("list[JsonObject]", renditions):
        yield f"{rendition['url']} {rendition['width']}w"
