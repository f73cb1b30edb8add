"""Blocks before they have an id, each made in the one form that equal content always has."""

import re
from collections.abc import Sequence
from typing import Final

from app.articles.body.inline import flat, joined, without
from app.articles.body.schemas import (
    Block,
    CodeBlock,
    DividerBlock,
    EmbedBlock,
    HeadingBlock,
    ImageBlock,
    Inline,
    ListBlock,
    ListItem,
    NestedList,
    ParagraphBlock,
    QuoteBlock,
    TableBlock,
)
from app.articles.body.urls import provider
from app.kit.text import scrub

MAX_START: Final = 999_999_999
MAX_COLUMNS: Final = 200
MAX_CELLS: Final = 20_000
MAX_LIST_DEPTH: Final = 20
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,40}")


def empty() -> Inline:
    """Make a text of no characters."""
    return {"text": "", "marks": []}


def label(value: str | None) -> str | None:
    """Make an attribute's text fit for one line; None when nothing is left."""
    return flat(value or "").strip() or None


def paragraph(content: Inline) -> ParagraphBlock:
    """Make a paragraph."""
    return {"id": "", "type": "paragraph", **content}


def heading(content: Inline, level: int) -> HeadingBlock:
    """Make a heading."""
    return {"id": "", "type": "heading", **content, "level": level}


def quote(content: Sequence[Inline], cite: Inline | None) -> QuoteBlock:
    """Make a quotation of paragraphs."""
    return {"id": "", "type": "quote", **joined(content), "cite": without(cite, "cite") if cite else None}


def listing(content: NestedList) -> ListBlock:
    """Make a list; raise ValueError when lists are nested too deeply."""
    text = "\n".join(_lines(content, 1))
    return {"id": "", "type": "list", "text": text, "marks": [], **content}


def _lines(content: NestedList, depth: int) -> list[str]:
    if depth > MAX_LIST_DEPTH:
        raise ValueError("the lists are nested too deeply")
    lines: list[str] = []
    for item in content["items"]:
        lines += [item["text"]] if item["text"] else []
        lines += _lines(item["items"], depth + 1) if item["items"] else []
    return lines


def item(content: Sequence[Inline], below: NestedList | None) -> ListItem:
    """Make an entry of a list."""
    return {**joined(content), "items": below}


def image(
    src: str,
    *,
    alt: str = "",
    title: str | None = None,
    link: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> ImageBlock:
    """Make a picture without a caption."""
    return {
        "id": "",
        "type": "image",
        **empty(),
        "src": src,
        "alt": alt,
        "title": title,
        "link": link,
        "width": width,
        "height": height,
    }


def embed(url: str, title: str | None) -> EmbedBlock:
    """Make an embed without a caption; a title that only repeats the address is left out."""
    title = title if title != url else None
    return {"id": "", "type": "embed", **empty(), "url": url, "provider": provider(url), "title": title}


def code(text: str, language: str | None) -> CodeBlock:
    """Make a block of code; line breaks around it are not part of it."""
    known = language if language and _LANGUAGE.fullmatch(language) else None
    # A stroke (U+0338) at the start would melt into the tag before it when the HTML is normalised.
    text = scrub(text).lstrip("\n\u0338").rstrip("\n")
    return {"id": "", "type": "code", "text": text, "marks": [], "language": known}


def table(rows: Sequence[Sequence[Inline]], *, header: bool, caption: Inline | None) -> TableBlock:
    """Make a table, short rows filled up; raise ValueError when it has too many cells."""
    columns = max(len(row) for row in rows)
    if columns > MAX_COLUMNS or columns * len(rows) > MAX_CELLS:
        raise ValueError(f"a table has more than {MAX_COLUMNS} columns or {MAX_CELLS} cells")
    full = [[*row, *(empty() for _ in range(columns - len(row)))] for row in rows]
    text = "\n".join("\t".join(cell["text"] for cell in row) for row in full)
    return {
        "id": "",
        "type": "table",
        "text": text,
        "marks": [],
        "header": header,
        "rows": full,
        "caption": caption,
    }


def divider() -> DividerBlock:
    """Make a divider."""
    return {"id": "", "type": "divider", "text": "", "marks": []}


def captioned(block: Block, caption: Inline) -> Block | None:
    """Give the block with the caption put where its kind keeps one; None if it has no such place, or it is taken."""
    if block["type"] == "image" and not block["text"]:
        return {**block, "text": caption["text"], "marks": caption["marks"]}
    if block["type"] == "embed" and not block["text"]:
        return {**block, "text": caption["text"], "marks": caption["marks"]}
    if block["type"] == "table" and block["caption"] is None:
        return {**block, "caption": caption}
    if block["type"] == "quote" and block["cite"] is None:
        return {**block, "cite": without(caption, "cite")}
    return None
