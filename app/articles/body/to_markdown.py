"""Blocks as CommonMark with tables and strikethrough; what Markdown cannot say is written as HTML inside it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from app.articles.body.inline import Element, nested, split
from app.articles.body.schemas import Block, CodeBlock, ImageBlock, Inline, ListItem, NestedList, QuoteBlock, TableBlock
from app.articles.body.to_html import block_html, end_tag, start_tag

_SPECIAL = re.compile(r"[\\`*\[\]<~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_LINE_START = re.compile(r"^(?:[#>+\-=:]|([0-9]{1,9})(?=[.)](?:\s|$)))", re.MULTILINE)
_TRAILING_HASHES = re.compile(r"(#+)$")
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/?#@!$',;=%.~+-]+")
_ASCII_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_FENCES: Final = {"strong": "**", "strike": "~~", "emphasis": "_"}


class _Around(NamedTuple):
    """The characters before and after a piece of text; empty at the ends of its block."""

    before: str
    after: str


def render_markdown(blocks: Iterable[Block]) -> str:
    """Render blocks as Markdown from which the same blocks can be read again."""
    parts: list[str] = []
    previous: Block | None = None
    for block in blocks:
        if previous is not None and previous["type"] == block["type"] == "list":
            # Two lists that follow each other would be read as one.
            parts.append("<!-- -->")
        parts.append(_block(block))
        previous = block
    return "\n\n".join(parts)


def _block(block: Block) -> str:
    match block["type"]:
        case "paragraph":
            return _lines({"text": block["text"], "marks": block["marks"]})
        case "heading":
            text = _inline({"text": block["text"], "marks": block["marks"]}, "<br>")
            return "#" * block["level"] + " " + _TRAILING_HASHES.sub(r"\\\1", _guarded(text))
        case "quote":
            return _quote(block)
        case "list":
            return _list({"ordered": block["ordered"], "start": block["start"], "items": block["items"]})
        case "image":
            return _image(block)
        case "code":
            return _code(block)
        case "table":
            return _table(block)
        case "divider":
            return "---"
        case "embed":
            return block_html(block)


def _escaped(text: str, line_break: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match.group(), text).replace("\n", line_break)


def _guarded(text: str) -> str:
    return _LINE_START.sub(lambda match: f"{match[1]}\\" if match[1] else f"\\{match.group()}", text)


def _lines(content: Inline) -> str:
    return _guarded(_inline(content, "\\\n"))


def _inline(content: Inline, line_break: str) -> str:
    return _tree(nested(content), line_break, _Around("", ""))


def _edge(node: Element | str, index: int) -> str:
    """Give the first or last character that a node shows; a mark begins and ends with punctuation."""
    return node[index] if isinstance(node, str) else "*"


def _tree(nodes: Sequence[Element | str], line_break: str, around: _Around) -> str:
    parts: list[str] = []
    for index, node in enumerate(nodes):
        before = _edge(nodes[index - 1], -1) if index else around.before
        after = _edge(nodes[index + 1], 0) if index + 1 < len(nodes) else around.after
        if isinstance(node, str):
            text = _escaped(node, line_break)
            # An exclamation mark would make an image of a link that follows it.
            parts.append(f"{text[:-1]}\\!" if text.endswith("!") and index + 1 < len(nodes) else text)
        else:
            parts.append(_element(node, line_break, _Around(before, after)))
    return "".join(parts)


def _element(node: Element, line_break: str, around: _Around) -> str:
    kind = node.mark["type"]
    if kind == "code" and (code := _code_span(node)):
        return code
    text = _tree(node.children, line_break, _Around("*", "*"))
    if kind == "link":
        return f"[{text}]({_address(node.mark['href'] or '')}{_title(node.mark['title'])})"
    fence = _FENCES.get(kind)
    if fence and _can_fence(node, around, inside_words=fence != "_"):
        return f"{fence}{text}{fence}"
    return f"{start_tag(node.mark)}{text}{end_tag(node.mark)}"


def _can_fence(node: Element, around: _Around, *, inside_words: bool) -> bool:
    """Tell, on the safe side, whether Markdown sees delimiters around this node as opening and closing a mark."""
    first, last = _edge(node.children[0], 0), _edge(node.children[-1], -1)
    if first.isspace() or last.isspace():
        return False
    free = all(char in {"", " ", "\n"} or char in _ASCII_PUNCTUATION for char in around)
    return free or (
        inside_words and first.isalnum() and last.isalnum() and all(char.isalnum() for char in around if char)
    )


def _code_span(node: Element) -> str | None:
    text = node.children[0]
    if not isinstance(text, str) or len(node.children) > 1 or "\n" in text or "|" in text:
        return None
    if text[0] in " `" or text[-1] in " `":
        return None
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}"


def _address(url: str) -> str:
    return url if _PLAIN_URL.fullmatch(url) else "<" + re.sub(r"(&(?=#?\w+;))", r"\\\1", url) + ">"


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line else rest.rstrip() for line in lines[1:])])


def _quote(block: QuoteBlock) -> str:
    parts = [_lines(part) for part in split({"text": block["text"], "marks": block["marks"]})]
    if block["cite"]:
        parts.append(f"<cite>{_inline(block['cite'], '<br>')}</cite>")
    return _prefixed("\n\n".join(parts), "> ", "> ")


def _list(content: NestedList) -> str:
    entries: list[str] = []
    for number, item in enumerate(content["items"], content["start"]):
        marker = f"{number}. " if content["ordered"] else "- "
        entries.append(_prefixed(_entry(item), marker, " " * len(marker)))
    return "\n".join(entries)


def _entry(item: ListItem) -> str:
    text = "\n\n".join(_lines(part) for part in split({"text": item["text"], "marks": item["marks"]}))
    below = item["items"]
    if below is None:
        return text
    if not text:
        return _list(below)
    # Only a list that begins with 1 may follow its text without an empty line.
    return f"{text}{chr(10) if not below['ordered'] or below['start'] == 1 else chr(10) * 2}{_list(below)}"


def _image(block: ImageBlock) -> str:
    if block["text"] or block["width"] is not None or block["height"] is not None:
        return block_html(block)
    picture = f"![{_escaped(block['alt'], ' ')}]({_address(block['src'])}{_title(block['title'])})"
    return f"[{picture}]({_address(block['link'])})" if block["link"] else picture


def _title(title: str | None) -> str:
    return "" if title is None else ' "' + re.sub(r'(["\\]|&(?=#?\w+;))', r"\\\1", title) + '"'


def _code(block: CodeBlock) -> str:
    longest = max((len(run) for run in re.findall("`+", block["text"])), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{block['language'] or ''}\n{block['text']}\n{fence}"


def _table(block: TableBlock) -> str:
    if not block["header"] or block["caption"]:
        return block_html(block)
    rows = ["| " + " | ".join(_inline(cell, "<br>") for cell in row) + " |" for row in block["rows"]]
    return "\n".join([rows[0], "|" + " --- |" * len(block["rows"][0]), *rows[1:]])
