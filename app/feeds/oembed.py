"""What oEmbed asks and answers."""

from collections.abc import Mapping
from html import escape
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from app.feeds.content import on_server, summary
from app.feeds.schemas import Publication, uri
from app.feeds.xml import add, root, written

WIDTH, HEIGHT = 600, 240  # of the box that we suggest, in pixels
LEAST = (220, 120)  # a smaller one gets a link
_Pixels = Field(None, ge=1, le=100_000, description="The most that there is room for, in pixels.")


class OEmbedQuery(BaseModel):
    """What a consumer asks (oembed.com §2.2)."""

    url: str = Field(min_length=8, max_length=2048, description="Address of an article on the publication's site.")
    format: Literal["json", "xml"] = Field("json", description="Of the answer.")
    maxwidth: int | None = _Pixels
    maxheight: int | None = _Pixels


class OEmbedOut(BaseModel):
    """What to show (oembed.com §2.3.4): a box of HTML without scripts, or where it does not fit a link."""

    version: Literal["1.0"]
    type: Literal["rich", "link"]
    title: str
    author_name: str | None = None
    provider_name: str
    provider_url: str
    cache_age: int = Field(description="Seconds for which to keep this.")
    thumbnail_url: str | None = None
    thumbnail_width: int | None = Field(None, description="Pixels.")
    thumbnail_height: int | None = Field(None, description="Pixels.")
    html: str | None = Field(None, description="With `rich`.")
    width: int | None = Field(None, description="Pixels; with `rich`.")
    height: int | None = Field(None, description="Pixels; with `rich`.")


def path_of(url: str, here: Publication) -> str | None:
    """The path on the publication's site that an address leads to; None if it leads elsewhere."""
    try:
        asked, own = urlsplit(url), urlsplit(here.site.url)
    except ValueError:
        return None
    inside = asked.path.startswith(f"{own.path}/") and len(asked.path) - len(own.path) <= 500
    if asked.scheme not in ("http", "https") or asked.netloc.lower() != own.netloc.lower() or not inside:
        return None
    path = asked.path[len(own.path) :]
    return path if path.isprintable() else None


def answer(article: Mapping[str, Any], here: Publication, asked: OEmbedQuery) -> dict[str, Any]:
    """An article in the shape of `OEmbedOut`, in the room that there is."""
    width, height = min(WIDTH, asked.maxwidth or WIDTH), min(HEIGHT, asked.maxheight or HEIGHT)
    found = {
        "version": "1.0",
        "type": "link",
        "title": article["title"],
        "author_name": ", ".join(author["name"] for author in article["authors"]) or None,
        "provider_name": here.name,
        "provider_url": here.site.url,
        "cache_age": 3600,
        **_thumbnail(article["image"], here, asked),
    }
    if width >= LEAST[0] and height >= LEAST[1]:
        found |= {"type": "rich", "html": _html(article, here), "width": width, "height": height}
    return {name: value for name, value in found.items() if value is not None}


def _html(article: Mapping[str, Any], here: Publication) -> str:
    names = [author["name"] for author in article["authors"]]
    told = escape(summary(article), quote=False)
    return (
        f'<blockquote><p><a href="{escape(uri(article["url"]))}">{escape(article["title"], quote=False)}</a></p>'
        f"{f'<p>{told}</p>' if told else ''}<p>{escape(', '.join([*names, here.name]), quote=False)}</p></blockquote>"
    )


def _thumbnail(image: Mapping[str, Any] | None, here: Publication, asked: OEmbedQuery) -> dict[str, Any]:
    """The largest copy that fits; none if its size is not known, for all three members come together."""
    if image is None:
        return {}
    room = (asked.maxwidth or 100_000, asked.maxheight or 100_000)
    copies = [copy for copy in (*image["renditions"], image) if copy["width"] and copy["height"]]
    fitting = [copy for copy in copies if copy["width"] <= room[0] and copy["height"] <= room[1]]
    if not fitting:
        return {}
    copy = max(fitting, key=lambda copy: int(copy["width"]))
    size = {f"thumbnail_{name}": copy[name] for name in ("width", "height")}
    return {"thumbnail_url": on_server(copy["url"], here.api), **size}


def as_xml(members: Mapping[str, Any]) -> bytes:
    """The same as XML (oembed.com §2.3.3)."""
    document = root("oembed", {})
    for name, value in members.items():
        add(document, name, str(value))
    return written(document)
