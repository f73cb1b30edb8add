"""HTML as the world writes it, read into blocks: unknown wrappers are opened, and no visible word is lost."""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborNode

from app.articles.body import drafts, flatten
from app.articles.body.inline import Run, Style, flat, joined, paragraphs, restyled, split
from app.articles.body.schemas import Block, Inline, MarkType, NestedList
from app.articles.body.tables import read_table
from app.articles.body.urls import embed_url, safe_url
from app.kit.html import BLOCKS, DROPPED, parse

MAX_DEPTH: Final = 150
# Containers of text (quotes, list entries, cells) are read again by what holds them: their depth multiplies the cost.
MAX_LEVEL: Final = 24
MAX_BLOCKS: Final = 10_000
_STYLES: Final[dict[str, MarkType]] = {
    "b": "strong", "strong": "strong", "em": "emphasis", "i": "emphasis", "dfn": "emphasis", "var": "emphasis",
    "u": "underline", "s": "strike", "strike": "strike", "del": "strike", "ins": "insertion", "mark": "highlight",
    "small": "small", "sup": "superscript", "sub": "subscript", "code": "code", "kbd": "code", "samp": "code",
    "tt": "code", "cite": "cite", "q": "quotation",
}  # fmt: skip
_MEDIA = frozenset({"iframe", "video", "audio", "embed", "object"})
_ADDRESS = re.compile(r"\s*(https?://\S+)\s*")
_CODE_CLASS = re.compile(r"(?:^|[\s_])(?:language|lang|brush)[-:]\s*([\w+#.-]+)")
Styles = tuple[Style, ...]


def read_html(source: str) -> list[Block]:
    """Read HTML into blocks without ids; raise ValueError when it is too large or nested too deeply."""
    reader = _Reader(0, 0)
    reader.flow(parse(source), ())
    blocks = reader.finish()
    if len(blocks) > MAX_BLOCKS:
        raise ValueError(f"the body has more than {MAX_BLOCKS} blocks")
    return blocks


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _attribute(node: LexborNode, name: str) -> str | None:
    return node.attributes.get(name)


def _number(value: str | None, limit: int) -> int | None:
    match = re.match(r"\s*([0-9]{1,9})(?![0-9])", value or "")
    return min(int(match[1]), limit) if match else None


class _Reader:
    """Collects the blocks of one container; its paragraphs are cut wherever a block begins or ends."""

    def __init__(self, level: int, depth: int) -> None:
        if level > MAX_LEVEL:
            raise ValueError("the HTML is nested too deeply")
        self.level = level
        self.depth = depth
        self.blocks: list[Block] = []
        self.runs: list[Run] = []

    def finish(self) -> list[Block]:
        self._cut()
        return self.blocks

    def flow(self, node: LexborNode, styles: Styles) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("the HTML is nested too deeply")
        for child in _children(node):
            if child.is_text_node:
                self.runs.append(Run(flat(child.text_content or ""), styles))
            elif child.is_element_node:
                self._element(child, child.tag or "", styles)
        self.depth -= 1

    def _cut(self) -> None:
        if self.runs:
            self.blocks += [drafts.paragraph(content) for content in paragraphs(self.runs)]
            self.runs = []

    def _add(self, *blocks: Block) -> None:
        self._cut()
        self.blocks += blocks

    def _inside(self, node: LexborNode, styles: Styles) -> list[Block]:
        reader = _Reader(self.level + 1, self.depth)
        reader.flow(node, styles)
        return reader.finish()

    def _element(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if tag in _STYLES:
            self.flow(node, restyled(styles, Style(_STYLES[tag])))
        elif tag == "a":
            self._link(node, styles)
        elif tag == "br":
            self.runs.append(Run("\n", styles))
        elif tag == "img":
            self._image(node, styles)
        elif tag in _MEDIA:
            self._media(node)
        elif tag == "abbr":
            title = drafts.label(_attribute(node, "title"))
            self.flow(node, restyled(styles, Style("abbreviation", title=title)) if title else styles)
        elif tag in BLOCKS:
            self._cut()
            self._block(node, tag, styles)
            self._cut()
        elif tag not in DROPPED:
            self.flow(node, styles)

    def _block(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            texts, others = flatten.texts(self._inside(node, styles))
            content = joined(texts, "\n")
            self._add(*([drafts.heading(content, int(tag[1]))] if texts else []), *others)
        elif tag in {"ul", "ol"}:
            self._list(node, tag, styles)
        elif tag == "blockquote":
            self._quote(node, styles)
        elif tag == "pre":
            self._pre(node, styles)
        elif tag == "table":
            self._table(node, styles)
        elif tag == "figure":
            self._figure(node, styles)
        elif tag == "hr":
            self._add(drafts.divider())
        elif tag in {"dt", "summary", "legend"}:
            self.flow(node, restyled(styles, Style("strong")))
        else:
            self.flow(node, styles)

    def _link(self, node: LexborNode, styles: Styles) -> None:
        href = safe_url(_attribute(node, "href"))
        style = Style("link", href, drafts.label(_attribute(node, "title"))) if href else None
        self.flow(node, restyled(styles, style) if style else styles)

    def _image(self, node: LexborNode, styles: Styles) -> None:
        alt = drafts.label(_attribute(node, "alt")) or ""
        src = safe_url(_attribute(node, "src"), mail=False) or safe_url(_attribute(node, "data-src"), mail=False)
        if src is None:
            self.runs.append(Run(alt, styles))
            return
        self._add(
            drafts.image(
                src,
                alt=alt,
                title=drafts.label(_attribute(node, "title")),
                link=next((style.href for style in styles if style.type == "link"), None),
                width=_number(_attribute(node, "width"), 100_000),
                height=_number(_attribute(node, "height"), 100_000),
            )
        )

    def _media(self, node: LexborNode) -> None:
        addresses = [_attribute(node, name) for name in ("src", "data-src", "data")]
        addresses += [_attribute(source, "src") for source in node.css("source, embed")]
        url = next((url for address in addresses if (url := embed_url(address))), None)
        if url:
            self._add(drafts.embed(url, drafts.label(_attribute(node, "title"))))

    def _quote(self, node: LexborNode, styles: Styles) -> None:
        texts, others = flatten.texts(self._inside(node, styles))
        cite = texts[-1] if len(texts) > 1 and flatten.is_attribution(texts[-1]) else None
        if texts:
            self._add(drafts.quote(texts[:-1] if cite else texts, cite))
        self._add(*others)

    def _pre(self, node: LexborNode, styles: Styles) -> None:
        names = _attribute(node, "class") or ""
        text = "".join(_raw(node))
        if "verse" in names:
            lines = "\n".join(flat(line) for line in text.split("\n"))
            self.runs.append(Run(lines, styles))
            return
        inner = node.css_first("code")
        classes = _CODE_CLASS.search(f"{names} {(inner and _attribute(inner, 'class')) or ''}")
        block = drafts.code(text, _attribute(node, "data-language") or (classes[1] if classes else None))
        self._add(*([block] if block["text"].strip() else []))

    def _table(self, node: LexborNode, styles: Styles) -> None:
        others: list[Block] = []

        def cell(part: LexborNode) -> Inline:
            texts, more = flatten.texts(self._inside(part, styles))
            others.extend(more)
            lines = [line for text in texts for line in split(text)]
            return joined(lines, "\n")

        found = read_table(node, cell)
        if found is None:
            self.flow(node, styles)
            return
        self._add(*([found] if found["text"].strip() or found["caption"] else []), *others)

    def _figure(self, node: LexborNode, styles: Styles) -> None:
        captions: list[Inline] = []
        body = _Reader(self.level + 1, self.depth)
        url = embed_url(_attribute(node, "data-embed")) or _embedded(node)
        if url:
            link = node.css_first("a")
            title = drafts.label(link.text()) if link is not None and _attribute(node, "data-embed") else None
            body._add(drafts.embed(url, title))
        for child in _children(node):
            if child.is_element_node and child.tag == "figcaption":
                texts, others = flatten.texts(self._inside(child, styles))
                captions += texts
                body._add(*others)
            elif url is None and child.is_element_node:
                body._element(child, child.tag or "", styles)
            elif url is None and child.is_text_node:
                body.runs.append(Run(flat(child.text_content or ""), styles))
        blocks = body.finish()
        caption = joined([line for text in captions for line in split(text)], "\n")
        if not caption["text"]:
            self._add(*blocks)
        elif len(blocks) == 1 and (block := drafts.captioned(blocks[0], caption)):
            self._add(block)
        else:
            self._add(*blocks, drafts.paragraph(caption))

    def _list(self, node: LexborNode, tag: str, styles: Styles) -> None:
        start = _number(_attribute(node, "start"), drafts.MAX_START)
        number = 1 if start is None or tag == "ul" else start
        content: NestedList = {"ordered": tag == "ol", "start": number, "items": []}
        for child in _children(node):
            reader = _Reader(self.level + 1, self.depth)
            if child.is_element_node and child.tag == "li":
                reader.flow(child, styles)
            elif child.is_element_node:
                reader._element(child, child.tag or "", styles)
            elif child.is_text_node:
                reader.runs.append(Run(flat(child.text_content or ""), styles))
            lists, rest = flatten.lists(reader.finish())
            texts, others = flatten.texts(rest)
            below = flatten.one_list(lists)
            if not texts and below and child.tag != "li" and content["items"]:
                last = content["items"][-1]
                last["items"] = flatten.one_list([nested for nested in (last["items"], below) if nested])
            elif texts or below:
                content["items"].append(drafts.item(texts, below))
            if others:
                number += len(content["items"])
                self._add(*([drafts.listing(content)] if content["items"] else []), *others)
                content = {"ordered": tag == "ol", "start": number if tag == "ol" else 1, "items": []}
        if content["items"]:
            self._add(drafts.listing(content))


def _raw(node: LexborNode) -> Iterator[str]:
    for child in _children(node):
        if child.is_text_node:
            yield child.text_content or ""
        elif child.tag == "br":
            yield "\n"
        elif child.is_element_node and child.tag not in DROPPED:
            yield from _raw(child)


def _embedded(node: LexborNode) -> str | None:
    wrapper = node.css_first(".wp-block-embed__wrapper")
    address = _ADDRESS.fullmatch(wrapper.text()) if wrapper is not None else None
    return embed_url(address[1]) if address else None
