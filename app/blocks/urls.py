"""URLs in bodies: sanitising, and recognition of well-known services."""

import re
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from app.text.html import LINK_SCHEMES
from app.text.inputs import drop_controls, is_http_url

MAX_URL: Final = 2048
_IGNORED = re.compile("[\t\n]")
_UNSAFE = re.compile('[\\s"<>\\\\^`{|}]')
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_YOUTUBE_PATH = re.compile(r"/(?:embed|shorts|live|v)/([\w-]{6,20})")
_YOUTUBE_SHOWN = re.compile(r"/watch|/playlist|/(?:embed|shorts|live|v)/[\w-]")
_VIMEO_PATH = re.compile(r"(?:/video)?/(\d+)(?:/([0-9a-f]{6,20}))?/?")
_VIMEO_HASH = re.compile(r"[0-9a-f]{6,20}")
_SECONDS = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m)?(?:(\d{1,6})s?)?")
_MASTODON_POST = re.compile(r"(/@[\w.-]+(?:@[\w.-]+)?/\d{10,30})(?:/embed)?/?")
_POST = re.compile(r"/[^/]+/status(?:es)?/\d+", re.ASCII)
# URLs that are embedded if they are alone on a line; other pages of the same services become links.
_EMBEDDABLE_PATHS: Final = {
    "youtube": _YOUTUBE_SHOWN,
    "vimeo": re.compile(r"/(?:video/)?\d+|/(?:channels|groups|showcase)/.+/\d+"),
    "x": re.compile(r"/[^/]+/status(?:es)?/\d+"),
    "instagram": re.compile(r"(?:/[^/]+)?/(?:p|reel|tv)/[\w-]+"),
    "tiktok": re.compile(r"/@[^/]+/video/\d+"),
    "mastodon": _MASTODON_POST,
    "bluesky": re.compile(r"/profile/[^/]+/post/\w+"),
    "facebook": re.compile(r"/[^/]+/(?:posts|videos)/.+|/(?:watch|permalink\.php|photo\.php|reel/.+)/?"),
    "threads": re.compile(r"/@[^/]+/post/[\w-]+"),
    "spotify": re.compile(r"/(?:embed/)?(?:track|album|episode|show|playlist|artist)/\w+"),
    "soundcloud": re.compile(r"/[^/]+/[^/]+"),
    "dailymotion": re.compile(r"/(?:embed/)?video/\w+"),
    "reddit": re.compile(r"/r/[^/]+/comments/\w+"),
    "datawrapper": re.compile(r"/\w{5}(?:/|$)"),
    "flourish": re.compile(r"/(?:visualisation|story)/\d+"),
}
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
    "threads.net": "threads",
    "threads.com": "threads",
    "google.com": "google",
    "datawrapper.de": "datawrapper",
    "dwcdn.net": "datawrapper",
    "flourish.studio": "flourish",
}


def sanitise_url(value: str | None, *, mail: bool = True) -> str | None:
    """Escape unsafe characters of a URL; None unless it is http, https, relative, or with `mail` of an app scheme."""
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
    if name in {"http", "https"}:
        return url if is_http_url(url) else None
    return url if mail and name in LINK_SCHEMES and len(url) > len(name) + 1 else None


def is_data_url(value: str | None) -> bool:
    """Tell whether a URL is a data URL (RFC 2397)."""
    return value is not None and _IGNORED.sub("", drop_controls(value)).strip()[:5].lower() == "data:"


def normalise_embed_url(value: str | None) -> str | None:
    """Return the public URL of a frame's or player's content, such as the page of a video; None if it is unusable."""
    url = sanitise_url(value, mail=False)
    if url is None:
        return None
    if url.startswith("//"):
        url = f"https:{url}"
    if not is_http_url(url):
        return url if not url.startswith("#") else None
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    name = find_provider(url)
    if name == "youtube" and (video := _YOUTUBE_PATH.match(parts.path)) and "list" not in query:
        return f"https://www.youtube.com/watch?v={video[1]}{_start_suffix(query, parts.fragment)}"
    if name == "vimeo" and (video := _VIMEO_PATH.fullmatch(parts.path)):
        return _vimeo(video, query, parts.fragment)
    if name == "x" and (post := _POST.match(parts.path)):
        return f"https://{parts.netloc}{post[0]}"
    if name == "mastodon" and (post := _MASTODON_POST.fullmatch(parts.path)):
        return f"https://{parts.netloc}{post[1]}"
    if name == "facebook" and parts.path.startswith("/plugins/") and (inner := query.get("href")):
        return normalise_embed_url(unquote(inner[0])) or url
    return url


def _vimeo(video: re.Match[str], query: dict[str, list[str]], fragment: str) -> str:
    """Return the page of a video; that of an unlisted one needs a hash."""
    secret = video[2] or next((value for value in query.get("h", ()) if _VIMEO_HASH.fullmatch(value)), None)
    start = _seconds(query.get("t", [""])[0] or fragment.removeprefix("t="))
    return f"https://vimeo.com/{video[1]}{f'/{secret}' if secret else ''}{f'#t={start}s' if start else ''}"


def _seconds(value: str) -> int:
    """Return the seconds of a start time such as `90`, `90s` or `1m30s`; 0 if it is invalid."""
    match = _SECONDS.fullmatch(value)
    return sum(int(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0


def _start_suffix(query: dict[str, list[str]], fragment: str) -> str:
    values = [*query.get("start", ()), *query.get("t", ()), fragment.removeprefix("t=")]
    start = next((seconds for value in values if (seconds := _seconds(value))), 0)
    return f"&t={start}s" if start else ""


def find_provider(url: str) -> str | None:
    """Return the well-known service of an absolute URL, or None."""
    if not is_http_url(url):
        return None
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    known = (_PROVIDERS.get(".".join(labels[start:])) for start in range(len(labels)))
    # Mastodon servers have any host: only the path identifies them.
    return next(filter(None, known), "mastodon" if _MASTODON_POST.fullmatch(parts.path) else None)


def find_embeddable_url(url: str) -> str | None:
    """Return the URL to embed for a URL alone on a line; None if it is an ordinary page."""
    name = find_provider(url)
    if name is None or name not in _EMBEDDABLE_PATHS:
        return None
    parts = urlsplit(url)
    short = parts.hostname in {"youtu.be", "fb.watch", "vm.tiktok.com"} and len(parts.path) > 4
    return normalise_embed_url(url) if short or _EMBEDDABLE_PATHS[name].match(parts.path) else None
