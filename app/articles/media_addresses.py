"""URLs of stored files in texts: stored as paths, shown as URLs of this API, with the sizes of pictures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, cast

from app.blocks.schemas import Block
from app.db.rows import JsonObject
from app.publication.schemas import MEDIA_PATH

Sizes = Mapping[str, tuple[int | None, int | None]]
"""Width and height of files by key, the path below `MEDIA_PATH`."""
_ADDRESSES: Final = {"href", "src", "link", "url", "poster"}  # members of blocks
# Only inside tags, which the sanitiser writes in one form: a text about HTML may contain the same words.
_TAG: Final = re.compile(r'<[a-z][a-z0-9]*(?: [a-z-]+="[^"]*")+')
_ATTRIBUTE: Final = re.compile(rf'( (?:href|src|poster|data-embed)="){MEDIA_PATH}')
_TARGET: Final = re.compile(rf"(\]\(<?|^\[[^\]\n]+\]: *<?){MEDIA_PATH}", re.MULTILINE)


def absolutize_html(html: str, api: str) -> str:
    """Return stored HTML with the URLs of stored files at the address of this API."""
    if MEDIA_PATH not in html:
        return html
    attribute = rf"\g<1>{escape(api)}{MEDIA_PATH}"
    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(attribute, tag.group()), html)


def absolutize_markdown(text: str, api: str) -> str:
    """Return stored Markdown with the URLs of stored files at the address of this API."""
    return _TARGET.sub(rf"\g<1>{api}{MEDIA_PATH}", absolutize_html(text, api)) if MEDIA_PATH in text else text


def absolutize_blocks(value: object, api: str) -> object:
    """Return stored blocks, or a part of them, with the URLs of stored files at the address of this API."""
    if isinstance(value, list):
        return [absolutize_blocks(row, api) for row in value]
    if not isinstance(value, dict):
        return value
    return {
        name: api + inner
        if name in _ADDRESSES and isinstance(inner, str) and inner.startswith(MEDIA_PATH)
        else absolutize_blocks(inner, api)
        for name, inner in value.items()
    }


_ABSOLUTIZE: Final = {"html": absolutize_html, "markdown": absolutize_markdown}


def present_body(stored: Mapping[str, object], formats: Sequence[str], api: str) -> JsonObject:
    """Return the formats of a text from columns `body_{format}` as readers get them."""
    body: JsonObject = {}
    for name in formats:
        text = stored[f"body_{name}"]
        if name in _ABSOLUTIZE and isinstance(text, str):
            body[name] = _ABSOLUTIZE[name](text, api)
        else:
            body[name] = absolutize_blocks(text, api) if name == "blocks" else text
    return body


def relativize_source(source: str, api: str) -> str:
    """Return HTML or Markdown with URLs of stored files as paths, the inverse of the functions above."""
    if not api or api not in source:
        return source
    before = r"""(=\s*["']?|\]\(\s*<?|^ {0,3}\[[^\]\n]+\]:\s*<?)"""
    return re.sub(rf"{before}{re.escape(api)}(?={MEDIA_PATH})", r"\g<1>", source, flags=re.MULTILINE)


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
