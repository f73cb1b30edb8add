"""The way in: HTML or Markdown becomes blocks, and everything else is rendered from these."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from markdown_it import MarkdownIt

from app.articles.body.ids import with_ids
from app.articles.body.reader import read_html
from app.articles.body.schemas import Block
from app.articles.body.to_html import render_html
from app.articles.body.to_markdown import render_markdown
from app.kit.html import MAX_LENGTH
from app.kit.text import drop_controls, excerpt, word_count

MAX_NESTING: Final = 60
# Every bracket may begin a link, and is looked at again from every other.
MAX_BRACKETS: Final = 10_000
_SEPARATOR: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class Body:
    """One article's body in all its forms, made from the same blocks."""

    html: str
    markdown: str
    text: str
    blocks: list[Block]
    words: int
    excerpt: str


class BlockSpan(NamedTuple):
    """Where the text of a block stands in the plain text of its body, in code points."""

    id: str
    start: int
    end: int


class _Markdown(MarkdownIt):
    """CommonMark with tables and strikethrough; addresses are checked later, with those of HTML."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": True, "maxNesting": MAX_NESTING})
        self.enable(["table", "strikethrough"])

    def normalizeLink(self, url: str) -> str:
        return url


_MARKDOWN: Final = _Markdown()


def from_html(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read HTML into a body; blocks of the previous revision lend their ids to what has not changed.

    Raises ValueError when the source is too large or nested too deeply.
    """
    return from_blocks(with_ids(read_html(drop_controls(source)), previous))


def from_markdown(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read Markdown, with HTML inside it, into a body; otherwise like `from_html`."""
    if len(source) > MAX_LENGTH["article"]:
        raise ValueError(f"the Markdown is longer than {MAX_LENGTH['article']} characters")
    if source.count("[") > MAX_BRACKETS:
        raise ValueError(f"the Markdown has more than {MAX_BRACKETS} opening brackets")
    tokens = _MARKDOWN.parse(drop_controls(source))
    if any(token.level >= MAX_NESTING - 2 for token in tokens):
        raise ValueError("the Markdown is nested too deeply")
    return from_html(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}), previous)


def from_blocks(blocks: Sequence[Block]) -> Body:
    """Render blocks that already have their ids into a body."""
    text = render_text(blocks)
    prose = " ".join(block["text"] for block in blocks if block["type"] in {"paragraph", "quote", "list"})
    return Body(
        html=render_html(blocks),
        markdown=render_markdown(blocks),
        text=text,
        blocks=list(blocks),
        words=word_count(text),
        excerpt=excerpt(prose or text),
    )


def _texts(block: Block) -> list[str]:
    extra = block["cite"] if block["type"] == "quote" else block["caption"] if block["type"] == "table" else None
    return [block["text"], extra["text"]] if extra else [block["text"]]


def render_text(blocks: Iterable[Block]) -> str:
    """Render blocks as plain text with an empty line between them; a caption or source follows its block."""
    return _SEPARATOR.join(text for block in blocks for text in _texts(block) if text)


def block_map(blocks: Iterable[Block]) -> list[BlockSpan]:
    """Tell where the text of each block stands in `render_text`; blocks without text are left out."""
    spans: list[BlockSpan] = []
    position = 0
    for block in blocks:
        for index, text in enumerate(_texts(block)):
            if not text:
                continue
            if index == 0:
                spans.append(BlockSpan(block["id"], position, position + len(text)))
            position += len(text) + len(_SEPARATOR)
    return spans
