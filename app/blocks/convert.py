"""The way in: HTML or Markdown becomes blocks, and everything else is rendered from these."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.blocks.context import Dropped
from app.blocks.flatten import BlockSpan, block_map, prose, render_text
from app.blocks.ids import with_ids
from app.blocks.markdown import markdown_html
from app.blocks.reader import read_html
from app.blocks.schemas import Block
from app.blocks.to_html import render_html
from app.blocks.to_markdown import render_markdown
from app.text.inputs import drop_controls, excerpt, word_count


@dataclass(frozen=True, slots=True)
class Body:
    """One article's body in all its forms, made from the same blocks."""

    html: str
    markdown: str
    text: str
    blocks: list[Block]
    words: int
    excerpt: str
    dropped: tuple[Dropped, ...] = ()


def from_html(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read HTML into a body; blocks of the previous revision lend their ids to what has not changed.

    Raises ValueError when the source is too large or nested too deeply.
    """
    blocks, dropped = read_html(drop_controls(source))
    return from_blocks(with_ids(blocks, previous), dropped)


def from_markdown(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read Markdown, with HTML inside it, into a body; otherwise like `from_html`."""
    return from_html(markdown_html(source), previous)


def from_blocks(blocks: Sequence[Block], dropped: tuple[Dropped, ...] = ()) -> Body:
    """Render blocks that already have their ids into a body."""
    text = render_text(blocks)
    return Body(
        html=render_html(blocks),
        markdown=render_markdown(blocks),
        text=text,
        blocks=list(blocks),
        words=word_count(text),
        excerpt=excerpt(prose(blocks) or text),
        dropped=dropped,
    )


__all__ = ["BlockSpan", "Body", "Dropped", "block_map", "from_blocks", "from_html", "from_markdown", "render_text"]
