"""WordPress bodies, from the classic or the block editor, as plain HTML that a body parser understands."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from app.importers.wordpress.paragraphs import paragraphs
from app.importers.wordpress.shortcodes import Library, Shortcodes, embed

_MAX_REUSED = 100

# A comment without an end hides all that follows, in browsers too; it is taken as one token and left alone.
_COMMENT = re.compile(r"<!--(?P<text>.*?)(?P<end>-->|\Z)", re.DOTALL)
_BLOCK = re.compile(r"\s*wp:(?P<name>[a-z0-9/_-]+?)\s*+(?P<attributes>\{.*\})?+\s*+/\s*+", re.DOTALL)
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
_SILENT_BLOCKS = frozenset({"more", "nextpage", "spacer"})


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
    html = _without_comments(text, library, warnings)
    shortcodes = Shortcodes(library)
    html = shortcodes.expand(html)
    warnings += shortcodes.warnings
    html = _with_embeds(html, warnings)
    html = _FILE_BUTTON.sub(r" \1", html).strip() if has_blocks else paragraphs(html)
    return Content(html, tuple(dict.fromkeys(warnings)))


def _without_comments(text: str, library: Library, warnings: list[str]) -> str:
    """Take out all comments, among them the marks of blocks, and put in what blocks without HTML refer to."""
    reused = 0

    def pieces(text: str, ancestors: frozenset[int]) -> Iterator[str]:
        nonlocal reused
        position = 0
        for comment in _COMMENT.finditer(text):
            yield text[position : comment.start()]
            position = comment.end()
            if not comment["end"]:
                yield comment.group()
            elif comment["text"].strip() == "nextpage":
                yield "\n\n"
            elif block := _BLOCK.fullmatch(comment["text"]):
                name, attributes = block["name"].removeprefix("core/"), _json(block["attributes"])
                number = attributes.get("ref")
                content = library.reusable(number) if name == "block" and isinstance(number, int) else None
                if isinstance(number, int) and content is not None and number not in ancestors and reused < _MAX_REUSED:
                    reused += 1
                    yield from pieces(content, ancestors | {number})
                else:
                    yield _filled(name, attributes, warnings)
        yield text[position:]

    return "".join(pieces(text, frozenset()))


def _json(text: str | None) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _filled(name: str, attributes: dict[str, object], warnings: list[str]) -> str:
    """Give what a block without HTML shows of itself: an embedded address or a labelled link; warn if nothing."""
    url, label = attributes.get("url"), attributes.get("label")
    if isinstance(url, str) and re.match("https?://", url):
        if "embed" in name:
            return embed(url)
        if isinstance(label, str) and label.strip():
            return f'<p><a href="{escape(url)}">{label}</a></p>'
    if name not in _SILENT_BLOCKS:
        warnings.append(f"block {name} has no content of its own and is left out")
    return ""


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
