"""An article's text by itself: with its notices and corrections, and with addresses that work elsewhere."""

import posixpath
import re
from collections.abc import Mapping
from html import escape, unescape
from typing import Any
from urllib.parse import urljoin

from app.feeds.schemas import uri
from app.publication.schemas import MEDIA_PATH
from app.text.html import parse_html
from app.text.inputs import is_http_url

Article = Mapping[str, Any]
KINDS = {
    "correction": "Correction",
    "clarification": "Clarification",
    "update": "Update",
    "editors_note": "Editor’s note",
}
# Only inside of tags, which the sanitiser writes in one form: the same words may stand in a text about HTML.
_RELATIVE = re.compile(r' (?:href|src|poster|data-embed)="(?![a-z][a-z0-9+.-]*:)', re.IGNORECASE)
_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [a-z-]+="[^"]*")+')
_ADDRESS = re.compile(r'( (?:href|src|poster|data-embed)=")([^"]*)')

# What the tables of operating systems lack, or say otherwise.
_RECORDINGS = {
    ".aac": "audio/aac", ".flac": "audio/flac", ".m4a": "audio/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime",
    ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".ogv": "video/ogg",
    ".opus": "audio/ogg", ".wav": "audio/wav", ".webm": "video/webm",
}  # fmt: skip
_LEADS = {"href", "src", "poster", "link", "url"}  # members of blocks


def absolute(html: str, base: str, api: str) -> str:
    """Sanitised HTML with every address absolute (RFC 3986 §5.2): own files on this server, the rest on the site."""
    if not _RELATIVE.search(html):
        return html

    def address(match: re.Match[str]) -> str:
        return match[1] + escape(_joined(base, unescape(match[2]), api))

    return _TAG.sub(lambda tag: _ADDRESS.sub(address, tag.group()), html)


def absolute_blocks(value: Any, base: str, api: str) -> Any:
    """The same of blocks."""
    if isinstance(value, list):
        return [absolute_blocks(row, base, api) for row in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _joined(base, inner, api) if name in _LEADS and inner else absolute_blocks(inner, base, api)
        for name, inner in value.items()
    }


def _joined(base: str, there: str, api: str) -> str:
    if there.startswith(MEDIA_PATH):
        return on_server(there, api)
    try:
        return urljoin(base, there)
    except ValueError:  # such as `//[x`: it leads nowhere, here as there
        return there


def placed(article: Article, place: str) -> list[Mapping[str, Any]]:
    """The notices that stand `before` or `after` the text."""
    return [notice for notice in article["notices"] if notice["placement"] in (place, "both")]


def correction(row: Mapping[str, Any]) -> str:
    """What a correction begins with: `Correction, 2026-01-31`."""
    return f"{KINDS[row['kind']]}, {row['at'][:10]}"


def whole(article: Article, html: str, api: str) -> str:
    """The text with what belongs to it, as HTML: notices before and after, corrections at the end."""
    parts = [notice["html"] for notice in placed(article, "before")]
    parts.append(html)
    for row in article["corrections"]:
        text = escape(row["text"], quote=False).replace("\n", "<br>")
        parts.append(f"<p><strong>{correction(row)}:</strong> {text}</p>")
    parts += [notice["html"] for notice in placed(article, "after")]
    return absolute("\n".join(parts), uri(article["url"]), api)


def recording(html: str, base: str, api: str) -> tuple[str, str] | None:
    """The absolute address and the media type of the first recording of known type in a stored text."""
    if not any(mark in html for mark in ("<audio", "<video", "data-embed")):
        return None
    for node in parse_html(html).css("audio[src], video[src], source[src], figure[data-embed]"):
        url = _joined(base, node.attributes.get("src") or node.attributes.get("data-embed") or "", api)
        kind = (node.attributes.get("type") or "").partition(";")[0] or _kind(url)
        if kind.startswith(("audio/", "video/")) and is_http_url(url):
            return uri(url), kind
    return None


def _kind(url: str) -> str:
    return _RECORDINGS.get(posixpath.splitext(url.partition("#")[0].partition("?")[0])[1].lower(), "")


def on_server(url: str, api: str) -> str:
    """The absolute address of a picture: a path is one on this server."""
    return uri(api + url if url.startswith("/") else url)


def summary(article: Article) -> str:
    """The standfirst, else the beginning of the text."""
    return str(article["dek"] or article["excerpt"])


def terms(article: Article) -> str | None:
    """What others may do with it, and where, in one line."""
    held = article["rights"]
    if not held["territory"]:
        return held["usage_terms"] or None
    where = f"Only in {', '.join(held['territory'])}"
    return f"{held['usage_terms'].rstrip('.')}. {where}" if held["usage_terms"] else where


def rights(article: Article) -> str | None:
    """Who holds the rights and what may be done, in one line."""
    held = article["rights"]
    holder = f"© {held['copyright_holder']}" if held["copyright_holder"] else None
    return ". ".join(filter(None, [holder, terms(article)])) or None
