"""WordPress bodies, from the classic or the block editor, as plain HTML that a body parser understands."""

import re
from dataclasses import dataclass

from app.importers.wordpress.blocks import without_marks
from app.importers.wordpress.code import literal_code
from app.importers.wordpress.paragraphs import paragraphs
from app.importers.wordpress.shortcodes import Library, Shortcodes, embed

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
# Only its style sets the button of a file apart from the name before it.
_FILE_BUTTON = re.compile(r"(?<=</a>)(<a\b[^<>]*\bwp-block-file__button\b)")


@dataclass(frozen=True, slots=True)
class Content:
    """A body as HTML, not yet sanitised, and what the report should say about it, each once."""

    html: str
    warnings: tuple[str, ...]


def to_html(content: str, library: Library | None = None) -> Content:
    """Turn `content:encoded` into HTML: blocks, shortcodes, players, lone addresses and the classic editor's lines.

    Everything embedded becomes `<iframe src>`, captions become `<figure>`. No visible word is lost: what is not
    understood stays as text, and a block that WordPress fills only when it is shown is named in the warnings.
    """
    library = library or Library()
    warnings: list[str] = []
    text = content.replace("\r\n", "\n").replace("\r", "\n")
    has_blocks = "<!-- wp:" in text
    html = without_marks(literal_code(text), library, warnings)
    shortcodes = Shortcodes(library)
    html = shortcodes.expand(html)
    warnings += shortcodes.warnings
    html = _with_embeds(html, warnings)
    html = _FILE_BUTTON.sub(r" \1", html).strip() if has_blocks else paragraphs(html)
    return Content(html, tuple(dict.fromkeys(warnings)))


def _with_embeds(html: str, warnings: list[str]) -> str:
    """Replace players, and addresses that stand alone on a line or in a paragraph, which WordPress embeds too."""

    def player(match: re.Match[str]) -> str:
        if match["code"]:
            return match.group()
        if source := _SOURCE.search(match["inside"] or match["plain"] or ""):
            return embed(source[1])
        warnings.append(f"a player ({match['player'] or 'embed'}) has no address on the web and is kept as it is")
        return match.group()

    def lone_url(match: re.Match[str]) -> str:
        if not match["url"]:
            return match.group()
        opening, closing = match["before"].strip(), match["after"].strip()
        return f"{'' if closing else opening}\n\n{embed(match['url'])}\n\n"

    return _LONE_URL.sub(lone_url, _PLAYER.sub(player, html))
