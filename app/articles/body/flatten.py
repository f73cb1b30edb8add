"""What becomes of blocks inside a container that holds only text, such as a table cell or an entry of a list."""

from collections.abc import Iterator, Sequence

from app.articles.body.inline import split
from app.articles.body.schemas import Block, Inline, ListItem, NestedList


def texts(blocks: Sequence[Block]) -> tuple[list[Inline], list[Block]]:
    """Part the blocks of a container that holds only text into that text and the blocks that must follow it."""
    content: list[Inline] = []
    others: list[Block] = []
    for block in blocks:
        if block["type"] in {"paragraph", "heading", "quote"}:
            content += split({"text": block["text"], "marks": block["marks"]})
            content += [block["cite"]] if block["type"] == "quote" and block["cite"] else []
        elif block["type"] == "list":
            content += _entries(block["items"])
        elif block["type"] != "divider":
            others.append(block)
    return content, others


def _entries(items: Sequence[ListItem]) -> Iterator[Inline]:
    for item in items:
        yield from split({"text": item["text"], "marks": item["marks"]})
        yield from _entries(item["items"]["items"] if item["items"] else ())


def lists(blocks: Sequence[Block]) -> tuple[list[NestedList], list[Block]]:
    """Part lists from other blocks."""
    found: list[NestedList] = [
        {"ordered": block["ordered"], "start": block["start"], "items": block["items"]}
        for block in blocks
        if block["type"] == "list"
    ]
    return found, [block for block in blocks if block["type"] != "list"]


def one_list(found: Sequence[NestedList]) -> NestedList | None:
    """Make one list of several; the first says whether it is ordered."""
    return {**found[0], "items": [item for each in found for item in each["items"]]} if found else None


def is_attribution(content: Inline) -> bool:
    """Tell whether a paragraph of a quotation is marked from end to end as its source."""
    return any(m["type"] == "cite" and m["end"] - m["start"] == len(content["text"]) for m in content["marks"])
