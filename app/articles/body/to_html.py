"""Blocks as HTML: the one form that is stored and served, made harmless by the allow-list."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from app.articles.body.inline import Element, nested, split
from app.articles.body.schemas import (
    Block,
    CodeBlock,
    EmbedBlock,
    ImageBlock,
    Inline,
    ListBlock,
    Mark,
    MarkType,
    NestedList,
    QuoteBlock,
    TableBlock,
)
from app.kit.html import sanitise

TAGS: Final[dict[MarkType, str]] = {
    "link": "a",
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
}


def render_html(blocks: Iterable[Block]) -> str:
    """Render blocks as sanitised HTML, one block a line.

    An embed is a figure with a link to what it shows, never a frame: front ends that want a player read the block.
    """
    return sanitise("\n".join(block_html(block) for block in blocks))


def block_html(block: Block) -> str:
    """Render one block as HTML that has not been sanitised yet."""
    match block["type"]:
        case "paragraph":
            return f"<p>{_inline(block)}</p>"
        case "heading":
            return f"<h{block['level']}>{_inline(block)}</h{block['level']}>"
        case "quote":
            return _quote(block)
        case "list":
            return _list(block)
        case "image":
            return _image(block)
        case "embed":
            return _embed(block)
        case "code":
            return _code(block)
        case "table":
            return _table(block)
        case "divider":
            return "<hr>"


def start_tag(mark: Mark) -> str:
    """Write the tag that opens a mark."""
    return f"<{TAGS[mark['type']]}{_attributes(href=mark['href'], title=mark['title'])}>"


def end_tag(mark: Mark) -> str:
    """Write the tag that closes a mark."""
    return f"</{TAGS[mark['type']]}>"


def _attributes(**values: str | int | None) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(str(v))}"' for name, v in values.items() if v is not None)


def _tree(nodes: Sequence[Element | str]) -> str:
    return "".join(
        escape(node, quote=False).replace("\n", "<br>")
        if isinstance(node, str)
        else f"{start_tag(node.mark)}{_tree(node.children)}{end_tag(node.mark)}"
        for node in nodes
    )


def _inline(content: Inline) -> str:
    return _tree(nested({"text": content["text"], "marks": content["marks"]}))


def _paragraphs(content: Inline) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in split(content))


def inline_html(content: Inline) -> str:
    """Render text with its marks, as HTML that has not been sanitised yet."""
    return _inline(content)


def paragraphs_html(content: Inline) -> list[str]:
    """Render each paragraph of a text as a `p` element."""
    return [f"<p>{_inline(part)}</p>" for part in split(content)]


def _quote(block: QuoteBlock) -> str:
    cite = f"<cite>{_inline(block['cite'])}</cite>" if block["cite"] else ""
    return f"<blockquote>{_paragraphs({'text': block['text'], 'marks': block['marks']})}{cite}</blockquote>"


def _list(content: ListBlock | NestedList) -> str:
    tag = "ol" if content["ordered"] else "ul"
    start = content["start"] if content["ordered"] and content["start"] != 1 else None
    entries: list[str] = []
    for item in content["items"]:
        several = "\n\n" in item["text"]
        text = _paragraphs({"text": item["text"], "marks": item["marks"]}) if several else _inline(item)
        entries.append(f"<li>{text}{_list(item['items']) if item['items'] else ''}</li>")
    return f"<{tag}{_attributes(start=start)}>{''.join(entries)}</{tag}>"


def _caption(block: ImageBlock | EmbedBlock) -> str:
    return f"<figcaption>{_inline(block)}</figcaption>" if block["text"] else ""


def _image(block: ImageBlock) -> str:
    names = _attributes(
        src=block["src"], alt=block["alt"], title=block["title"], width=block["width"], height=block["height"]
    )
    picture = f"<img{names}>"
    if block["link"]:
        picture = f"<a{_attributes(href=block['link'])}>{picture}</a>"
    return f"<figure>{picture}{_caption(block)}</figure>"


def _embed(block: EmbedBlock) -> str:
    names = _attributes(data_embed=block["url"], data_provider=block["provider"])
    label = escape(block["title"] or block["url"], quote=False)
    return f"<figure{names}><a{_attributes(href=block['url'])}>{label}</a>{_caption(block)}</figure>"


def _code(block: CodeBlock) -> str:
    names = _attributes(data_language=block["language"])
    return f"<pre{names}><code>{escape(block['text'], quote=False)}</code></pre>"


def _table(block: TableBlock) -> str:
    caption = f"<caption>{_inline(block['caption'])}</caption>" if block["caption"] else ""
    rows = [
        "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row)
        for index, row in enumerate(block["rows"])
        for tag in ["th" if index == 0 and block["header"] else "td"]
    ]
    head = f"<thead><tr>{rows.pop(0)}</tr></thead>" if block["header"] else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>{caption}{head}{f'<tbody>{body}</tbody>' if body else ''}</table>"
