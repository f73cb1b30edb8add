"""Stored files in texts: stored as paths, shown as absolute URLs, pictures with their sizes, renditions and credits."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias, cast

from app.blocks.schemas import Block
from app.db.rows import JsonObject
from app.publication import renditions
from app.publication.renditions import MEDIA_PATH, PictureRow

Sizes = Mapping[str, tuple[int | None, int | None]]
"""Width and height of files by key, the path below `MEDIA_PATH`."""


class TextPicture(PictureRow):
    """A stored picture in a text."""

    mime: str | None
    credit: str
    animated: bool | None
    provenance: str | None


TEXT_PICTURE_COLUMNS: Final = tuple(TextPicture.__annotations__)
Pictures: TypeAlias = Mapping[str, TextPicture]
"""The stored pictures of a text by the keys of their files."""
MAX_TEXT_WIDTH: Final = 800  # pixels that a picture in a text is assumed to take at most
MAX_SOURCE_WIDTH: Final = 1920  # pixels, of a file that is offered in `srcset` as it is
_ADDRESSES: Final = {"href", "src", "link", "url", "poster"}  # members of blocks
# Only inside tags, which the sanitiser writes in one form: a text about HTML may contain the same words.
_TAG: Final = re.compile(r'<[a-z][a-z0-9]*(?: [a-z-]+="[^"]*")+')
_ATTRIBUTE: Final = re.compile(rf'( (?:href|src|poster|data-embed)="){MEDIA_PATH}')
_TARGET: Final = re.compile(rf"(\]\(<?|^\[[^\]\n]+\]: *<?){MEDIA_PATH}", re.MULTILINE)
_FILE: Final = re.compile(rf"{MEDIA_PATH}([0-9a-f]{{2}}/[0-9a-f]{{32}}\.[a-z]+)")
_OWN_IMAGE: Final = re.compile(rf'<img(?: [a-z-]+="[^"]*")*? src="{_FILE.pattern}"(?: [a-z-]+="[^"]*")*>')
_FIGURE: Final = re.compile(
    rf'(<figure(?: [a-z-]+="[^"]*")*>(?:<a(?: [a-z-]+="[^"]*")*>)?{_OWN_IMAGE.pattern}(?:</a>)?)'
    r"(?:<figcaption>(.*?)</figcaption>)?</figure>",
    re.DOTALL,
)
_SIZE_ATTRIBUTE: Final = re.compile(r' (width|height)="(\d+)"')


def list_file_keys(html: str) -> list[str]:
    """List the keys of stored files in the HTML of a text, each once."""
    return list(dict.fromkeys(_FILE.findall(html))) if MEDIA_PATH in html else []


def _list_sources(picture: TextPicture, base: str) -> list[str]:
    """List the entries of `srcset`; none for what may be an animation, of which renditions are stills."""
    may_move = picture["mime"] in ("image/gif", "image/webp") if picture["animated"] is None else picture["animated"]
    if may_move:
        return []
    sources = list(renditions.iterate_sources(renditions.list_renditions(picture, base)))
    if sources and (width := picture["width"]) is not None and width <= MAX_SOURCE_WIDTH:
        sources.append(f"{base}{MEDIA_PATH}{picture['key']} {width}w")
    return sources


def _complete_image(tag: str, picture: TextPicture, base: str) -> str:
    """Add to the tag of a picture its size, its renditions, and how it is loaded."""
    written = dict(_SIZE_ATTRIBUTE.findall(tag))
    added: list[tuple[str, str]] = []
    if not written and picture["width"] is not None:
        added = [(name, str(picture[name])) for name in ("width", "height")]
    if sources := _list_sources(picture, base):
        width = min(int(written.get("width", picture["width"] or MAX_TEXT_WIDTH)), MAX_TEXT_WIDTH)
        added += [("srcset", ", ".join(sources)), ("sizes", f"auto, (min-width: {width}px) {width}px, 100vw")]
    added += [("loading", "lazy"), ("decoding", "async")]
    return tag[:-1] + "".join(f' {name}="{escape(value)}"' for name, value in added) + ">"


def _add_credit(figure: re.Match[str], pictures: Pictures) -> str:
    """Add the credit of a picture to its caption, marked so that it is left out where the HTML is sent back."""
    picture = pictures.get(figure[2])
    if picture is None or not picture["credit"]:
        return figure.group()
    credit = f'<small data-credit="">{escape(picture["credit"], quote=False)}</small>'
    caption = f"{figure[3]} {credit}" if figure[3] else credit
    return f"{figure[1]}<figcaption>{caption}</figcaption></figure>"


def complete_html(html: str, base: str, pictures: Pictures) -> str:
    """Return stored HTML with absolute URLs of stored files, and with the renditions and credits of pictures."""
    if MEDIA_PATH not in html:
        return html
    if pictures:
        html = _FIGURE.sub(lambda figure: _add_credit(figure, pictures), html)
        html = _OWN_IMAGE.sub(
            lambda image: (
                _complete_image(image.group(), pictures[image[1]], base) if image[1] in pictures else image.group()
            ),
            html,
        )
    return absolutize_html(html, base)


def absolutize_html(html: str, base: str) -> str:
    """Return stored HTML with the URLs of stored files below the base address."""
    if MEDIA_PATH not in html:
        return html
    attribute = rf"\g<1>{escape(base)}{MEDIA_PATH}"
    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(attribute, tag.group()), html)


def absolutize_markdown(text: str, base: str) -> str:
    """Return stored Markdown with the URLs of stored files below the base address."""
    return _TARGET.sub(rf"\g<1>{base}{MEDIA_PATH}", absolutize_html(text, base)) if MEDIA_PATH in text else text


def complete_blocks(value: object, base: str, pictures: Pictures) -> object:
    """Return stored blocks, or a part of them, with absolute URLs of stored files and the renditions of pictures."""
    if isinstance(value, list):
        return [complete_blocks(row, base, pictures) for row in value]
    if not isinstance(value, dict):
        return value
    block: JsonObject = {
        name: base + inner
        if name in _ADDRESSES and isinstance(inner, str) and inner.startswith(MEDIA_PATH)
        else complete_blocks(inner, base, pictures)
        for name, inner in value.items()
    }
    if value.get("type") == "image" and "alt" in value:
        picture = pictures.get(str(value["src"]).removeprefix(MEDIA_PATH))
        if picture is not None:
            block["picture"] = {
                "id": picture["id"],
                "credit": picture["credit"],
                "animated": bool(picture["animated"]),
                "provenance": picture["provenance"],
                "renditions": renditions.list_renditions(picture, base),
            }
    return block


def _pictures_of(stored: Mapping[str, object]) -> Pictures:
    rows = cast("Sequence[TextPicture] | None", stored.get("pictures")) or ()
    return {row["key"]: row for row in rows if row["key"] is not None}


def present_body(stored: Mapping[str, object], formats: Sequence[str], base: str) -> JsonObject:
    """Return the formats of a text from columns `body_{format}` as readers get them, and `pictures`.

    Files are below the base address; without one the text is as it is stored.
    """
    pictures = _pictures_of(stored) if base else {}
    body: JsonObject = {}
    for name in formats:
        text = stored[f"body_{name}"]
        if name == "html" and isinstance(text, str):
            body[name] = complete_html(text, base, pictures)
        elif name == "markdown" and isinstance(text, str):
            body[name] = absolutize_markdown(text, base)
        else:
            body[name] = complete_blocks(text, base, pictures) if name == "blocks" else text
    return body


def relativize_source(source: str, bases: Iterable[str]) -> str:
    """Return HTML or Markdown with URLs of stored files as paths, the inverse of the functions above."""
    before = r"""(=\s*["']?|\]\(\s*<?|^ {0,3}\[[^\]\n]+\]:\s*<?)"""
    for base in bases:
        if base and base in source:
            source = re.sub(rf"{before}{re.escape(base)}(?={MEDIA_PATH})", r"\g<1>", source, flags=re.MULTILINE)
    return source


def _iterate_unsized(value: object) -> Iterator[JsonObject]:
    """Iterate over stored pictures without a size, at any depth of blocks."""
    if isinstance(value, list):
        for row in value:
            yield from _iterate_unsized(row)
    elif isinstance(value, dict):
        is_own = {"src", "width", "height"} <= value.keys() and str(value["src"]).startswith(MEDIA_PATH)
        if is_own and value["width"] is None and value["height"] is None:
            yield value
        for inner in value.values():
            yield from _iterate_unsized(inner)


def find_unsized_files(blocks: Sequence[Block]) -> set[str]:
    """Return the keys of stored pictures whose size the blocks lack."""
    return {str(picture["src"]).removeprefix(MEDIA_PATH) for picture in _iterate_unsized(list(blocks))}


def fill_sizes(blocks: Sequence[Block], sizes: Sizes) -> list[Block]:
    """Return the blocks with the sizes of stored pictures filled in."""
    copied = cast("list[Block]", _copy_containers(list(blocks)))
    for picture in _iterate_unsized(copied):
        picture["width"], picture["height"] = sizes.get(str(picture["src"]).removeprefix(MEDIA_PATH), (None, None))
    return copied


def _copy_containers(value: object) -> object:
    if isinstance(value, list):
        return [_copy_containers(row) for row in value]
    return {name: _copy_containers(inner) for name, inner in value.items()} if isinstance(value, dict) else value
