"""An article's body: a list of typed blocks, read from HTML or Markdown and rendered as HTML, Markdown and text."""

from app.blocks.context import Dropped
from app.blocks.convert import Body, from_blocks, from_html, from_markdown
from app.blocks.flatten import BlockSpan, block_map, render_text
from app.blocks.schemas import Block
from app.blocks.to_html import render_html
from app.blocks.to_markdown import render_markdown

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
