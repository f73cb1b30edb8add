"""Rendering blocks as sanitised HTML."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from app.blocks.html_tables import count_head_rows, iter_shown_cells
from app.blocks.inline import NO_ALT, Element, nest_marks, split_paragraphs
from app.blocks.schemas import (
    AudioBlock,
    Block,
    BoxBlock,
    CodeBlock,
    Content,
    DefinitionsBlock,
    DetailsBlock,
    EmbedBlock,
    FootnotesBlock,
    GalleryBlock,
    ImageBlock,
    Inline,
    ListBlock,
    ListItem,
    Mark,
    MarkType,
    MediaSource,
    NestedList,
    QuoteBlock,
    TableBlock,
    TableCell,
    VideoBlock,
)
from app.text.html import sanitise

TAGS: Final[dict[MarkType, str]] = {
    "anchor": "span",
    "link": "a",
    "span": "span",
    "override": "bdo",
    "isolate": "bdi",
    "abbreviation": "abbr",
    "quotation": "q",
    "cite": "cite",
    "strong": "strong",
    "emphasis": "em",
    "underline": "u",
    "strike": "s",
    "insertion": "ins",
    "highlight": "mark",
    "small": "small",
    "superscript": "sup",
    "subscript": "sub",
    "code": "code",
    "footnote": "sup",
    "image": "img",
}


def render_html(blocks: Iterable[Block]) -> str:
    """Render blocks as sanitised HTML, one block per line.

    An embed is a figure with a link to what it shows, never a frame: front ends that want a player read the block.
    """
    return sanitise("\n".join(render_block(block) for block in blocks))


_FIRST_TAG: Final = re.compile(r"<[a-z][a-z0-9]*")


def render_html_with_ids(blocks: Iterable[Block]) -> str:
    """Render blocks as `render_html` does, each with its id as `data-block-id`."""
    return "\n".join(_add_id(sanitise(render_block(block)), block["id"]) for block in blocks)


def _add_id(html: str, block_id: str) -> str:
    return _FIRST_TAG.sub(lambda tag: f'{tag[0]} data-block-id="{escape(block_id)}"', html, count=1)


def render_block(block: Block) -> str:
    """Render a block as HTML that is not sanitised."""
    match block["type"]:
        case "paragraph":
            return f"<p{_common(block)}>{_inline(block)}</p>"
        case "heading":
            return f"<h{block['level']}{_common(block)}>{_inline(block)}</h{block['level']}>"
        case "quote":
            return _quote(block)
        case "list":
            return _list(block, _common(block))
        case "image":
            return _image(block)
        case "gallery":
            return _gallery(block)
        case "audio":
            return _recording(block, "")
        case "video":
            return _recording(block, _attributes(poster=block["poster"], width=block["width"], height=block["height"]))
        case "embed":
            return _embed(block)
        case "code":
            return _code(block)
        case "table":
            return _table(block)
        case "divider":
            return f"<hr{_common(block)}>"
        case "definitions":
            return _definitions(block)
        case "details":
            return f"{details_start(block)}{_blocks(block['blocks'])}</details>"
        case "box":
            return f"{box_start(block)}{_blocks(block['blocks'])}</aside>"
        case "footnotes":
            return _footnotes(block)


def start_tag(mark: Mark) -> str:
    """Render the opening tag of a mark; that of a picture is the whole element."""
    kind = mark["type"]
    if kind == "footnote":
        note = mark.get("note", "")
        return f"<sup{_attributes(data_fn=note)}><a{_attributes(href=f'#{note}')}>"
    values = {"href": mark["href"], "title": mark["title"], "id": mark.get("anchor")}
    return f"<{TAGS[kind]}{_attributes(**values, lang=mark.get('lang'), dir=mark.get('dir'))}>"


def end_tag(mark: Mark) -> str:
    """Render the closing tag of a mark."""
    return "</a></sup>" if mark["type"] == "footnote" else f"</{TAGS[mark['type']]}>"


def inline_picture(mark: Mark, text: str) -> str:
    """Render an inline picture."""
    alt = "" if text == NO_ALT else text
    sizes = {"width": mark.get("width"), "height": mark.get("height")}
    return f"<img{_attributes(src=mark.get('src'), alt=alt, title=mark['title'], **sizes)}>"


def mark_text(node: Element) -> str:
    """Return the text of a mark without nested marks."""
    return "".join(child if isinstance(child, str) else mark_text(child) for child in node.children)


def details_start(block: DetailsBlock) -> str:
    """Render the beginning of a details block with its summary."""
    opened = ' open=""' if block["open"] else ""
    return f"<details{_common(block)}{opened}><summary>{_inline(block['summary'])}</summary>"


def box_start(block: BoxBlock) -> str:
    """Render the beginning of a box."""
    return f"<aside{_common(block)}{_attributes(data_kind=block['kind'])}>"


def _attributes(**values: str | int | None) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(str(v))}"' for name, v in values.items() if v is not None)


def _common(block: Block | NestedList) -> str:
    return _attributes(id=block.get("anchor"), lang=block.get("lang"), dir=block.get("dir"))


def _tree(nodes: Sequence[Element | str]) -> str:
    return "".join(
        escape(node, quote=False).replace("\n", "<br>")
        if isinstance(node, str)
        else inline_picture(node.mark, mark_text(node))
        if node.mark["type"] == "image"
        else f"{start_tag(node.mark)}{_tree(node.children)}{end_tag(node.mark)}"
        for node in nodes
    )


def _inline(content: Inline) -> str:
    return _tree(nest_marks({"text": content["text"], "marks": content["marks"]}))


def _paragraphs(content: Inline) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in split_paragraphs(content))


def render_inline(content: Inline) -> str:
    """Render text with its marks as HTML that is not sanitised."""
    return _inline(content)


def render_paragraphs(content: Inline) -> list[str]:
    """Render each paragraph of a text as a `p` element."""
    return [f"<p>{_inline(part)}</p>" for part in split_paragraphs(content)]


def _blocks(blocks: Iterable[Block]) -> str:
    return "".join(render_block(block) for block in blocks)


def _content(content: Content | ListItem, *, always_blocks: bool = False) -> str:
    """Render the content of a container; a single paragraph has no tags."""
    if "blocks" in content:
        return _blocks(content["blocks"])
    several = always_blocks or "\n\n" in content["text"]
    return _paragraphs(content) if several else _inline(content)


def _quote(block: QuoteBlock) -> str:
    cite = f"<cite>{_inline(block['cite'])}</cite>" if block["cite"] else ""
    inside = _blocks(block["blocks"]) if "blocks" in block else _paragraphs(block)
    return f"<blockquote{_common(block)}>{inside}{cite}</blockquote>"


def _list(content: ListBlock | NestedList, common: str) -> str:
    tag = "ol" if content["ordered"] else "ul"
    usual = len(content["items"]) if content.get("reversed") else 1
    start = content["start"] if content["ordered"] and content["start"] != usual else None
    flags = ' reversed=""' if content.get("reversed") else ""
    entries: list[str] = []
    for item in content["items"]:
        below = _list(item["items"], _common(item["items"])) if item["items"] else ""
        entries.append(f"<li{_attributes(value=item.get('value'))}>{task_box(item)}{_content(item)}{below}</li>")
    return f"<{tag}{common}{_attributes(start=start, type=content.get('style'))}{flags}>{''.join(entries)}</{tag}>"


def task_box(item: ListItem) -> str:
    """Render the checkbox of a task."""
    if "checked" not in item:
        return ""
    checked = ' checked=""' if item["checked"] else ""
    return f'<input type="checkbox" disabled=""{checked}> '


def _caption(content: Inline | None) -> str:
    return f"<figcaption>{_inline(content)}</figcaption>" if content and content["text"] else ""


def _picture(block: ImageBlock) -> str:
    names = _attributes(
        src=block["src"], alt=block["alt"], title=block["title"], width=block["width"], height=block["height"]
    )
    return f"<a{_attributes(href=block['link'])}><img{names}></a>" if block["link"] else f"<img{names}>"


def _image(block: ImageBlock) -> str:
    return f"<figure{_common(block)}>{_picture(block)}{_caption(block)}</figure>"


def _gallery(block: GalleryBlock) -> str:
    inside = "".join(_image(image) for image in block["images"])
    return f'<figure{_common(block)} data-gallery="">{inside}{_caption(block["caption"])}</figure>'


def _recording(block: AudioBlock | VideoBlock, more: str) -> str:
    files: list[MediaSource] = [{"src": block["src"], "mime": block["mime"]}, *block["sources"]]
    lone = len(files) == 1 and block["mime"] is None
    sources = "" if lone else "".join(f"<source{_attributes(src=f['src'], type=f['mime'])}>" for f in files)
    tracks = ""
    for track in block["tracks"]:
        names = _attributes(kind=track["kind"], src=track["src"], srclang=track["lang"], label=track["label"])
        tracks += f"<track{names}{' default=' + chr(34) * 2 if track['default'] else ''}>"
    own = _attributes(src=block["src"] if lone else None, title=block["title"])
    player = f'<{block["type"]} controls=""{own}{more}>{sources}{tracks}</{block["type"]}>'
    return f"<figure{_common(block)}>{player}{_caption(block)}</figure>"


def _embed(block: EmbedBlock) -> str:
    names = _attributes(data_embed=block["url"], data_provider=block["provider"])
    label = escape(block["title"] or block["url"], quote=False)
    text = f"<blockquote>{_blocks(block['blocks'])}</blockquote>" if "blocks" in block else ""
    link = f"<a{_attributes(href=block['url'])}>{label}</a>"
    return f"<figure{_common(block)}{names}>{text}{link}{_caption(block)}</figure>"


def _code(block: CodeBlock) -> str:
    names = _attributes(data_language=block["language"])
    return f"<pre{_common(block)}{names}><code>{escape(block['text'], quote=False)}</code></pre>"


def _cell(cell: TableCell, tag: str) -> str:
    spans = _attributes(colspan=cell.get("colspan"), rowspan=cell.get("rowspan"))
    attributes = _attributes(scope=cell.get("scope"), align=cell.get("align"))
    inside = _blocks(cell["blocks"]) if "blocks" in cell else _inline(cell)
    return f"<{tag}{spans}{attributes}>{inside}</{tag}>"


def _table(block: TableBlock) -> str:
    caption = f"<caption>{_inline(block['caption'])}</caption>" if block["caption"] else ""
    rows: list[str] = []
    for index, row in enumerate(iter_shown_cells(block["rows"])):
        is_head = index == 0 and block["header"]
        cells = "".join(_cell(cell, "th" if is_head or cell.get("header") else "td") for cell in row)
        rows.append(f"<tr>{cells}</tr>")
    first = count_head_rows(block["rows"]) if block["header"] else 0
    head, body = "".join(rows[:first]), "".join(rows[first:])
    parts = [f"<thead>{head}</thead>" if head else "", f"<tbody>{body}</tbody>" if body else ""]
    return f"<table{_common(block)}>{caption}{''.join(parts)}</table>"


def _definitions(block: DefinitionsBlock) -> str:
    items: list[str] = []
    for item in block["items"]:
        items += [f"<dt>{_inline(term)}</dt>" for term in item["terms"]]
        items += [f"<dd>{_content(meaning)}</dd>" for meaning in item["meanings"]]
    return f"<dl{_common(block)}>{''.join(items)}</dl>"


def _footnotes(block: FootnotesBlock) -> str:
    notes = [f"<li{_attributes(id=note['id'])}>{_content(note)}</li>" for note in block["notes"]]
    return f'<ol{_common(block)} data-footnotes="">{"".join(notes)}</ol>'
