"""An article's text for use outside of its site: with its notices and corrections, and with absolute URLs."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Literal, cast
from urllib.parse import urljoin

from app.blocks.schemas import Block
from app.db.rows import JsonObject
from app.feeds.article_json import ArticleJson, CorrectionJson, NoticeJson, PreviewJson
from app.feeds.schemas import to_uri
from app.publication.renditions import MEDIA_PATH
from app.text.html import parse_html
from app.text.inputs import is_http_url

CORRECTION_LABELS = {
    "correction": "Correction",
    "clarification": "Clarification",
    "update": "Update",
    "editors_note": "Editor’s note",
}
# URLs are replaced inside of start tags only, as the sanitiser writes them: a text about HTML may contain the same.
_RELATIVE = re.compile(r' (?:href|src|poster|data-embed)="(?![a-z][a-z0-9+.-]*:)', re.IGNORECASE)
_START_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [a-z-]+="[^"]*")+')
_URL_ATTRIBUTE = re.compile(r'( (?:href|src|poster|data-embed)=")([^"]*)')

# `mimetypes` depends on the operating system, and lacks some of these or names others.
_RECORDING_TYPES = {
    ".aac": "audio/aac", ".flac": "audio/flac", ".m4a": "audio/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime",
    ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".ogv": "video/ogg",
    ".opus": "audio/ogg", ".wav": "audio/wav", ".webm": "video/webm",
}  # fmt: skip
_URL_MEMBERS = {"href", "src", "poster", "link", "url"}  # of blocks and marks


def make_absolute(html: str, base: str, files: str) -> str:
    """Make the URLs in sanitised HTML absolute (RFC 3986 §5.2): stored files are below `files`, others on the site."""
    if not _RELATIVE.search(html):
        return html

    def replace(match: re.Match[str]) -> str:
        return match[1] + escape(_resolve(base, unescape(match[2]), files))

    return _START_TAG.sub(lambda tag: _URL_ATTRIBUTE.sub(replace, tag.group()), html)


def make_blocks_absolute(blocks: Sequence[Block], base: str, files: str) -> list[Block]:
    """Make every URL in blocks absolute, as `make_absolute` does in HTML."""
    return cast(list[Block], _make_json_absolute(list(blocks), base, files))


def _make_json_absolute(value: object, base: str, files: str) -> object:
    if isinstance(value, list):
        return [_make_json_absolute(item, base, files) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _resolve(base, member, files)
        if name in _URL_MEMBERS and member
        else _make_json_absolute(member, base, files)
        for name, member in value.items()
    }


def _resolve(base: str, url: str, files: str) -> str:
    if url.startswith(MEDIA_PATH):
        return complete_url(url, files)
    try:
        return urljoin(base, url)
    except ValueError:  # not a URL, such as `//[x`: a browser cannot follow it either
        return url


def notices_at(article: ArticleJson, placement: Literal["before", "after"]) -> list[NoticeJson]:
    """Return the notices that are shown before or after the text."""
    return [notice for notice in article["notices"] if notice["placement"] in (placement, "both")]


def correction_label(correction: CorrectionJson) -> str:
    """Return the label of a correction: `Correction, 2026-01-31`."""
    return f"{CORRECTION_LABELS[correction['kind']]}, {correction['at'][:10]}"


def render_full_html(article: ArticleJson, html: str, files: str) -> str:
    """Render the text with its notices before and after it, and its corrections at its end."""
    parts = [notice["html"] for notice in notices_at(article, "before")]
    parts.append(html)
    for correction in article["corrections"]:
        text = escape(correction["text"], quote=False).replace("\n", "<br>")
        parts.append(f"<p><strong>{correction_label(correction)}:</strong> {text}</p>")
    parts += [notice["html"] for notice in notices_at(article, "after")]
    return make_absolute("\n".join(parts), to_uri(article["url"]), files)


def find_recording(html: str, base: str, files: str) -> tuple[str, str] | None:
    """Find the first audio or video of known type in a stored text; return its absolute URL and its media type."""
    if not any(mark in html for mark in ("<audio", "<video", "data-embed")):
        return None
    for node in parse_html(html).css("audio[src], video[src], source[src], figure[data-embed]"):
        url = _resolve(base, node.attributes.get("src") or node.attributes.get("data-embed") or "", files)
        media_type = (node.attributes.get("type") or "").partition(";")[0] or _type_by_suffix(url)
        if media_type.startswith(("audio/", "video/")) and is_http_url(url):
            return to_uri(url), media_type
    return None


def _type_by_suffix(url: str) -> str:
    return _RECORDING_TYPES.get(posixpath.splitext(url.partition("#")[0].partition("?")[0])[1].lower(), "")


def complete_url(url: str, files: str) -> str:
    """Return the absolute URL of a file; a path is one on this server."""
    return to_uri(files + url if url.startswith("/") else url)


def summary_of(article: PreviewJson) -> str:
    """Return the standfirst, or without one the beginning of the text."""
    return article["dek"] or article["excerpt"]


def usage_terms(article: ArticleJson) -> str | None:
    """Return the usage terms and the territory in one line, or None if there are neither."""
    rights = article["rights"]
    if not rights["territory"]:
        return rights["usage_terms"] or None
    territory = f"Only in {', '.join(rights['territory'])}"
    return f"{rights['usage_terms'].rstrip('.')}. {territory}" if rights["usage_terms"] else territory


def rights_line(article: ArticleJson) -> str | None:
    """Return the copyright holder and the usage terms in one line, or None if there are neither."""
    rights = article["rights"]
    holder = f"© {rights['copyright_holder']}" if rights["copyright_holder"] else None
    return ". ".join(filter(None, [holder, usage_terms(article)])) or None


def drop_empty(members: Mapping[str, object]) -> JsonObject:
    """Return a JSON object without the members that are null, empty or 0."""
    return {name: value for name, value in members.items() if value}
