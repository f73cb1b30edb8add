"""An article's body: a list of typed blocks, read from HTML or Markdown and rendered as HTML, Markdown and text."""

from app.blocks.context import Dropped
from app.blocks.convert import Body, body_from_blocks, body_from_html, body_from_markdown
from app.blocks.flatten import BlockSpan, map_blocks, render_text
from app.blocks.schemas import Block
from app.blocks.to_html import render_html
from app.blocks.to_markdown import render_markdown

__all__ = [
    "Block",
    "BlockSpan",
    "Body",
    "Dropped",
    "body_from_blocks",
    "body_from_html",
    "body_from_markdown",
    "map_blocks",
    "render_html",
    "render_markdown",
    "render_text",
]
