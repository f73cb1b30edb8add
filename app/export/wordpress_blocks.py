"""Write an article's blocks as the core blocks of WordPress, as its block editor saves them.

The editor compares the markup of a post with what the block itself would save, and reports differences as errors, so
the markup here is exactly that of the `save` functions of WordPress's block library. Where WordPress has no core block,
a Custom HTML block (`wp:html`) holds the markup.
"""

import json
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from app.blocks.schemas import (
    Block,
    CodeBlock,
    EmbedBlock,
    HeadingBlock,
    ImageBlock,
    ListBlock,
    NestedList,
    ParagraphBlock,
    QuoteBlock,
    TableBlock,
)
from app.blocks.to_html import render_block, render_inline, render_paragraphs
from app.db.rows import JsonObject

_BARE_URL: Final = re.compile(r"(<(?:p|li|td|th|figcaption|blockquote|cite)[^<>]*>\s*https?):", re.IGNORECASE)
_VIDEO_PROVIDERS: Final = frozenset({"youtube", "vimeo", "dailymotion", "tiktok", "ted"})


def to_wordpress(blocks: Iterable[Block], absolute: Callable[[str], str]) -> str:
    """Write blocks as the content of a WordPress post.

    `absolute` completes the URL of a picture. Brackets are escaped, since they would be shortcodes, and so are URLs
    that stand alone, which would become players.
    """
    text = "\n\n".join(_block(block, absolute) for block in blocks)
    return _BARE_URL.sub(r"\1&#58;", text)


def _is_core(block: Block) -> bool:
    """Return whether a core block can hold everything that a block holds."""
    if "lang" in block or "dir" in block or ("anchor" in block and block["type"] != "heading"):
        return False
    if block["type"] == "list":
        return _is_core_list(block)
    if block["type"] == "table":
        return all(cell.keys() <= {"text", "marks"} for row in block["rows"] for cell in row)
    return True


def _is_core_list(content: ListBlock | NestedList) -> bool:
    return not content.keys() & {"style", "reversed", "lang", "dir", "anchor"} and all(
        not item.keys() & {"blocks", "value", "checked"} and (item["items"] is None or _is_core_list(item["items"]))
        for item in content["items"]
    )


def _block(block: Block, absolute: Callable[[str], str]) -> str:
    if not _is_core(block):
        return _wrap("html", {}, _escape_brackets(render_block(block)))
    match block["type"]:
        case "paragraph":
            return _paragraph(block)
        case "heading":
            return _heading(block)
        case "quote":
            return _quote(block, absolute)
        case "list":
            return _list(block)
        case "image":
            return _image(block, absolute)
        case "embed":
            return _embed(block)
        case "code":
            return _code(block)
        case "table":
            return _table(block)
        case "divider":
            return _wrap("separator", {}, '<hr class="wp-block-separator has-alpha-channel-opacity"/>')
        case _:
            return _wrap("html", {}, _escape_brackets(render_block(block)))


def _escape_brackets(html: str) -> str:
    return html.replace("[", "&#91;")


def _wrap(name: str, attributes: JsonObject, html: str) -> str:
    """Put the comments of a block around its markup; its attributes are JSON that cannot end the comment."""
    text = json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    text = text.replace("--", "\\u002d\\u002d")
    return f"<!-- wp:{name} {f'{text} ' if attributes else ''}-->\n{html}\n<!-- /wp:{name} -->"


def _paragraph(block: ParagraphBlock) -> str:
    return _wrap("paragraph", {}, f"<p>{_escape_brackets(render_inline(block))}</p>")


def _heading(block: HeadingBlock) -> str:
    level = block["level"]
    anchor = f' id="{escape(block["anchor"])}"' if "anchor" in block else ""
    html = f'<h{level} class="wp-block-heading"{anchor}>{_escape_brackets(render_inline(block))}</h{level}>'
    return _wrap("heading", {"level": level} if level != 2 else {}, html)


def _quote(block: QuoteBlock, absolute: Callable[[str], str]) -> str:
    if "blocks" in block:
        inner = "\n\n".join(_block(each, absolute) for each in block["blocks"])
    else:
        paragraphs = render_paragraphs({"text": block["text"], "marks": block["marks"]})
        inner = _escape_brackets("\n\n".join(_wrap("paragraph", {}, paragraph) for paragraph in paragraphs))
    cite = f"<cite>{render_inline(block['cite'])}</cite>" if block["cite"] else ""
    return _wrap("quote", {}, f'<blockquote class="wp-block-quote">{inner}{_escape_brackets(cite)}</blockquote>')


def _list(content: ListBlock | NestedList) -> str:
    is_ordered, start = content["ordered"], content["start"]
    attributes: JsonObject = {"ordered": True} if is_ordered else {}
    number = ""
    if is_ordered and start != 1:
        attributes["start"], number = start, f'start="{start}" '
    items = "\n\n".join(
        _wrap(
            "list-item",
            {},
            f"<li>{_escape_brackets(render_inline(item))}{_list(item['items']) if item['items'] else ''}</li>",
        )
        for item in content["items"]
    )
    tag = "ol" if is_ordered else "ul"
    return _wrap("list", attributes, f'<{tag} {number}class="wp-block-list">{items}</{tag}>')


def _caption(html: str) -> str:
    return f'<figcaption class="wp-element-caption">{_escape_brackets(html)}</figcaption>' if html else ""


def _image(block: ImageBlock, absolute: Callable[[str], str]) -> str:
    title = f' title="{escape(block["title"])}"' if block["title"] else ""
    picture = f'<img src="{escape(absolute(block["src"]))}" alt="{escape(block["alt"])}"{title}/>'
    attributes: JsonObject = {}
    if block["link"]:
        picture = f'<a href="{escape(block["link"])}">{picture}</a>'
        attributes["linkDestination"] = "custom"
    html = f'<figure class="wp-block-image">{_escape_brackets(picture)}{_caption(render_inline(block))}</figure>'
    return _wrap("image", attributes, html)


def _embed(block: EmbedBlock) -> str:
    provider, url = block["provider"], block["url"]
    kind = "video" if provider in _VIDEO_PROVIDERS else "rich"
    attributes: JsonObject = {"url": url, "type": kind}
    classes = f"wp-block-embed is-type-{kind}"
    if provider:
        attributes["providerNameSlug"] = provider
        classes += f" is-provider-{provider} wp-block-embed-{provider}"
    frame = f'<div class="wp-block-embed__wrapper">\n{_escape_brackets(escape(url))}\n</div>'
    return _wrap("embed", attributes, f'<figure class="{classes}">{frame}{_caption(render_inline(block))}</figure>')


def _code(block: CodeBlock) -> str:
    language = f"language-{block['language']}" if block["language"] else ""
    classes = f"wp-block-code {escape(language)}".strip()
    html = f'<pre class="{classes}"><code>{_escape_brackets(escape(block["text"], quote=False))}</code></pre>'
    return _wrap("code", {"className": language} if language else {}, html)


def _table(block: TableBlock) -> str:
    rows = [
        "<tr>" + "".join(f"<{tag}>{render_inline(cell)}</{tag}>" for cell in row) + "</tr>"
        for index, row in enumerate(block["rows"])
        for tag in ["th" if index == 0 and block["header"] else "td"]
    ]
    head = f"<thead>{rows.pop(0)}</thead>" if block["header"] else ""
    body = f"<tbody>{''.join(rows)}</tbody>" if rows else ""
    caption = _caption(render_inline(block["caption"])) if block["caption"] else ""
    html = f'<figure class="wp-block-table"><table>{_escape_brackets(head + body)}</table>{caption}</figure>'
    return _wrap("table", {"hasFixedLayout": False}, html)
