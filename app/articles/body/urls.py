"""Which addresses a body may hold, and which well-known service an embed comes from."""

import re
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from app.kit.text import drop_controls, is_http_url

MAX_URL: Final = 2048
_IGNORED = re.compile("[\t\n]")
_UNSAFE = re.compile('[\\s"<>\\\\^`{|}]')
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_YOUTUBE_PATH = re.compile(r"/(?:embed|shorts|live|v)/([\w-]{6,20})")
_VIMEO_PATH = re.compile(r"/video/(\d+)")
_PROVIDERS: Final = {
    "youtube.com": "youtube",
    "youtube-nocookie.com": "youtube",
    "youtu.be": "youtube",
    "vimeo.com": "vimeo",
    "twitter.com": "x",
    "x.com": "x",
    "instagram.com": "instagram",
    "facebook.com": "facebook",
    "tiktok.com": "tiktok",
    "soundcloud.com": "soundcloud",
    "spotify.com": "spotify",
    "dailymotion.com": "dailymotion",
    "reddit.com": "reddit",
    "bsky.app": "bluesky",
    "google.com": "google",
    "datawrapper.de": "datawrapper",
    "dwcdn.net": "datawrapper",
    "flourish.studio": "flourish",
}


def safe_url(value: str | None, *, mail: bool = True) -> str | None:
    """Escape an address's unsafe characters; None unless it is http, https, relative or (with `mail`) mailto."""
    if value is None:
        return None
    url = _IGNORED.sub("", drop_controls(value)).strip()
    url = _UNSAFE.sub(lambda match: quote(match.group()), url)
    if not url or len(url) > MAX_URL:
        return None
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url
    name = scheme[1].lower()
    return url if (name == "mailto" and mail) or (name in {"http", "https"} and is_http_url(url)) else None


def embed_url(value: str | None) -> str | None:
    """Give the public address of what a frame or player shows, such as a video's own page; None if it is unusable."""
    url = safe_url(value, mail=False)
    if url is None:
        return None
    if url.startswith("//"):
        url = f"https:{url}"
    if not is_http_url(url):
        return url if not url.startswith("#") else None
    parts = urlsplit(url)
    name = provider(url)
    if name == "youtube" and (video := _YOUTUBE_PATH.match(parts.path)) and "list" not in parse_qs(parts.query):
        return f"https://www.youtube.com/watch?v={video[1]}"
    if name == "vimeo" and (video := _VIMEO_PATH.match(parts.path)):
        return f"https://vimeo.com/{video[1]}"
    return url


def provider(url: str) -> str | None:
    """Name the well-known service that an absolute address belongs to, if any."""
    host = (urlsplit(url).hostname or "") if is_http_url(url) else ""
    labels = host.split(".")
    return next((name for start in range(len(labels)) if (name := _PROVIDERS.get(".".join(labels[start:])))), None)
