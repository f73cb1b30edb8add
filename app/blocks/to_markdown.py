"""Rendering blocks as Markdown that `markdown` reads back; content without a Markdown form becomes HTML."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from app.blocks.inline import NO_ALT, Element, nest_marks, split_paragraphs
from app.blocks.schemas import (
    Block,
    CodeBlock,
    Content,
    DefinitionsBlock,
    FootnotesBlock,
    ImageBlock,
    Inline,
    ListBlock,
    ListItem,
    Mark,
    NestedList,
    QuoteBlock,
    TableBlock,
)
from app.blocks.to_html import box_start, details_start, end_tag, inline_picture, mark_text, render_block, start_tag

_SPECIAL = re.compile(
    r"[\\`*\[\]<~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=mailto):|\^(?=\[)", re.IGNORECASE
)
_LINE_START = re.compile(r"^(?:[#>+\-=:]|([0-9]{1,9})(?=[.)](?:\s|$)))", re.MULTILINE)
_TRAILING_HASHES = re.compile(r"(#+)$")
_PLAIN_URL = re.compile(r"[A-Za-z0-9:/?#@!$',;=%.~+-]+")
_BARE_URL = re.compile(r"https?://[A-Za-z0-9:/?#@!$',;=%.~+_&*()-]+", re.IGNORECASE)
# A note that readers of Markdown without footnotes would take for the address of a link, such as `javascript:x`.
_LINK_DEFINITION = re.compile(r"(?!<?https?\\?:)\S+:\S*(?:[ \t]+[\"'(].*)?$", re.IGNORECASE | re.MULTILINE)
_LABEL = re.compile(r"fn(\d+)")
_ASCII_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_FENCES: Final = {"strong": "**", "strike": "~~", "emphasis": "_"}
_RULES: Final = {"left": ":---", "center": ":---:", "right": "---:", None: "---"}
# Markdown would merge two consecutive ones.
_MERGED_TYPES: Final = frozenset({"list", "definitions"})


class _Around(NamedTuple):
    """The characters before and after a piece of text; empty at the ends of the block."""

    before: str
    after: str


def render_markdown(blocks: Iterable[Block]) -> str:
    """Render blocks as Markdown that reads back as the same blocks."""
    block_list = list(blocks)
    last = block_list[-1] if block_list else None
    if last is not None and last["type"] == "footnotes":
        writer = _Writer(has_notes=True)
        text = writer.blocks(block_list)
        # Markdown puts footnotes at the end, in the order of their first references.
        first = list(dict.fromkeys(writer.referred))
        if first == [note["id"] for note in last["notes"]][: len(first)] and not _extras(last):
            return text
    return _Writer(has_notes=False).blocks(block_list)


def _extras(block: Block | NestedList) -> bool:
    return bool({"lang", "dir", "anchor"} & block.keys())


def _address(url: str) -> str:
    return url if _PLAIN_URL.fullmatch(url) else "<" + re.sub(r"(&(?=#?\w+;))", r"\\\1", url) + ">"


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line else rest.rstrip() for line in lines[1:])])


def _title(title: str | None) -> str:
    return "" if title is None else ' "' + re.sub(r'(["\\]|&(?=#?\w+;))', r"\\\1", title) + '"'


def _escaped(text: str, line_break: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match.group(), text).replace("\n", line_break)


def _guarded(text: str) -> str:
    return _LINE_START.sub(lambda match: f"{match[1]}\\" if match[1] else f"\\{match.group()}", text)


def _edge(node: Element | str, index: int) -> str:
    """Return the first or last rendered character of a node; a mark begins and ends with punctuation."""
    return node[index] if isinstance(node, str) else "*"


def _can_fence(node: Element, around: _Around, *, inside_words: bool) -> bool:
    """Tell whether Markdown certainly reads delimiters around this node as opening and closing a mark."""
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


def _picture(mark: Mark, text: str) -> str:
    if "width" in mark or "height" in mark:
        return inline_picture(mark, text)
    alt = "" if text == NO_ALT else _escaped(text, " ")
    return f"![{alt}]({_address(mark.get('src', ''))}{_title(mark['title'])})"


def _code(block: CodeBlock) -> str:
    longest = max((len(run) for run in re.findall("`+", block["text"])), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{block['language'] or ''}\n{block['text']}\n{fence}"


def _label(note: str) -> str:
    """Return the label of a footnote; `fn1` is the id of `[^1]`."""
    match = _LABEL.fullmatch(note)
    return match[1] if match else note


def _html(block: Block) -> str:
    """Render HTML on one line, as an empty line would end it."""
    return render_block(block).replace("\n", "&#10;")


def _is_expressible(content: ListBlock | NestedList) -> bool:
    """Tell whether Markdown has a form for the list."""
    return (
        not content.keys() & {"style", "reversed", "lang", "dir", "anchor"}
        and all(
            "value" not in item and (item["items"] is None or _is_expressible(item["items"]))
            for item in content["items"]
        )
        and all(item["text"] or "checked" not in item for item in content["items"])
        and all("checked" not in item or "blocks" not in item for item in content["items"])
    )


class _Writer:
    """Renders one body."""

    def __init__(self, *, has_notes: bool) -> None:
        self.has_notes = has_notes
        self.referred: list[str] = []

    def blocks(self, blocks: Iterable[Block], *, is_inner: bool = False) -> str:
        parts: list[str] = []
        previous: Block | None = None
        for block in blocks:
            if previous is not None and previous["type"] == block["type"] and block["type"] in _MERGED_TYPES:
                parts.append("<!-- -->")
            parts.append(self._block(block, is_inner))
            previous = block
        return "\n\n".join(parts)

    def _block(self, block: Block, is_inner: bool) -> str:
        if "lang" in block or "dir" in block:
            return _html(block)
        name = block.get("anchor")
        if name is not None and block["type"] not in {"paragraph", "heading", "details", "box"}:
            return _html(block)
        target = f'<span id="{name}"></span>' if name is not None else ""
        match block["type"]:
            case "paragraph":
                text = self._lines({"text": block["text"], "marks": block["marks"]})
                return target + text
            case "heading":
                text = self._inline({"text": block["text"], "marks": block["marks"]}, "<br>")
                return "#" * block["level"] + " " + target + _TRAILING_HASHES.sub(r"\\\1", _guarded(text))
            case "quote":
                return self._quote(block)
            case "list":
                return self._list(block) if _is_expressible(block) else _html(block)
            case "image":
                return self._image(block)
            case "code":
                return _code(block)
            case "table":
                return self._table(block)
            case "divider":
                return "***" if is_inner else "---"
            case "definitions":
                return self._definitions(block)
            case "details":
                return self._around(details_start(block), block["blocks"], "</details>")
            case "box":
                return self._around(box_start(block), block["blocks"], "</aside>")
            case "footnotes" if self.has_notes and not is_inner:
                return self._footnotes(block)
            case _:
                return _html(block)

    def _around(self, start: str, blocks: Sequence[Block], end: str) -> str:
        return "\n\n".join(filter(None, [start, self.blocks(blocks, is_inner=True), end]))

    def _lines(self, content: Inline) -> str:
        return _guarded(self._inline(content, "\\\n"))

    def _paragraphs(self, content: Inline) -> str:
        return "\n\n".join(
            self._lines(part) for part in split_paragraphs({"text": content["text"], "marks": content["marks"]})
        )

    def _content(self, content: Content | ListItem) -> str:
        if "blocks" in content:
            return self.blocks(content["blocks"], is_inner=True)
        return self._paragraphs(content)

    def _inline(self, content: Inline, line_break: str) -> str:
        return self._tree(nest_marks(content), line_break, _Around("", ""))

    def _tree(self, nodes: Sequence[Element | str], line_break: str, around: _Around) -> str:
        parts: list[str] = []
        for index, node in enumerate(nodes):
            before = _edge(nodes[index - 1], -1) if index else around.before
            after = _edge(nodes[index + 1], 0) if index + 1 < len(nodes) else around.after
            if isinstance(node, str):
                text = _escaped(node, line_break)
                # These would turn a following link into an image or a footnote.
                parts.append(f"{text[:-1]}\\{text[-1]}" if text[-1] in "!^" and index + 1 < len(nodes) else text)
            else:
                parts.append(self._element(node, line_break, _Around(before, after)))
        return "".join(parts)

    def _element(self, node: Element, line_break: str, around: _Around) -> str:
        kind = node.mark["type"]
        if kind == "image":
            return _picture(node.mark, mark_text(node))
        if kind == "footnote" and self.has_notes:
            self.referred.append(node.mark.get("note", ""))
            return f"[^{_label(node.mark.get('note', ''))}]"
        if kind == "code" and (code := _code_span(node)):
            return code
        text, text_of = self._tree(node.children, line_break, _Around("*", "*")), mark_text(node)
        if kind == "link":
            if node.children == [node.mark["href"]] and node.mark["title"] is None and _BARE_URL.fullmatch(text_of):
                return f"<{text_of}>"
            return f"[{text}]({_address(node.mark['href'] or '')}{_title(node.mark['title'])})"
        fence = _FENCES.get(kind)
        if fence and _can_fence(node, around, inside_words=fence != "_"):
            return f"{fence}{text}{fence}"
        return f"{start_tag(node.mark)}{text}{end_tag(node.mark)}"

    def _quote(self, block: QuoteBlock) -> str:
        parts = [self._content(block)]
        if block["cite"]:
            parts.append(f"<cite>{self._inline(block['cite'], '<br>')}</cite>")
        return _prefixed("\n\n".join(parts), "> ", "> ")

    def _list(self, content: ListBlock | NestedList) -> str:
        entries: list[str] = []
        for number, item in enumerate(content["items"], content["start"]):
            marker = f"{number}. " if content["ordered"] else "- "
            box = {True: "[x] ", False: "[ ] ", None: ""}[item.get("checked")]
            entries.append(_prefixed(box + self._entry(item), marker, " " * len(marker)))
        return "\n".join(entries)

    def _entry(self, item: ListItem) -> str:
        text = self._content(item)
        below = item["items"]
        if below is None:
            return text
        if not text:
            return self._list(below)
        # Only a list that begins with 1 may follow a text without an empty line.
        return f"{text}{chr(10) if not below['ordered'] or below['start'] == 1 else chr(10) * 2}{self._list(below)}"

    def _image(self, block: ImageBlock) -> str:
        if block["text"] or block["width"] is not None or block["height"] is not None:
            return _html(block)
        picture = f"![{_escaped(block['alt'], ' ')}]({_address(block['src'])}{_title(block['title'])})"
        return f"[{picture}]({_address(block['link'])})" if block["link"] else picture

    def _table(self, block: TableBlock) -> str:
        columns = list(zip(*block["rows"], strict=True))
        sides = [{cell.get("align") for cell in column} for column in columns]
        simple = all(cell.keys() <= {"text", "marks", "align"} for row in block["rows"] for cell in row)
        if not block["header"] or block["caption"] or not simple or any(len(side) > 1 for side in sides):
            return _html(block)
        rows = ["| " + " | ".join(self._inline(cell, "<br>") for cell in row) + " |" for row in block["rows"]]
        rule = "| " + " | ".join(_RULES[side.pop()] for side in sides) + " |"
        return "\n".join([rows[0], rule, *rows[1:]])

    def _definitions(self, block: DefinitionsBlock) -> str:
        if any(
            len(item["terms"]) != 1 or not item["meanings"] or "\n" in item["terms"][0]["text"]
            for item in block["items"]
        ):
            return _html(block)
        parts: list[str] = []
        for item in block["items"]:
            meanings = [_prefixed(self._content(meaning), ":   ", "    ") for meaning in item["meanings"]]
            parts.append("\n\n".join([self._lines(item["terms"][0]), *meanings]))
        return "\n\n".join(parts)

    def _footnotes(self, block: FootnotesBlock) -> str:
        notes: list[str] = []
        for note in block["notes"]:
            # A list on the line of the label would have to be indented by the label's length.
            text = self._content(note)
            is_below = "blocks" in note or _LINK_DEFINITION.match(text)
            notes.append(
                _prefixed(text, f"[^{_label(note['id'])}]:{chr(10) * 2 + ' ' * 4 if is_below else ' '}", "    ")
            )
        return "\n\n".join(notes)
