"""Expanding WordPress shortcodes, `[name key="value"]`, to HTML."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Final

from app.importers.wordpress.records import whole_number


@dataclass(frozen=True, slots=True)
class Attachment:
    """An uploaded file: its URL, alternative text, and caption as HTML."""

    url: str
    alt: str = ""
    caption: str = ""


def _nothing(_number: int) -> None:
    return None


def _no_images(_number: int) -> Sequence[int]:
    return ()


@dataclass(frozen=True, slots=True)
class Library:
    """Lookup of the items that a body refers to by id.

    `attachment` returns an attachment, and `reusable` the content of a `wp_block` item, or None. `attached` returns
    the ids of the images uploaded to an item (0: to this article) in menu order, for galleries without ids.
    `footnotes` is the custom field of that name, JSON.
    """

    attachment: Callable[[int], Attachment | None] = _nothing
    attached: Callable[[int], Sequence[int]] = _no_images
    reusable: Callable[[int], str | None] = _nothing
    footnotes: str = ""


_TOKEN = re.compile(
    r"<(?P<code>pre|code|script|style|textarea)\b.*?(?:</(?P=code)\s*>|\Z)"
    r"|<[a-z/!][^<>]*>"
    r"|\[(?P<escaped>\[?)(?P<end>/?)(?P<name>[a-z][\w-]*+)(?P<rest>(?:[\s=/:][^\[\]]*)?)\]",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""(?:([\w-]+)\s*+=\s*+)?(?:"([^"]*)"|'([^']*)'|([^\s"']+))""")
_CODE_ESCAPE = re.compile(r"\[(\[/?([A-Za-z][\w-]*)[^\[\]]*\])\]")
_IMAGE = re.compile(
    r"""\s*(?P<image>(?:<a\b[^<>]*>\s*)?<img\b(?:"[^"]*+"|'[^']*+'|[^"'>])*+>(?:\s*</a>)?)(?P<text>.*)""",
    re.DOTALL | re.IGNORECASE,
)
_URL = re.compile(r"(?:https?:)?//[^\s<>\"']+", re.IGNORECASE)
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)

_CAPTIONS = frozenset({"caption", "wp_caption"})
_SETS = frozenset({"gallery", "playlist"})
_PLAYERS: Final = {
    "audio": "",
    "dailymotion": "https://www.dailymotion.com/video/{}",
    "embed": "",
    "facebook": "",
    "gist": "https://gist.github.com/{}",
    "googlemaps": "",
    "instagram": "",
    "soundcloud": "",
    "spotify": "",
    "ted": "https://www.ted.com/talks/{}",
    "tweet": "https://twitter.com/i/status/{}",
    "twitter": "",
    "video": "",
    "vimeo": "https://vimeo.com/{}",
    "wpvideo": "https://videopress.com/v/{}",
    "youtube": "https://www.youtube.com/watch?v={}",
}
"""Shortcodes of embeds, with the URL template for an id."""
_IMPORT = _CAPTIONS | _SETS | frozenset(_PLAYERS)
_SOURCES = ("url", "src", "mp4", "m4v", "webm", "ogv", "mp3", "m4a", "ogg", "wav", "flac", "flv", "wmv", "id", "")


def render_embed(url: str) -> str:
    """Render an embed as an iframe; the URL may have entities or no scheme."""
    address = unescape(url)
    return f'<iframe src="{escape("https:" + address if address.startswith("//") else address)}"></iframe>'


def render_figure(picture: str, caption: str) -> str:
    """Render a figure of a picture or player with a caption, both HTML; an empty caption is left out."""
    below = f"<figcaption>{caption.strip()}</figcaption>" if caption.strip() else ""
    return f"<figure>{picture}{below}</figure>"


class Shortcodes:
    """Expands the shortcodes of one article; `warnings` names those that it could not expand."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.warnings: list[str] = []

    def expand(self, html: str) -> str:
        """Expand known shortcodes, remove one pair of brackets from escaped ones, and keep others as text."""
        return "".join(self._pieces(html))

    def _pieces(self, html: str) -> Iterator[str]:
        tokens = list(_TOKEN.finditer(html))
        closers = _match_closers(tokens)
        position = 0
        for index, token in enumerate(tokens):
            if token.start() < position:
                continue
            yield html[position : token.start()]
            position = token.end()
            name = (token["name"] or "").lower()
            closer = closers.get(index)
            if token["code"]:
                yield _CODE_ESCAPE.sub(_bare, token.group())
            elif not name or (token["end"] and not token["escaped"]):
                yield token.group()
            elif token["escaped"]:
                end = position if closer is None else closer.end()
                is_pair = html.startswith("]", end)
                yield html[token.start() + is_pair : end]
                position = end + is_pair
            else:
                inner = None if closer is None else html[position : closer.start()]
                made = self._replace(name, token["rest"], inner)
                if made is None:
                    self._warn(html, token, closer is not None)
                    yield token.group()
                else:
                    yield f"\n\n{made}\n\n"
                    position = position if closer is None else closer.end()
        yield html[position:]

    def _warn(self, html: str, token: re.Match[str], closed: bool) -> None:
        """Warn of a shortcode that is kept, unless it looks like a word in brackets."""
        before = html[max(0, token.start() - 80) : token.start()].rstrip(" \t")
        after = html[token.end() : token.end() + 80].lstrip(" \t")
        alone = (not before or before.endswith("\n")) and (not after or after.startswith("\n"))
        if token["name"].lower() in _IMPORT or closed or alone or "=" in token["rest"] or token["rest"].endswith("/"):
            self.warnings.append(f"shortcode [{token['name']}] is kept as text")

    def _replace(self, name: str, rest: str, inner: str | None) -> str | None:
        attributes = parse_attributes(rest)
        if name in _CAPTIONS:
            return None if inner is None else self._caption(attributes.get("caption", ""), inner)
        after = "" if inner is None else inner
        if name in _SETS:
            return self._set(name, attributes) + self.expand(after)
        if name not in _PLAYERS:
            return None
        content = unescape(re.sub(r"<[^<>]*>", "", after)).strip()
        if url := _source(attributes, _PLAYERS[name]):
            return render_embed(url) + (f"\n\n{self.expand(after)}" if content and content != unescape(url) else "")
        return render_embed(content) if _URL.fullmatch(content) else None

    def _caption(self, caption: str, inner: str) -> str:
        html = self.expand(inner)
        match = _IMAGE.fullmatch(html)
        if match is None:
            return f"{html}\n\n{caption}"
        both = (unescape(caption) if "&lt;" in caption else caption, match["text"].strip())
        return render_figure(match["image"], " ".join(part for part in both if part))

    def _set(self, name: str, attributes: dict[str, str]) -> str:
        listed = attributes.get("ids") or attributes.get("include")
        excluded = set(_numbers(attributes.get("exclude", "")))
        figures = []
        attached = () if listed else self._library.attached(whole_number(attributes.get("id", "")))
        for number in _numbers(listed) if listed else attached:
            attachment = None if number in excluded else self._library.attachment(number)
            if attachment is not None:
                picture = f'<img src="{escape(attachment.url)}" alt="{escape(attachment.alt)}">'
                figures.append(
                    render_figure(render_embed(attachment.url) if name == "playlist" else picture, attachment.caption)
                )
            elif number not in excluded:
                self.warnings.append(f"shortcode [{name}]: attachment {number} is not in the file")
        if not figures:
            self.warnings.append(f"shortcode [{name}] has nothing to show and is removed")
        return "\n".join(figures)


def _match_closers(tokens: list[re.Match[str]]) -> dict[int, re.Match[str]]:
    """Return the closing shortcode of each opening one by index; of nested ones of a name the innermost is closed."""
    ends: dict[str, re.Match[str]] = {}
    closers: dict[int, re.Match[str]] = {}
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        name = (token["name"] or "").lower()
        if name and token["end"]:
            ends[name] = token
        elif name in ends:
            closers[index] = ends.pop(name)
    return closers


def _bare(match: re.Match[str]) -> str:
    """Remove the outer brackets of an escaped shortcode in code, where `[[x]]` may be code too."""
    return match[1] if match[2].lower() in _IMPORT else match.group()


def parse_attributes(rest: str) -> dict[str, str]:
    """Parse `key="value"` in any quoting; the first value without a key (also `[name=value]`) has an empty key."""
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(rest.lstrip("=: \t\n")):
        key, *values = match.groups(default="")
        attributes.setdefault(key.lower(), "".join(values))
    return attributes


def _source(attributes: dict[str, str], address: str) -> str:
    for key in _SOURCES:
        value = attributes.get(key, "").strip()
        if _URL.fullmatch(value):
            return value
        if address and key in {"", "id"} and _ID.fullmatch(value):
            return address.format(value)
    return ""


def _numbers(text: str) -> list[int]:
    return [number for part in re.split(r"[\s,]+", text) if (number := whole_number(part))]
