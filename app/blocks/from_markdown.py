"""Markdown to HTML: CommonMark with tables, strikethrough, footnotes, definition lists, tasks and autolinks."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, TypedDict

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin

from app.blocks.context import make_anchor_name
from app.text.autolinks import enable_autolinks
from app.text.html import MAX_LENGTH
from app.text.inputs import drop_controls

MAX_NESTING: Final = 60
# The parser's time is quadratic in the number of brackets, each of which may begin a link.
MAX_BRACKETS: Final = 10_000
MAX_LINES: Final = 30_000
MAX_MARKS: Final = 100_000  # characters that may delimit a mark, a link or a tag
_MARK = re.compile(r"[&<*_`\[\]\\~|^:]")
_TASK = re.compile(r"\[([ xX])\](?:\s+|$)")
_HEADING_ID = re.compile(r"[ \t]*\{#([^\s{}]{1,100})\}[ \t]*$")


class _Markdown(MarkdownIt):
    """Return the parser; URLs are checked later, with those of HTML."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": True, "maxNesting": MAX_NESTING})
        self.enable(["table", "strikethrough"])
        enable_autolinks(self, without="//")
        self.use(deflist_plugin)
        self.use(footnote_plugin, move_to_end=False)
        self.core.ruler.after("inline", "notes", _move_notes)
        self.core.ruler.after("notes", "tasks", _mark_tasks)
        self.core.ruler.after("tasks", "heading_ids", _name_headings)

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


def _note_id(label: str | None, number: int) -> str:
    """Return the id of a footnote; a numeric label gets the prefix `fn`."""
    name = make_anchor_name(label) if label is not None else f"inline-{number + 1}"
    return f"fn{name}" if name and name.isdigit() else name or f"fn-{number + 1}"


def _children(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        if token.children:
            yield from _children(token.children)


class _Footnote(TypedDict, total=False):
    """A footnote of the parser: one with a label, or an inline one with its content."""

    label: str
    content: str
    tokens: list[Token]


def _move_notes(state: StateCore) -> None:
    """Move the footnotes to the end: those that the text refers to in its order, then the others."""
    listed: dict[int, _Footnote] = state.env.get("footnotes", {}).get("list", {})
    outside: list[Token] = []
    written: dict[str, list[Token]] = {}
    open_labels: list[str] = []
    for token in state.tokens:
        if token.type == "footnote_reference_open":
            open_labels.append(token.meta["label"])
            written.setdefault(token.meta["label"], [])
        elif token.type == "footnote_reference_close":
            open_labels.pop()
        else:
            (written[open_labels[-1]] if open_labels else outside).append(token)
    ids = {number: _note_id(note.get("label"), number) for number, note in listed.items()}
    notes = [(ids[number], _tokens_of(note, written)) for number, note in listed.items()]
    notes += [(_note_id(label, len(notes) + at), tokens) for at, (label, tokens) in enumerate(written.items())]
    for token in _children([*outside, *(token for _, tokens in notes for token in tokens)]):
        if token.type == "footnote_ref":
            name = escape(ids[token.meta["id"]])
            token.type, token.content = "html_inline", f'<sup data-fn="{name}"><a href="#{name}">*</a></sup>'
    if notes:
        outside.append(_html('<ol data-footnotes="">'))
        for name, tokens in notes:
            outside += [_html(f'<li id="{escape(name)}">'), *tokens, _html("</li>")]
        outside.append(_html("</ol>"))
    state.tokens = outside


def _tokens_of(note: _Footnote, written: dict[str, list[Token]]) -> list[Token]:
    if "label" in note:
        return written.pop(note["label"], [])
    return [Token("inline", "", 0, content=note["content"], children=note["tokens"], block=True)]


def _mark_tasks(state: StateCore) -> None:
    """Replace `[ ]` and `[x]` at the beginning of a list item by a checkbox."""
    for entry, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if (entry.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        children = inline.children or []
        match = _TASK.match(inline.content)
        if match is None or not children or not children[0].content.startswith(match.group().rstrip()):
            continue
        children[0].content = children[0].content[len(match.group().rstrip()) :].lstrip()
        checked = "" if match[1] == " " else ' checked=""'
        children.insert(0, Token("html_inline", "", 0, content=f'<input type="checkbox"{checked}>'))


def _name_headings(state: StateCore) -> None:
    """Parse `{#name}` at the end of a heading as its id."""
    for heading, inline in zip(state.tokens, state.tokens[1:], strict=False):
        last = inline.children[-1] if heading.type == "heading_open" and inline.children else None
        if last is not None and last.type == "text" and (match := _HEADING_ID.search(last.content)):
            last.content = last.content[: match.start()]
            heading.attrSet("id", match[1])


_MARKDOWN: Final = _Markdown()


def markdown_to_html(source: str) -> str:
    """Render Markdown, which may contain HTML, as HTML that is not sanitised; raise ValueError beyond the limits."""
    if len(source) > MAX_LENGTH["article"]:
        raise ValueError(f"the Markdown is longer than {MAX_LENGTH['article']} characters")
    if source.count("[") > MAX_BRACKETS:
        raise ValueError(f"the Markdown has more than {MAX_BRACKETS} opening brackets")
    if source.count("\n") >= MAX_LINES:
        raise ValueError(f"the Markdown has more than {MAX_LINES} lines")
    if len(_MARK.findall(source)) > MAX_MARKS:
        raise ValueError(f"the Markdown has more than {MAX_MARKS} signs of emphasis, code, links, tags and tables")
    env: dict[str, object] = {}
    tokens = _MARKDOWN.parse(drop_controls(source), env)
    if any(token.level >= MAX_NESTING - 2 for token in tokens):
        raise ValueError("the Markdown is nested too deeply")
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env))
