"""Every kind of picture in, clean files out, and a stable code for whatever is no picture."""

import io
import re
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from app.publication.images import (
    BROKEN,
    TOO_LARGE,
    UNSUPPORTED,
    Picture,
    UnreadableImage,
    decode_picture,
    encode_rendition,
    find_reduction,
    open_source,
)
from app.publication.renditions import Form, Spec

KINDS = {
    "JPEG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "GIF": ("image/gif", "gif"),
    "WEBP": ("image/webp", "webp"),
    "AVIF": ("image/avif", "avif"),
}
PRIVATE = b"a private remark"


def scene(width: int = 700, height: int = 400) -> Image.Image:
    """A picture with detail all over, red at the left and blue at the right."""
    middle = Image.effect_mandelbrot((width, height), (-2, -1, 1, 1), 40)
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    return Image.merge("RGB", (across.point(lambda value: 255 - value), middle, across))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def take(data: bytes, max_bytes: int = 5_000_000, max_pixels: int = 5_000_000) -> Picture:
    return decode_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)


def rendition_of(picture: Picture, spec: Spec, form: Form = "webp") -> bytes:
    source = open_source(picture.data, find_reduction(picture.width, picture.height, spec))
    return encode_rendition(source, spec, form)


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def refusal(data: bytes, **limits: int) -> str:
    with pytest.raises(UnreadableImage) as caught:
        take(data, **limits)
    assert str(caught.value)
    return caught.value.code


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_comes_back_as_itself(kind: str) -> None:
    picture = take(encode(scene(), kind))
    assert (picture.media_type, picture.name.partition(".")[2]) == KINDS[kind]
    assert re.fullmatch(r"[0-9a-f]{32}\.\w+", picture.name)
    again = opened(picture.data)
    assert (again.format, again.size) == (kind, (picture.width, picture.height)) == (kind, (700, 400))
    assert not picture.animated


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_upload_has_the_same_name(kind: str) -> None:
    data = encode(scene(), kind)
    first, second = take(data), take(data)
    assert (first.name, first.data) == (second.name, second.data)
    assert take(encode(scene(701), kind)).name != first.name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [12, 30, 3000])
def test_a_truncated_file_is_refused(kind: str, missing: int) -> None:
    assert refusal(encode(scene(), kind)[:-missing]) == BROKEN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"%PDF-1.7\n%%EOF",
        b"<!doctype html><title>x</title>",
        b"GIF90a" + bytes(100),
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41",
        b"II*\x00" + bytes(100),
        b"BM" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
def test_other_kinds_of_files_are_refused(data: bytes) -> None:
    assert refusal(data) == UNSUPPORTED


def test_a_page_in_front_of_a_picture_is_no_picture() -> None:
    assert refusal(b"<script>alert(1)</script>" + encode(scene(), "PNG")) == UNSUPPORTED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_polyglot_keeps_only_its_picture(kind: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.html", "<script>alert(1)</script>" * 3)
    picture = take(encode(scene(), kind) + archive.getvalue())
    assert b"<script>" not in picture.data
    assert not zipfile.is_zipfile(io.BytesIO(picture.data))


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = PRIVATE.decode()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_orientation_is_applied_and_metadata_goes(kind: str) -> None:
    picture = take(encode(scene(60, 20), kind, exif=exif_of(6), xmp=b"<x>" + PRIVATE + b"</x>"))
    assert (picture.width, picture.height) == (20, 60)
    again = opened(picture.data)
    assert not again.getexif()
    assert "xmp" not in again.info
    assert PRIVATE not in picture.data
    # orientation 6 turns clockwise: what was left is now on top
    red, _, blue = pixel(again.convert("RGB").resize((1, 2)), 0, 0)
    assert red > blue


def test_comments_and_text_chunks_go() -> None:
    assert PRIVATE not in take(encode(scene(), "JPEG", comment=PRIVATE)).data
    assert PRIVATE not in take(encode(scene(), "GIF", comment=PRIVATE)).data


def test_an_embedded_profile_is_turned_into_srgb() -> None:
    red = Image.new("RGB", (40, 40), (255, 0, 0))
    usual = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = usual.replace(b"rXYZ", b"----", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"----", b"bXYZ", 1)
    plain, other = (take(encode(red, "PNG", icc_profile=profile)) for profile in (usual, swapped))
    assert "icc_profile" not in opened(plain.data).info
    assert "icc_profile" not in opened(other.data).info
    assert pixel(opened(plain.data), 0, 0) == (255, 0, 0)
    assert pixel(opened(other.data), 0, 0)[2] > 250


def test_a_broken_profile_counts_as_none() -> None:
    picture = take(encode(Image.new("RGB", (9, 9), "teal"), "PNG", icc_profile=b"nothing of the kind"))
    assert pixel(opened(picture.data), 0, 0) == (0, 128, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_seen_alike(mode: str) -> None:
    deep = mode == "I;16"
    image = Image.new(mode, (8, 8), 255 << 8) if deep else Image.new("L", (8, 8), 255).convert(mode)
    picture = take(encode(image, "PNG"))
    assert opened(picture.data).mode == "RGB"
    assert pixel(opened(picture.data), 3, 3) == (255, 255, 255)


def test_four_colour_print_becomes_rgb() -> None:
    picture = take(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = pixel(opened(picture.data), 8, 8)
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_transparency_stays(kind: str) -> None:
    image = scene(640, 20).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 320, 20))
    picture = take(encode(image, kind))
    for data, width in (picture.data, 640), (rendition_of(picture, Spec(320, 10)), 320):
        again = opened(data).convert("RGBA")
        assert pixel(again, width // 4, 5)[3] == 0
        assert pixel(again, width * 3 // 4, 5)[3] == 255


def frames(mode: str) -> list[Image.Image]:
    """A bar that moves to the right over nothing, or over white, between two fixed corners."""
    ground = (0, 0, 0, 0) if mode == "RGBA" else (255, 255, 255)
    moving = [Image.new(mode, (40, 20), ground) for _ in range(3)]
    for number, frame in enumerate(moving):
        for box in [(number * 10, 0, number * 10 + 10, 20), (0, 0, 2, 2), (38, 18, 40, 20)]:
            frame.paste("red", box)
    return moving


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animation_stays(kind: str, mode: str) -> None:
    first, *others = frames(mode)
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"disposal": 2}
    data = encode(first, kind, save_all=True, append_images=others, duration=[100, 200, 300], loop=2, **options)
    picture = take(data)
    assert picture.animated
    again = Image.open(io.BytesIO(picture.data))
    assert again.info["loop"] == 2
    for number, time in enumerate([100, 200, 300]):
        again.seek(number)
        shown = again.convert("RGBA")
        assert again.info["duration"] == time
        bar, ground = pixel(shown, number * 10 + 5, 10), pixel(shown, (number * 10 + 25) % 40, 10)
        assert bar[0] > 200 > bar[1]
        assert (ground[3] == 0) if mode == "RGBA" else (min(ground) > 240)
    assert getattr(opened(rendition_of(picture, Spec(20, 10))), "n_frames", 1) == 1


@pytest.mark.parametrize("kind", ["PNG", "AVIF"])
def test_other_animations_keep_their_first_frame(kind: str) -> None:
    first, *others = frames("RGB")
    picture = take(encode(first, kind, save_all=True, append_images=others))
    assert not picture.animated
    assert getattr(opened(picture.data), "n_frames", 1) == 1


def test_a_phone_picture_with_a_second_one_behind_it_is_a_jpeg() -> None:
    picture = take(encode(scene(), "MPO", save_all=True, append_images=[scene()]))
    assert picture.media_type == "image/jpeg"
    assert opened(picture.data).format == "JPEG"


def test_too_many_bytes_pixels_and_frames_are_refused() -> None:
    data = encode(scene(), "PNG")
    assert take(data, max_bytes=len(data), max_pixels=700 * 400).width == 700
    assert refusal(data, max_bytes=len(data) - 1) == TOO_LARGE
    assert refusal(data, max_pixels=700 * 400 - 1) == TOO_LARGE
    first, *others = frames("RGB")
    moving = encode(first, "GIF", save_all=True, append_images=others)
    assert take(moving, max_pixels=3 * 800).animated
    assert refusal(moving, max_pixels=3 * 800 - 1) == TOO_LARGE
    assert refusal(encode(Image.new("1", (16_384, 1)), "PNG")) == TOO_LARGE


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (16_000, 16_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    assert refusal(png_of(*size, b"\0")) == TOO_LARGE


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG that announces another size."""
    data = encode(Image.new("RGB", (16, 16)), "JPEG", progressive=False)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def gif_of(*frames: tuple[int, int]) -> bytes:
    """A GIF whose frames may be larger than its screen."""
    whole = [encode(Image.new("P", size), "GIF") for size in frames]
    starts = [data.index(b",\0\0\0\0" + struct.pack("<HH", *size)) for data, size in zip(whole, frames, strict=True)]
    return whole[0][: starts[0]] + b"".join(data[at:-1] for data, at in zip(whole, starts, strict=True)) + b";"


@pytest.mark.parametrize(
    "make_data",
    [
        lambda: png_of(10_000, 10_000, b"\0"),
        lambda: jpeg_of(10_000, 10_000),
        lambda: b"GIF89a\x10'\x10'\0\0\0,\0\0\0\0\x10'\x10'\0\x08\0;",
        lambda: encode(Image.new("1", (10_000, 10_000)), "WEBP", lossless=True, method=0),
    ],
    ids=["png", "jpeg", "gif", "webp"],
)
def test_a_hundred_megapixels_are_refused_before_they_take_memory(make_data: Callable[[], bytes]) -> None:
    data = make_data()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImage) as caught:
        decode_picture(data, max_bytes=5_000_000)
    assert caught.value.code == TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000  # kilobytes; decoded they take 300 MB


def test_frames_count_as_large_as_they_are() -> None:
    growing = gif_of((1, 1), (500, 500), (500, 500), (500, 500))
    assert take(growing, max_pixels=750_001).animated
    assert refusal(growing, max_pixels=750_000) == TOO_LARGE


def test_pixels_beyond_the_announced_ones_are_never_unpacked_into_the_answer() -> None:
    picture = take(png_of(2, 2, b"\0" * 4_000_000))
    assert len(picture.data) < 1000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("form", "made"), [("webp", "WEBP"), ("avif", "AVIF"), ("jpg", "JPEG")])
def test_a_rendition_is_cut_around_the_focal_point(kind: str, form: Form, made: str) -> None:
    picture = take(encode(scene(), kind))  # red at the left and blue at the right
    left, right = (opened(rendition_of(picture, Spec(50, 100, (x, 500)), form)) for x in (0, 1000))
    assert (left.format, left.size, right.size) == (made, (50, 100), (50, 100))
    assert pixel(left.convert("RGB"), 25, 50)[0] > 200 > 120 > pixel(left.convert("RGB"), 25, 50)[2]
    assert pixel(right.convert("RGB"), 25, 50)[2] > 200 > 120 > pixel(right.convert("RGB"), 25, 50)[0]


def test_transparency_becomes_white_in_a_jpeg() -> None:
    picture = take(encode(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"))
    assert pixel(opened(rendition_of(picture, Spec(10, 10), "jpg")), 5, 5) == (255, 255, 255)


def test_large_pictures_are_reduced_while_they_are_decoded() -> None:
    for kind in ("JPEG", "PNG"):
        data = take(encode(scene(4000, 40), kind)).data
        assert not getattr(open_source(data, 1), "tile", None)  # is decoded, and may be shared by threads
        assert open_source(data, find_reduction(4000, 40, Spec(320, 3))).size == (2000, 20)
        assert open_source(data, find_reduction(4000, 40, Spec(40, 40))).size == (4000, 40)


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), place=st.floats(0, 1), change=st.binary(min_size=1, max_size=12))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(kind: str, place: float, change: bytes) -> None:
    data = bytearray(encode(scene(40, 30), kind))
    at = int(place * len(data))
    data[at : at + len(change)] = change
    with suppress(UnreadableImage):
        picture = take(bytes(data))
        assert opened(picture.data).size == (picture.width, picture.height)
