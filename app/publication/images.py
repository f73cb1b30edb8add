"""Decoding and re-encoding uploaded pictures, of which nothing else is ever served, and making renditions of them."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    ImageSequence,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from app.publication.metadata import find_provenance, has_location
from app.publication.renditions import Form, Spec, find_box

MAX_SIDE = 16_383  # WebP's limit, which every rendition must meet
MAX_FRAMES = 1_000
MAX_PIXELS = 60_000_000  # all frames together; a decoded pixel takes three or four bytes
REDUCED_WIDTH = 1600  # pixels that a source has at least from which smaller renditions are made

UNSUPPORTED = "media_type_unsupported"
BROKEN = "image_broken"
TOO_LARGE = "image_too_large"

# Naming the plugins loads them here rather than in the first thread that needs one.
_EXTENSIONS = {
    JpegImagePlugin.JpegImageFile.format: "jpg",
    PngImagePlugin.PngImageFile.format: "png",
    GifImagePlugin.GifImageFile.format: "gif",
    WebPImagePlugin.WebPImageFile.format: "webp",
    AvifImagePlugin.AvifImageFile.format: "avif",
}
_SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 82, "optimize": True},  # not progressive: renditions are made from it
    "PNG": {},
    "GIF": {},
    "WEBP": {"quality": 82, "method": 4},
    "AVIF": {"quality": 75, "speed": 8},
}
_RENDITIONS: dict[Form, tuple[str, dict[str, object]]] = {
    "webp": ("WEBP", {"quality": 75, "method": 1}),  # 7 % larger than with 2, in three quarters of the time
    "avif": ("AVIF", {"quality": 55, "speed": 9, "max_threads": 1}),
    "jpg": ("JPEG", {"quality": 80, "progressive": True, "optimize": True}),
}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

# Set once: the limit of what Pillow decodes, of single frames too, and warning filters are global to the process.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class UnreadableImage(ValueError):
    """An upload is refused; `code` is `media_type_unsupported`, `image_broken` or `image_too_large`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class EncodedImage:
    """An encoded file; `name` is a hash of the content."""

    name: str
    media_type: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True)
class Picture(EncodedImage):
    """The upload at its own size, upright, in sRGB."""

    animated: bool
    original_type: str  # media type of the upload
    has_location: bool  # the upload says where it was taken
    provenance: str | None  # kind of the manifest of the upload
    lost_frames: bool = False  # the upload is animated, but only its first frame was kept


def decode_picture(data: bytes, *, max_bytes: int, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode an upload and encode it again without metadata; UnreadableImage if it is refused.

    Accepts JPEG, PNG, GIF, WebP and AVIF, detected by content. GIF and WebP stay animated, the others keep their first
    frame. `max_pixels` counts all frames. A JPEG of 24 million pixels takes a second of CPU and 400 MB, a noisy PNG or
    AVIF of that size ten seconds and up to 1 GB: call it in a thread, one at a time.
    """
    if len(data) > max_bytes:
        raise UnreadableImage(TOO_LARGE, f"The file is larger than {max_bytes:,} bytes.")
    kind = _detect_format(data)
    if kind is None:
        raise UnreadableImage(UNSUPPORTED, "The file must be a JPEG, PNG, GIF, WebP or AVIF picture.")
    try:
        return _reencode(data, kind, max_pixels)
    except (UnreadableImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:  # decoders raise many exceptions on untrusted bytes; all mean a broken file
        raise UnreadableImage(BROKEN, f"The {kind} file is damaged or incomplete.") from error


def open_source(data: bytes, factor: int) -> Image.Image:
    """Decode the first frame of a stored picture, reduced by a factor of `find_reduction`."""
    kind = _detect_format(data)
    if kind is None:
        raise UnreadableImage(UNSUPPORTED, "The stored file is no picture.")
    source = Image.open(io.BytesIO(data), formats=[kind])
    if kind == "JPEG":  # which is reduced while it is decoded
        width, height = source.size
        source.draft("RGB", (width // factor, height // factor))
        factor = factor * source.width // width
    source.load()  # here and not at its first use, as threads may share it
    mode = "RGBA" if source.has_transparency_data else "RGB"
    image: Image.Image = source.convert(mode) if source.mode != mode else source
    return image.reduce(factor) if factor > 1 else image


def find_reduction(width: int, height: int, spec: Spec) -> int:
    """Return the power of two by which a picture is reduced before a rendition is made of it.

    It is the same for most renditions of a picture, so that they share what was decoded.
    """
    left, _, right, _ = find_box(width, height, spec)
    least = max(REDUCED_WIDTH, width * spec.width / (right - left))
    return next((factor for factor in (8, 4, 2) if width / factor >= least), 1)


def encode_rendition(source: Image.Image, spec: Spec, form: Form) -> bytes:
    """Cut, scale and encode a decoded picture; JPEG, which has no transparency, gets a white ground."""
    box = find_box(source.width, source.height, spec)
    size = (spec.width, spec.height)
    small = source.resize(size, Image.Resampling.HAMMING, box=box, reducing_gap=1.1)
    if form == "jpg" and small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", size, "white"), small).convert("RGB")
    kind, options = _RENDITIONS[form]
    out = io.BytesIO()
    small.save(out, kind, **options)
    return out.getvalue()


def _detect_format(data: bytes) -> str | None:
    """Return the format that the first bytes claim; the decoder checks the rest."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":  # ISO 14496-12: a box of its own length, four letters for each brand
        brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        return "AVIF" if {b"avif", b"avis"} & {brands[at : at + 4] for at in range(0, len(brands), 4)} else None
    return None


def _reencode(data: bytes, kind: str, max_pixels: int) -> Picture:
    with Image.open(io.BytesIO(data), formats=[kind]) as source:
        source.verify()  # PNG's checksums, up to its last chunk
    with Image.open(io.BytesIO(data), formats=[kind]) as source:
        if max(source.size) > MAX_SIDE:
            raise UnreadableImage(TOO_LARGE, f"The picture is wider or higher than {MAX_SIDE:,} pixels.")
        if source.width * source.height > max_pixels:
            raise _too_many_pixels(max_pixels)
        is_animated = getattr(source, "is_animated", False)
        animated = is_animated and kind in {"GIF", "WEBP"}
        if animated:
            still, encoded = _encode_all(source, kind, max_pixels)
        else:
            still = _normalize(source)
            encoded = _encode(still, kind)
        is_located = has_location(source, data)
    name = f"{hashlib.sha256(encoded).hexdigest()[:32]}.{_EXTENSIONS[kind]}"
    return Picture(
        name,
        Image.MIME[kind],
        still.width,
        still.height,
        encoded,
        animated=animated,
        original_type=Image.MIME[kind],
        has_location=is_located,
        provenance=find_provenance(data),
        lost_frames=is_animated and not animated,
    )


def _too_many_pixels(max_pixels: int) -> UnreadableImage:
    return UnreadableImage(TOO_LARGE, f"The picture has more than {max_pixels:,} pixels, all frames together.")


def _normalize(source: Image.Image) -> Image.Image:
    """Return only the pixels: upright, in sRGB, as RGB, or as RGBA if any are transparent."""
    profile = source.info.get("icc_profile")
    upright = ImageOps.exif_transpose(source)
    if upright.mode.startswith("I"):  # 16 bits a channel; Pillow would clip and not scale
        upright = upright.point(lambda value: value / 256).convert("L")
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    colours = _to_srgb(upright.convert("RGB") if upright.mode in {"P", "PA", "RGBA", "RGBa"} else upright, profile)
    if alpha is not None and alpha.getextrema() != (255, 255):
        colours.putalpha(alpha)
    bare = Image.new(colours.mode, colours.size)
    bare.paste(colours)
    return bare


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB; a broken embedded profile is ignored."""
    if image.mode in {"LA", "La", "1"}:
        image = image.convert("L")
    if profile and image.mode in {"L", "RGB", "CMYK"}:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, embedded, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _encode(image: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **_SAVE_OPTIONS[kind], **more)
    return out.getvalue()


def _encode_all(source: Image.Image, kind: str, max_pixels: int) -> tuple[Image.Image, bytes]:
    """Return the first frame, and all frames encoded with their durations and the number of loops."""
    durations: list[int] = []
    frames = list(_iterate_frames(source, max_pixels, durations))
    options: dict[str, object] = {"duration": durations}
    if "loop" in source.info:
        options["loop"] = source.info["loop"]
    if kind == "GIF":
        options["disposal"] = 2
    return frames[0], _encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def _iterate_frames(source: Image.Image, max_pixels: int, durations: list[int]) -> Iterator[Image.Image]:
    """Iterate over the frames; each may be larger than those before it, so their pixels are counted one by one."""
    pixels = 0
    for number, frame in enumerate(ImageSequence.Iterator(source), start=1):
        pixels += frame.width * frame.height
        if number > MAX_FRAMES:
            raise UnreadableImage(TOO_LARGE, f"The animation has more than {MAX_FRAMES:,} frames.")
        if pixels > max_pixels:
            raise _too_many_pixels(max_pixels)
        cleaned = _normalize(frame)  # decodes, and only then WebP knows the frame's time
        durations.append(int(frame.info.get("duration", 100)))
        yield cleaned
