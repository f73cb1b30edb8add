"""Reading real-world HTML into blocks: unknown wrappers are unwrapped, and no visible word is lost."""

import re
from itertools import groupby
from typing import Final, NamedTuple, cast

from selectolax.lexbor import LexborNode

from app.blocks import drafts, players
from app.blocks.context import Context, Dropped, has_footnotes, is_back_link
from app.blocks.flatten import is_attribution
from app.blocks.html_tables import read_table
from app.blocks.inline import (
    Run,
    Style,
    add_style,
    build_paragraphs,
    collapse_space,
    find_picture_style,
    join_inlines,
    make_picture_run,
    split_paragraphs,
)
from app.blocks.nodes import (
    LanguageSetting,
    find_attribute,
    find_only_link,
    has_ruby_parentheses,
    is_task_box,
    iter_children,
    iter_definition_parts,
    iter_raw_text,
    parse_number,
    read_language,
    read_task_state,
)
from app.blocks.pictures import find_lone_pictures, is_small, make_picture_block, split_at_line_ends
from app.blocks.schemas import Block, Content, Definition, Inline, ListItem, MarkType, Note
from app.blocks.urls import find_embeddable_url, is_data_url, normalise_embed_url, sanitise_url
from app.text.html import BLOCK_TAGS, DROPPED_TAGS, parse_html

MAX_DEPTH: Final = 150
# Containers of text (quotes, list items, cells) are read again by their parents: their depth multiplies the cost.
MAX_LEVEL: Final = 24
MAX_BLOCKS: Final = 10_000
MAX_SIZE: Final = 100_000
_UNWRAPPED: Final = frozenset("blink button dialog fieldset form marquee meter output progress".split())
"""Interactive elements: their text is kept, and they are reported as dropped."""
_STYLES: Final[dict[str, MarkType]] = {
    "b": "strong", "strong": "strong", "em": "emphasis", "i": "emphasis", "dfn": "emphasis", "var": "emphasis",
    "u": "underline", "s": "strike", "strike": "strike", "del": "strike", "ins": "insertion", "mark": "highlight",
    "small": "small", "sup": "superscript", "sub": "subscript", "code": "code", "kbd": "code", "samp": "code",
    "tt": "code", "cite": "cite", "q": "quotation",
}  # fmt: skip
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
# Elements that are never visible, or repeat visible text, are not reported.
_SILENT: Final = frozenset({"head", "meta", "noembed", "noframes", "noscript", "template", "title"})
_CODE_CLASS = re.compile(r"(?:^|[\s_])(?:language|lang|brush|highlight-source)[-:]\s*([\w+#.-]+)")
_KIND = re.compile(r"[A-Za-z][\w-]{0,39}", re.ASCII)
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
Styles = tuple[Style, ...]


class Converted(NamedTuple):
    """Blocks without ids, and the dropped elements."""

    blocks: list[Block]
    dropped: tuple[Dropped, ...]


def read_html(source: str) -> Converted:
    """Read HTML into blocks without ids; raise ValueError if it is too large or nested too deeply."""
    root = parse_html(source)
    reader = _Reader(Context.of(root), 0, 0)
    reader.flow(root, ())
    blocks = reader.finish()
    if len(blocks) > MAX_BLOCKS:
        raise ValueError(f"the body has more than {MAX_BLOCKS} blocks")
    return Converted(blocks, reader.context.dropped)


class _Reader:
    """Collects the blocks of one container; a block ends the paragraph before it."""

    def __init__(self, context: Context, level: int, depth: int, *, is_text: bool = False, in_note: bool = False):
        if level > MAX_LEVEL:
            raise ValueError("the HTML is nested too deeply")
        context.count_part()
        self.context = context
        self.level = level
        self.depth = depth
        self.is_text = is_text  # whether the container may have only text
        self.in_note = in_note
        self.blocks: list[Block] = []
        self.runs: list[Run] = []
        self.anchors: list[str] = []  # of the next block or run
        self.language = LanguageSetting(None, None)

    def finish(self) -> list[Block]:
        self._cut()
        if self.anchors and self.blocks and "anchor" not in self.blocks[-1]:
            self.blocks[-1]["anchor"] = self.anchors.pop(0)
        return self.blocks

    def flow(self, node: LexborNode, styles: Styles) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("the HTML is nested too deeply")
        for child in iter_children(node):
            if child.is_text_node:
                self._text(child.text_content or "", styles)
            elif child.is_element_node:
                self._element(child, child.tag or "", styles)
        self.depth -= 1

    def _text(self, text: str, styles: Styles) -> None:
        text = collapse_space(text)
        if self.anchors and text.strip():
            styles = self._anchored(styles)
        self.runs.append(Run(text, styles))

    def _anchored(self, styles: Styles) -> Styles:
        styles = (*(Style("anchor", anchor=name) for name in self.anchors), *styles)
        self.anchors = []
        return styles

    def _cut(self) -> None:
        """End the paragraph; pictures on lines of their own become blocks."""
        runs, self.runs = self.runs, []
        if not runs:
            return
        if self.is_text or not any(find_picture_style(run) for run in runs):
            self._paragraphs(runs)
            return
        waiting: list[Run] = []
        for is_end, line in groupby(split_at_line_ends(runs), key=lambda run: run.text.startswith("\n")):
            parts = list(line)
            if is_end:
                waiting += parts
                continue
            alone = all(find_picture_style(run) or not run.text.strip() for run in parts)
            for run in parts:
                style = find_picture_style(run)
                if style is not None and (alone or not is_small(style)):
                    self._paragraphs(waiting)
                    waiting = []
                    self._keep(make_picture_block(run, style))
                else:
                    waiting.append(run)
        self._paragraphs(waiting)

    def _paragraphs(self, runs: list[Run]) -> None:
        for content in build_paragraphs(runs):
            block: Block = drafts.make_paragraph(content)
            if _ADDRESS.fullmatch(content["text"]) and not self.is_text:
                block = self._address(content)
            self._keep(block)

    def _address(self, content: Inline) -> Block:
        """Return the block of a line that is a URL: an embed if possible, else a paragraph with a link."""
        text, marks = content["text"], content["marks"]
        links = [mark for mark in marks if mark["type"] == "link"]
        if len(links) == len(marks) <= 1 and all(sanitise_url(text) == mark["href"] for mark in links):
            if url := find_embeddable_url(text):
                return drafts.make_embed(url, None)
            if not marks and self.level == 0 and (href := sanitise_url(text)):
                return drafts.make_paragraph(build_paragraphs([Run(text, (Style("link", href),))])[0])
        return drafts.make_paragraph(content)

    def _keep(self, block: Block) -> None:
        if not self.is_text and (block["type"] == "paragraph" or block["type"] == "heading"):
            first = next(iter(block["marks"]), None)
            if "anchor" not in block and first and first["type"] == "anchor" and first["start"] == 0:
                block["anchor"] = first.get("anchor", "")
                block["marks"] = block["marks"][1:]
        setting = {name: value for name, value in self.language._asdict().items() if value and name not in block}
        self.blocks.append(cast(Block, {**block, **setting}) if setting and not self.is_text else block)

    def _add(self, *blocks: Block) -> None:
        self._cut()
        for block in blocks:
            if self.anchors and "anchor" not in block:
                block["anchor"] = self.anchors.pop(0)
            self._keep(block)

    def _reader(self, *, is_text: bool = False) -> "_Reader":
        return _Reader(self.context, self.level + 1, self.depth, is_text=is_text, in_note=self.in_note)

    def _inside(self, node: LexborNode, styles: Styles) -> list[Block]:
        reader = self._reader()
        reader.flow(node, styles)
        return self._finished(reader)

    def _finished(self, reader: "_Reader") -> list[Block]:
        blocks = reader.finish()
        self.anchors += reader.anchors
        return blocks

    def _counted(self, content: Content) -> Content:
        if "blocks" in content:
            self.context.count(content["text"])
        return content

    def _inline(self, node: LexborNode, styles: Styles, others: list[Block], separator: str = "\n") -> Inline:
        """Read content that cannot have blocks: paragraphs become lines, other blocks are passed to `others`."""
        spoken = read_language(node)
        if spoken.lang or spoken.dir:
            styles = add_style(styles, Style("span", lang=spoken.lang, dir=spoken.dir))
        reader = self._reader(is_text=True)
        for name in self.context.claim(node):
            reader.anchors.append(name)
        reader.flow(node, styles)
        texts: list[Inline] = []
        for block in self._finished(reader):
            if block["type"] == "paragraph":
                texts.append({"text": block["text"], "marks": block["marks"]})
            else:
                others.append(block)
        return join_inlines(texts, separator)

    def _near(self, after: str = "") -> str:
        """Return a few words before this place, or after it if there are none."""
        words = ""
        for run in reversed(self.runs[-20:]):
            words = run.text + words
            if len(words) > 80:
                break
        if not words.strip() and self.blocks:
            words = self.blocks[-1]["text"][-200:]
        return " ".join(words.split())[-80:] or " ".join(after[:400].split())[:80]

    def _drop(self, node: LexborNode) -> None:
        tag, following, after = node.tag or "", node.next, ""
        if following is not None and not self.context.has_dropped(tag):  # its text may be long
            after = (following.text_content or "") if following.is_text_node else following.text()
        self.context.drop(tag, self._near(after))

    def _element(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if tag in _UNWRAPPED:
            self._drop(node)
        if tag in BLOCK_TAGS or tag in _LISTS:
            self._cut()
            if tag not in {"li", "figcaption", "dt", "summary", "caption"}:
                self.anchors += self.context.claim(node)
            outer, spoken = self.language, read_language(node)
            self.language = LanguageSetting(spoken.lang or outer.lang, spoken.dir or outer.dir)
            self._block(node, tag, styles)
            self._cut()
            self.language = outer
        elif tag in players.FRAMES or tag in players.RECORDINGS:
            self._player(node)
        elif tag in DROPPED_TAGS:
            if tag not in _SILENT and not is_task_box(node):
                self._drop(node)
        else:
            self.anchors += self.context.claim(node)
            self._phrase(node, tag, self._spoken(node, tag, styles))

    def _spoken(self, node: LexborNode, tag: str, styles: Styles) -> Styles:
        """Add the language and direction of an inline element."""
        lang, direction = read_language(node)
        if tag == "bdo" and direction in {"ltr", "rtl"}:
            styles, direction = add_style(styles, Style("override", dir=direction)), None
        elif tag == "bdi":
            styles, direction = add_style(styles, Style("isolate", dir=direction)), None
        if not lang and not direction:
            return styles
        outer = next((style for style in styles if style.type == "span"), Style("span"))
        return add_style(styles, Style("span", lang=lang or outer.lang, dir=direction or outer.dir))

    def _phrase(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if "data-credit" in node.attributes:
            return  # of a picture of the library, which comes back with HTML that was read
        if tag == "a":
            self._link(node, styles)
        elif tag == "sup" and (link := find_only_link(node)) is not None and self._refer(link, styles):
            return
        elif tag in _STYLES:
            self.flow(node, add_style(styles, Style(_STYLES[tag])))
        elif tag == "br":
            self.runs.append(Run("\n", styles))
        elif tag == "img":
            self._image(node, styles)
        elif tag == "abbr":
            title = drafts.clean_label(find_attribute(node, "title"))
            self.flow(node, add_style(styles, Style("abbreviation", title=title)) if title else styles)
        elif tag == "rt" and not has_ruby_parentheses(node):
            self.runs.append(Run("(", styles))
            self.flow(node, styles)
            self.runs.append(Run(")", styles))
        else:
            self.flow(node, styles)

    def _block(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._heading(node, int(tag[1]), styles)
        elif post := players.find_post_url(node, tag):
            self._add(drafts.make_embed(post, None, self._post(node, styles)))
        elif tag in _LISTS:
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
            self._add(drafts.make_divider())
        elif tag == "dl":
            self._definitions(node, styles)
        elif tag == "details":
            self._details(node, styles)
        elif tag == "aside" and not has_footnotes(node):
            self._box(node, styles)
        elif tag in {"dt", "summary", "legend"}:
            self.flow(node, add_style(styles, Style("strong")))
        else:
            self.flow(node, styles)

    def _heading(self, node: LexborNode, level: int, styles: Styles) -> None:
        reader = self._reader(is_text=True)
        reader.flow(node, styles)
        for is_text, group in groupby(self._finished(reader), key=lambda block: block["type"] == "paragraph"):
            blocks = list(group)
            if not is_text:
                self._add(*blocks)
                continue
            texts: list[Inline] = [{"text": block["text"], "marks": block["marks"]} for block in blocks]
            self._add(drafts.make_heading(join_inlines(texts, "\n"), level))

    def _link(self, node: LexborNode, styles: Styles) -> None:
        if self.in_note and is_back_link(node):
            return
        if self._refer(node, styles):
            return
        address = find_attribute(node, "href")
        href = sanitise_url(address)
        if address and href is None and address.strip():
            self.context.drop("a", self._near(node.text()), "address")
        style = (
            Style("link", self.context.target(href), drafts.clean_label(find_attribute(node, "title")))
            if href
            else None
        )
        self.flow(node, add_style(styles, style) if style else styles)

    def _refer(self, link: LexborNode, styles: Styles) -> bool:
        """Read a reference to a footnote, if it is one."""
        note = self.context.note(find_attribute(link, "href"))
        if note is None:
            return False
        kept = tuple(style for style in styles if style.type not in {"link", "superscript", "footnote"})
        styles = self._anchored(kept) if self.anchors else kept
        self.runs.append(Run(drafts.footnote_label(note.number), add_style(styles, Style("footnote", note=note.id))))
        return True

    def _image(self, node: LexborNode, styles: Styles) -> None:
        alt = drafts.clean_label(find_attribute(node, "alt")) or ""
        addresses = [find_attribute(node, name) for name in ("src", "data-src", "data-lazy-src", "data-original")]
        src = next((url for address in addresses if (url := sanitise_url(address, mail=False))), None)
        if self.anchors:
            styles = self._anchored(styles)
        if src is None:
            is_data = any(is_data_url(address) for address in addresses)
            self.context.drop("img", self._near(alt), "data_image" if is_data else "address")
            self.runs.append(Run(alt, styles))
            return
        size = (
            parse_number(find_attribute(node, "width"), MAX_SIZE),
            parse_number(find_attribute(node, "height"), MAX_SIZE),
        )
        self.runs.append(make_picture_run(alt, src, drafts.clean_label(find_attribute(node, "title")), size, styles))

    def _player(self, node: LexborNode) -> None:
        block = players.read_player(node)
        if block is None:
            self._drop(node)
            return
        self._cut()
        self.anchors += self.context.claim(node)
        self._add(block)

    def _post(self, node: LexborNode, styles: Styles) -> list[Block]:
        """Return the text of a post of another site."""
        blocks = self._inside(node, styles)
        self.context.count("".join(block["text"] for block in blocks))
        return blocks

    def _quote(self, node: LexborNode, styles: Styles) -> None:
        blocks = self._inside(node, styles)
        last = blocks[-1] if len(blocks) > 1 else None
        cite: Inline | None = None
        if last is not None and last["type"] == "paragraph" and is_attribution(last) and not _extras(last):
            cite = {"text": last["text"], "marks": last["marks"]}
            blocks = blocks[:-1]
        if blocks:
            quote = drafts.make_quote(blocks, cite)
            self.context.count(quote["text"] if "blocks" in quote else "")
            self._add(quote)

    def _pre(self, node: LexborNode, styles: Styles) -> None:
        names = find_attribute(node, "class") or ""
        text = "".join(iter_raw_text(node))
        if "verse" in names:
            lines = "\n".join(collapse_space(line) for line in text.split("\n"))
            self.runs.append(Run(lines, styles))
            return
        within = [node, *node.css("code")[:1]]
        classes = _CODE_CLASS.search(" ".join(find_attribute(part, "class") or "" for part in within))
        named = [find_attribute(part, name) for name in ("data-language", "data-lang") for part in within]
        named += [classes[1] if classes else None, *(find_attribute(part, "lang") for part in within)]
        block = drafts.make_code(text, next(filter(None, named), None))
        self.language = LanguageSetting(None, self.language.dir)
        self._add(*([block] if block["text"].strip() else []))

    def _table(self, node: LexborNode, styles: Styles) -> None:
        others: list[Block] = []

        def cell(part: LexborNode) -> Content:
            blocks = self._entry(part, styles)
            if all(block["type"] == "paragraph" and not _extras(block) for block in blocks):
                texts: list[Inline] = [{"text": block["text"], "marks": block["marks"]} for block in blocks]
                blocks = [drafts.make_paragraph(line) for text in texts for line in split_paragraphs(text)]
            return self._counted(drafts.make_content(blocks, "\n"))

        table = read_table(node, cell, lambda part: self._inline(part, styles, others))
        if table is None:
            self.flow(node, styles)
            return
        is_shown = table["text"].strip() or table["caption"] or any("blocks" in c for row in table["rows"] for c in row)
        self._add(*([table] if is_shown else []), *others)

    def _figure(self, node: LexborNode, styles: Styles) -> None:
        others: list[Block] = []
        captions: list[Inline] = []
        body = self._reader()
        url = normalise_embed_url(find_attribute(node, "data-embed")) or players.find_wrapped_url(node)
        if url:
            fallback: list[Block] = []
            title = None
            for child in iter_children(node) if "data-embed" in node.attributes else ():
                if child.tag == "blockquote":
                    fallback += self._post(child, styles)
                elif child.tag == "a" and title is None:
                    title = drafts.clean_label(child.text())
            body._add(drafts.make_embed(url, title, fallback))
        first = False
        for child in iter_children(node):
            if child.is_element_node and child.tag == "figcaption":
                first = first or not (body.blocks or any(run.text.strip() for run in body.runs))
                caption = self._inline(child, styles, others)
                captions += [caption] if caption["text"] else []
            elif url is None and child.is_element_node:
                body._element(child, child.tag or "", styles)
            elif url is None and child.is_text_node:
                body._text(child.text_content or "", styles)
        blocks = self._finished(body)
        pictures = find_lone_pictures(blocks)
        if pictures is not None and (len(pictures) > 1 or "data-gallery" in node.attributes):
            blocks = [drafts.make_gallery(pictures, None)]
        caption = join_inlines([line for text in captions for line in split_paragraphs(text)], "\n")
        if not caption["text"]:
            self._add(*blocks, *others)
        elif len(blocks) == 1 and (block := drafts.add_caption(blocks[0], caption)):
            self._add(block, *others)
        else:
            text = drafts.make_paragraph(caption)
            self._add(*([text, *blocks] if first else [*blocks, text]), *others)

    def _definitions(self, node: LexborNode, styles: Styles) -> None:
        items: list[Definition] = []
        for part in iter_definition_parts(node):
            if part.is_text_node:
                if (text := collapse_space(part.text_content or "").strip()) and items:
                    items[-1]["meanings"].append({"text": text, "marks": []})
                elif text:
                    items.append({"terms": [], "meanings": [{"text": text, "marks": []}]})
                continue
            others: list[Block] = []
            if part.tag == "dt":
                term = self._inline(part, styles, others)
                if not items or items[-1]["meanings"]:
                    items.append({"terms": [], "meanings": []})
                items[-1]["terms"] += [term] if term["text"] else []
            elif part.tag == "dd":
                others = self._entry(part, styles)
            elif part.is_element_node:
                reader = self._reader()
                reader._element(part, part.tag or "", styles)
                others = self._finished(reader)
            if others:
                if not items:
                    items.append({"terms": [], "meanings": []})
                items[-1]["meanings"].append(self._counted(drafts.make_content(others)))
        items = [item for item in items if item["terms"] or item["meanings"]]
        if items:
            self._add(drafts.make_definitions(items))

    def _entry(self, node: LexborNode, styles: Styles) -> list[Block]:
        """Read a list item, a definition or a footnote with the anchor of its element."""
        reader = self._reader()
        reader.anchors += self.context.claim(node)
        reader.language = read_language(node)
        reader.flow(node, styles)
        return self._finished(reader)

    def _details(self, node: LexborNode, styles: Styles) -> None:
        summary = drafts.make_empty_text()
        reader = self._reader()
        has_summary = False
        for child in iter_children(node):
            if child.tag == "summary" and not has_summary:
                has_summary = True
                others: list[Block] = []
                summary = self._inline(child, styles, others)
                reader._add(*others)
            elif child.is_element_node:
                reader._element(child, child.tag or "", styles)
            elif child.is_text_node:
                reader._text(child.text_content or "", styles)
        blocks = self._finished(reader)
        if blocks or summary["text"]:
            block = drafts.make_details(summary, blocks, opened="open" in node.attributes)
            self.context.count(block["text"])
            self._add(block)

    def _box(self, node: LexborNode, styles: Styles) -> None:
        names = [find_attribute(node, "data-kind") or "", *(find_attribute(node, "class") or "").split()]
        kind = next((name for name in names if _KIND.fullmatch(name)), None)
        reader = self._reader()
        reader.flow(node, styles)
        blocks = self._finished(reader)
        if blocks:
            block = drafts.make_box(kind, blocks)
            self.context.count(block["text"])
            self._add(block)

    def _list(self, node: LexborNode, tag: str, styles: Styles) -> None:
        if node.mem_id in self.context.lists_of_notes:
            self._footnotes(node, styles)
            return
        items: list[ListItem] = []
        for child in iter_children(node):
            if child.is_element_node and child.tag == "li":
                blocks = self._entry(child, styles)
            else:
                reader = self._reader()
                if child.is_element_node:
                    reader._element(child, child.tag or "", styles)
                elif child.is_text_node:
                    reader._text(child.text_content or "", styles)
                blocks = self._finished(reader)
            done = read_task_state(child)
            value = (
                parse_number(find_attribute(child, "value"), drafts.MAX_START)
                if tag == "ol" and child.tag == "li"
                else None
            )
            entry = drafts.make_item(blocks, value=value, checked=done)
            self._counted(entry)
            last = items[-1] if items else None
            if child.tag != "li" and last and not entry["text"] and entry["items"] and last["items"] is None:
                last["items"] = entry["items"]
            elif blocks or done is not None:
                items.append(entry)
        if not items:
            return
        style = (find_attribute(node, "type") or "").strip()
        numbered = drafts.make_nested_list(
            items,
            ordered=tag == "ol",
            start=parse_number(find_attribute(node, "start"), drafts.MAX_START) if tag == "ol" else None,
            style=style if tag == "ol" and style in {"a", "A", "i", "I"} else None,
            reversed=tag == "ol" and "reversed" in node.attributes,
        )
        self._add(drafts.make_list(numbered))

    def _footnotes(self, node: LexborNode, styles: Styles) -> None:
        notes: list[Note] = []
        for child in iter_children(node):
            if child.tag != "li":
                if child.is_element_node:
                    self._element(child, child.tag or "", styles)
                continue
            reader = self._reader()
            reader.in_note = True
            reader.language = read_language(child)
            reader.flow(child, styles)
            content = self._counted(drafts.make_content(self._finished(reader)))
            raw = find_attribute(child, "id") or f"note-{len(notes) + 1}"
            known = self.context.notes.get(raw)
            notes.append({"id": known.id if known else f"note-{len(notes) + 1}", **content})
        if notes:
            self._add(drafts.make_footnotes(notes))


def _extras(block: Block) -> dict[str, object]:
    return {name: value for name, value in block.items() if name in {"lang", "dir", "anchor"}}
