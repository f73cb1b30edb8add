"""Plain text of blocks, and traversal of nested blocks."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from app.blocks.inline import NO_ALT
from app.blocks.schemas import Block, Content, Inline, ListItem

SEPARATOR: Final = "\n\n"


class BlockSpan(NamedTuple):
    """The range of a block in the plain text of its body, in code points."""

    id: str
    start: int
    end: int


def _texts(block: Block) -> list[str]:
    if block["type"] == "quote":
        extra = block["cite"]["text"] if block["cite"] else ""
    elif block["type"] == "table" or block["type"] == "gallery":
        extra = block["caption"]["text"] if block["caption"] else ""
    elif block["type"] == "embed":
        extra = render_text(block.get("blocks", ()))
    else:
        extra = ""
    return [block["text"], extra]


def render_text(blocks: Iterable[Block]) -> str:
    """Render blocks as plain text with an empty line between them; a caption or source follows its block."""
    return SEPARATOR.join(text for block in blocks for text in _texts(block) if text)


def map_blocks(blocks: Iterable[Block]) -> list[BlockSpan]:
    """Return the range of each block in the text of `render_text`; blocks without text are left out."""
    spans: list[BlockSpan] = []
    position = 0
    for block in blocks:
        for index, text in enumerate(_texts(block)):
            if not text:
                continue
            if index == 0:
                spans.append(BlockSpan(block["id"], position, position + len(text)))
            position += len(text) + len(SEPARATOR)
    return spans


def running_text_of(blocks: Iterable[Block]) -> str:
    """Return the running text of blocks for excerpts, without footnote references and inline pictures."""
    return " ".join(_spoken(block) for block in blocks if block["type"] in {"paragraph", "quote", "list"})


def _spoken(block: Inline) -> str:
    text, end = block["text"], len(block["text"])
    parts: list[str] = []
    for mark in sorted((m for m in block["marks"] if m["type"] == "footnote"), key=lambda m: -m["start"]):
        parts.append(text[mark["end"] : end])
        end = mark["start"]
    parts.append(text[:end])
    return "".join(reversed(parts)).replace(NO_ALT, "")


def is_attribution(content: Inline) -> bool:
    """Tell whether a whole paragraph of a quotation is marked as its source."""
    return any(m["type"] == "cite" and m["end"] - m["start"] == len(content["text"]) for m in content["marks"])


def iter_inner_lists(block: Block) -> Iterator[list[Block]]:
    """Yield the lists of blocks that are direct children of a block, in order."""
    if block["type"] in {"details", "box", "quote", "embed"} and "blocks" in block:
        yield block["blocks"]
    elif block["type"] == "list":
        yield from _entries(block["items"])
    elif block["type"] == "table":
        yield from _held(cell for row in block["rows"] for cell in row)
    elif block["type"] == "definitions":
        yield from _held(meaning for item in block["items"] for meaning in item["meanings"])
    elif block["type"] == "footnotes":
        yield from _held(block["notes"])
    elif block["type"] == "gallery":
        yield list(block["images"])


def _held(contents: Iterable[Content]) -> Iterator[list[Block]]:
    yield from (content["blocks"] for content in contents if "blocks" in content)


def _entries(items: Iterable[ListItem]) -> Iterator[list[Block]]:
    for item in items:
        if "blocks" in item:
            yield item["blocks"]
        if item["items"]:
            yield from _entries(item["items"]["items"])
