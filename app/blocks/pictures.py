"""Pictures: inline, as blocks, and in galleries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.blocks import drafts
from app.blocks.inline import NO_ALT, Run, Style, find_picture_style
from app.blocks.schemas import Block, ImageBlock

# Larger pictures become blocks, wherever in a paragraph they are.
MAX_INLINE_HEIGHT: Final = 100
MAX_INLINE_WIDTH: Final = 200
_LINE_ENDS = re.compile("(\n+)")


def is_small(style: Style) -> bool:
    """Tell whether a picture may be inline, by the size in its tag."""
    if style.height is not None:
        return style.height <= MAX_INLINE_HEIGHT
    return style.width is None or style.width <= MAX_INLINE_WIDTH


def make_picture_block(run: Run, style: Style) -> Block:
    """Make a block from a picture that was read as part of a text."""
    link = next((other.href for other in run.styles if other.type == "link"), None)
    anchor = next((other.anchor for other in run.styles if other.type == "anchor"), None)
    alt = "" if run.text == NO_ALT else run.text
    block = drafts.make_image(
        style.src or "", alt=alt, title=style.title, link=link, width=style.width, height=style.height
    )
    return drafts.with_members(block, anchor=anchor)


def split_at_line_ends(runs: Iterable[Run]) -> Iterator[Run]:
    """Split runs at line ends; each line end becomes a run of its own."""
    for run in runs:
        if find_picture_style(run):
            yield run
        else:
            yield from (Run(part, run.styles) for part in _LINE_ENDS.split(run.text) if part)


def find_lone_pictures(blocks: Sequence[Block]) -> list[ImageBlock] | None:
    """Return the pictures of a figure that contains only pictures, bare, in figures or in a list: a gallery."""
    pictures: list[ImageBlock] = []
    for block in blocks:
        if block["type"] == "image":
            pictures.append(block)
            continue
        inner: list[ImageBlock] | None = None
        if block["type"] == "gallery" and block["caption"] is None:
            inner = block["images"]
        elif block["type"] == "list" and all(not item["items"] for item in block["items"]):
            inner = find_lone_pictures([each for item in block["items"] for each in item.get("blocks", ())])
            inner = inner if all(item.get("blocks") for item in block["items"]) else None
        if not inner:
            return None
        pictures += inner
    return pictures or None
