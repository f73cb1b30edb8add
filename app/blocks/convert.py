"""Converting HTML or Markdown to blocks, and rendering blocks in all forms."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.blocks.context import Dropped
from app.blocks.flatten import render_text, running_text_of
from app.blocks.from_html import read_html
from app.blocks.from_markdown import markdown_to_html
from app.blocks.ids import assign_ids
from app.blocks.schemas import Block
from app.blocks.to_html import render_html
from app.blocks.to_markdown import render_markdown
from app.text.inputs import count_words, drop_controls, make_excerpt


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an article in all forms, rendered from the same blocks."""

    html: str
    markdown: str
    text: str
    blocks: list[Block]
    words: int
    excerpt: str
    dropped: tuple[Dropped, ...] = ()


def body_from_html(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read HTML into a body; unchanged blocks keep their ids from the previous revision.

    Raise ValueError if the source is too large or nested too deeply.
    """
    blocks, dropped = read_html(drop_controls(source))
    return body_from_blocks(assign_ids(blocks, previous), dropped)


def body_from_markdown(source: str, previous: Sequence[Block] = ()) -> Body:
    """Read Markdown, which may contain HTML, into a body, like `body_from_html`."""
    return body_from_html(markdown_to_html(source), previous)


def body_from_blocks(blocks: Sequence[Block], dropped: tuple[Dropped, ...] = ()) -> Body:
    """Render blocks that have ids into a body."""
    text = render_text(blocks)
    return Body(
        html=render_html(blocks),
        markdown=render_markdown(blocks),
        text=text,
        blocks=list(blocks),
        words=count_words(text),
        excerpt=make_excerpt(running_text_of(blocks) or text),
        dropped=dropped,
    )
