"""Constructors of blocks without ids, in a canonical form."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, cast

from app.blocks.flatten import render_text
from app.blocks.inline import collapse_space, join_inlines, remove_marks
from app.blocks.schemas import (
    AudioBlock,
    Block,
    BoxBlock,
    CodeBlock,
    Content,
    Definition,
    DefinitionsBlock,
    DetailsBlock,
    DividerBlock,
    EmbedBlock,
    FootnotesBlock,
    GalleryBlock,
    HeadingBlock,
    ImageBlock,
    Inline,
    ListBlock,
    ListItem,
    MediaSource,
    MediaTrack,
    NestedList,
    Note,
    ParagraphBlock,
    QuoteBlock,
    TableBlock,
    TableCell,
    VideoBlock,
)
from app.blocks.urls import find_provider
from app.text.inputs import scrub_text

MAX_START: Final = 999_999_999
MAX_COLUMNS: Final = 200
MAX_CELLS: Final = 20_000
MAX_LIST_DEPTH: Final = 20
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,40}")
_MIME = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,60}(?:; ?codecs=\"?[\w., -]{1,60}\"?)?")
T = TypeVar("T", bound=Mapping[str, object])


def with_members(target: T, **members: object) -> T:
    """Add the members that are neither None nor False."""
    more = {name: value for name, value in members.items() if value is not None and value is not False}
    return cast(T, {**target, **more}) if more else target


def make_empty_text() -> Inline:
    """Make an empty text."""
    return {"text": "", "marks": []}


def clean_label(value: str | None) -> str | None:
    """Collapse the text of an attribute to one line; None if it is empty."""
    return collapse_space(value or "").strip() or None


def make_paragraph(content: Inline) -> ParagraphBlock:
    """Make a paragraph."""
    return {"id": "", "type": "paragraph", "text": content["text"], "marks": content["marks"]}


def make_heading(content: Inline, level: int) -> HeadingBlock:
    """Make a heading."""
    return {"id": "", "type": "heading", "text": content["text"], "marks": content["marks"], "level": level}


def _is_plain(block: Block) -> bool:
    return block["type"] == "paragraph" and not {"lang", "dir", "anchor"} & block.keys()


def make_content(blocks: Sequence[Block], separator: str = "\n\n") -> Content:
    """Make the content of a container: one text if it has only plain paragraphs, else its blocks."""
    if all(_is_plain(block) for block in blocks):
        inline = join_inlines([{"text": block["text"], "marks": block["marks"]} for block in blocks], separator)
        return {"text": inline["text"], "marks": inline["marks"]}
    return {"text": render_text(blocks), "marks": [], "blocks": list(blocks)}


def make_quote(blocks: Sequence[Block], cite: Inline | None) -> QuoteBlock:
    """Make a quotation."""
    source = remove_marks(cite, "cite") if cite else None
    return cast(QuoteBlock, {"id": "", "type": "quote", **make_content(blocks), "cite": source})


def make_nested_list(items: list[ListItem], *, ordered: bool, start: int | None = None, **more: object) -> NestedList:
    """Make a list inside another; without `start` it begins with 1, or ends with 1 if it is reversed."""
    first = start if start is not None else len(items) if more.get("reversed") else 1
    block: NestedList = {"ordered": ordered, "start": first if ordered else 1, "items": items}
    return with_members(block, **more)


def make_list(content: NestedList) -> ListBlock:
    """Make a list; raise ValueError if lists are nested too deeply."""
    text = "\n".join(_lines(content, 1))
    return cast(ListBlock, {"id": "", "type": "list", "text": text, "marks": [], **content})


def _lines(content: NestedList, depth: int) -> list[str]:
    if depth > MAX_LIST_DEPTH:
        raise ValueError("the lists are nested too deeply")
    lines: list[str] = []
    for item in content["items"]:
        box = {True: "☑ ", False: "☐ ", None: ""}[item.get("checked")]
        lines += [box + item["text"]] if item["text"] or box else []
        lines += _lines(item["items"], depth + 1) if item["items"] else []
    return lines


def make_item(blocks: Sequence[Block], *, value: int | None = None, checked: bool | None = None) -> ListItem:
    """Make a list item: a text with an optional list after it, anything else as blocks."""
    texts = list(blocks)
    below: NestedList | None = None
    if texts and texts[-1]["type"] == "list" and all(_is_plain(block) for block in texts[:-1]):
        last = texts.pop()
        kept = {name: part for name, part in last.items() if name not in {"id", "type", "text", "marks"}}
        below = cast(NestedList, kept)
    entry = cast(ListItem, {**make_content(texts), "items": below})
    if checked is not None:
        entry["checked"] = checked
    return with_members(entry, value=value)


def make_image(
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
        "text": "",
        "marks": [],
        "src": src,
        "alt": alt,
        "title": title,
        "link": link,
        "width": width,
        "height": height,
    }


def make_gallery(images: Sequence[ImageBlock], caption: Inline | None) -> GalleryBlock:
    """Make a gallery."""
    text = "\n".join(image["text"] for image in images if image["text"])
    return {"id": "", "type": "gallery", "text": text, "marks": [], "images": list(images), "caption": caption}


def clean_mime(value: str | None) -> str | None:
    """Return a valid media type as in HTML's `type` attribute, or None."""
    value = (value or "").strip()
    return value if _MIME.fullmatch(value) else None


def _make_media(
    type_: str, files: Sequence[MediaSource], tracks: Sequence[MediaTrack], title: str | None
) -> dict[str, object]:
    return {
        "id": "",
        "type": type_,
        "text": "",
        "marks": [],
        "src": files[0]["src"],
        "mime": files[0]["mime"],
        "title": title,
        "sources": list(files[1:]),
        "tracks": list(tracks),
    }


def make_audio(
    files: Sequence[MediaSource], tracks: Sequence[MediaTrack] = (), *, title: str | None = None
) -> AudioBlock:
    """Make an audio block without a caption; a browser plays the first file that it supports."""
    return cast(AudioBlock, _make_media("audio", files, tracks, title))


def make_video(
    files: Sequence[MediaSource],
    tracks: Sequence[MediaTrack] = (),
    *,
    title: str | None = None,
    poster: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> VideoBlock:
    """Make a video block without a caption, like `make_audio`."""
    media = _make_media("video", files, tracks, title)
    return cast(VideoBlock, {**media, "poster": poster, "width": width, "height": height})


def make_embed(url: str, title: str | None, blocks: Sequence[Block] = ()) -> EmbedBlock:
    """Make an embed without a caption; a title that only repeats the URL is left out."""
    title = title if title != url else None
    block: EmbedBlock = {
        "id": "",
        "type": "embed",
        "text": "",
        "marks": [],
        "url": url,
        "provider": None,
        "title": title,
    }
    block["provider"] = find_provider(url)
    return with_members(block, blocks=list(blocks) or None)


def make_code(text: str, language: str | None) -> CodeBlock:
    """Make a code block without line breaks at its ends."""
    valid_language = language if language and _LANGUAGE.fullmatch(language) else None
    # U+0338 at the start would combine with the tag before it when the HTML is normalised.
    text = scrub_text(text).lstrip("\n\u0338").rstrip("\n")
    return {"id": "", "type": "code", "text": text, "marks": [], "language": valid_language}


def make_empty_cell() -> TableCell:
    """Make an empty cell."""
    return {"text": "", "marks": []}


def make_table(rows: Sequence[Sequence[TableCell]], *, header: bool, caption: Inline | None) -> TableBlock:
    """Make a table, filling short rows; raise ValueError if it has too many cells."""
    columns = max(len(row) for row in rows)
    if columns > MAX_COLUMNS or columns * len(rows) > MAX_CELLS:
        raise ValueError(f"a table has more than {MAX_COLUMNS} columns or {MAX_CELLS} cells")
    full = [[*row, *(make_empty_cell() for _ in range(columns - len(row)))] for row in rows]
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


def make_divider() -> DividerBlock:
    """Make a divider."""
    return {"id": "", "type": "divider", "text": "", "marks": []}


def make_definitions(items: Sequence[Definition]) -> DefinitionsBlock:
    """Make a definition list."""
    lines = [part["text"] for item in items for part in (*item["terms"], *item["meanings"]) if part["text"]]
    return {"id": "", "type": "definitions", "text": "\n".join(lines), "marks": [], "items": list(items)}


def make_details(summary: Inline, blocks: Sequence[Block], *, opened: bool = False) -> DetailsBlock:
    """Make a details block."""
    text = "\n\n".join(filter(None, [summary["text"], render_text(blocks)]))
    return {
        "id": "",
        "type": "details",
        "text": text,
        "marks": [],
        "summary": summary,
        "open": opened,
        "blocks": list(blocks),
    }


def make_box(kind: str | None, blocks: Sequence[Block]) -> BoxBlock:
    """Make a box."""
    return {
        "id": "",
        "type": "box",
        "text": render_text(blocks),
        "marks": [],
        "kind": kind,
        "blocks": list(blocks),
    }


def make_footnotes(notes: Sequence[Note]) -> FootnotesBlock:
    """Make the footnotes."""
    text = "\n".join(f"{footnote_label(n)} {note['text']}" for n, note in enumerate(notes, 1))
    return {"id": "", "type": "footnotes", "text": text, "marks": [], "notes": list(notes)}


def footnote_label(number: int) -> str:
    """Return the text of a reference to a footnote."""
    return f"[{number}]"


def add_caption(block: Block, caption: Inline) -> Block | None:
    """Return the block with a caption; None if its type has none, or if it already has one."""
    if block["type"] in {"image", "embed", "audio", "video"} and not block["text"]:
        return cast(Block, {**block, "text": caption["text"], "marks": caption["marks"]})
    if (block["type"] == "table" or block["type"] == "gallery") and block["caption"] is None:
        return cast(Block, {**block, "caption": caption})
    if block["type"] == "quote" and block["cite"] is None:
        return {**block, "cite": remove_marks(caption, "cite")}
    return None
