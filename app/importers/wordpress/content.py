"""Converting WordPress bodies, of the classic or the block editor, to plain HTML."""

import re
from dataclasses import dataclass

from app.importers.wordpress.blocks import strip_delimiters
from app.importers.wordpress.code import render_code
from app.importers.wordpress.paragraphs import add_paragraphs
from app.importers.wordpress.shortcodes import Library, Shortcodes, render_embed

_CODE = r"<(?P<code>pre|code|script|style|textarea)\b.*?(?:</(?P=code)\s*>|\Z)"
_PLAYER = re.compile(
    _CODE + r"|<(?P<player>video|audio|object)\b(?P<inside>.*?)(?:</(?P=player)\s*>|\Z)|<embed\b(?P<plain>[^<>]*)>",
    re.DOTALL | re.IGNORECASE,
)
_SOURCE = re.compile(r"""\b(?:src|data)\s*=\s*["']((?:https?:)?//[^"'\s<>]+)["']""", re.IGNORECASE)
_LONE_URL = re.compile(
    _CODE + r"|<a\b.*?(?:</a\s*>|\Z)"
    r"|(?P<before>^[ \t]*|<p\b[^<>]*>\s*|<div\b[^<>]*>[ \t]*)"
    r"(?P<url>https?://[^\s<>\"'\[\]]+)(?P<after>\s*</p>|[ \t]*(?=$|</div))",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
# The button of a file follows its name without a space; only its style separates them.
_FILE_BUTTON = re.compile(r"(?<=</a>)(<a\b[^<>]*\bwp-block-file__button\b)")


@dataclass(frozen=True, slots=True)
class Content:
    """A body as HTML that is not sanitised yet, and warnings for the report."""

    html: str
    warnings: tuple[str, ...]


def convert_content(content: str, library: Library | None = None) -> Content:
    """Convert `content:encoded` to HTML: blocks, shortcodes, players, lone URLs and the classic editor's lines.

    Embeds become `<iframe src>`, captions `<figure>`. No visible word is lost: unknown shortcodes stay as text, and
    blocks that WordPress renders dynamically are named in the warnings.
    """
    library = library or Library()
    warnings: list[str] = []
    text = content.replace("\r\n", "\n").replace("\r", "\n")
    has_blocks = "<!-- wp:" in text
    html = strip_delimiters(render_code(text), library, warnings)
    shortcodes = Shortcodes(library)
    html = shortcodes.expand(html)
    warnings += shortcodes.warnings
    html = _replace_embeds(html, warnings)
    html = _FILE_BUTTON.sub(r" \1", html).strip() if has_blocks else add_paragraphs(html)
    return Content(html, tuple(dict.fromkeys(warnings)))


def _replace_embeds(html: str, warnings: list[str]) -> str:
    """Replace players, and URLs alone on a line or in a paragraph, which WordPress embeds too."""

    def player(match: re.Match[str]) -> str:
        if match["code"]:
            return match.group()
        if source := _SOURCE.search(match["inside"] or match["plain"] or ""):
            return render_embed(source[1])
        warnings.append(f"a player ({match['player'] or 'embed'}) has no web address and is kept unchanged")
        return match.group()

    def lone_url(match: re.Match[str]) -> str:
        if not match["url"]:
            return match.group()
        opening, closing = match["before"].strip(), match["after"].strip()
        return f"{'' if closing else opening}\n\n{render_embed(match['url'])}\n\n"

    return _LONE_URL.sub(lone_url, _PLAYER.sub(player, html))
