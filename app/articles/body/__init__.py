"""An article's body: a list of typed blocks, read from HTML or Markdown and rendered as HTML, Markdown and text."""

from app.articles.body.convert import (
    BlockSpan,
    Body,
    Dropped,
    block_map,
    from_blocks,
    from_html,
    from_markdown,
    render_text,
)
from app.articles.body.schemas import Block
from app.articles.body.to_html import render_html
from app.articles.body.to_markdown import render_markdown

__all__ = [
    "Block",
    "BlockSpan",
    "Body",
    "Dropped",
    "block_map",
    "from_blocks",
    "from_html",
    "from_markdown",
    "render_html",
    "render_markdown",
    "render_text",
]
