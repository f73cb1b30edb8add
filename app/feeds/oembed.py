"""oEmbed (oembed.com): what other sites show for the URL of an article."""

from html import escape
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from app.core.models import BaseModel
from app.db.rows import JsonObject
from app.feeds.article_json import ImageJson, PreviewJson
from app.feeds.content import complete_url, summary_of
from app.feeds.schemas import Publication, to_uri
from app.web.paging import PreviewedQuery

WIDTH, HEIGHT = 600, 240  # suggested size of the box, in pixels
MIN_SIZE = (220, 120)  # where there is less room, the answer is a link
MAX_PATH_LENGTH = 500
_Pixels = Field(None, ge=1, le=100_000, description="Room on the page, in pixels.")


class OEmbedQuery(PreviewedQuery):
    """A request of a consumer (oembed.com §2.2)."""

    url: str = Field(min_length=8, max_length=2048, description="URL of an article on the publication's site.")
    format: Literal["json", "xml"] = Field("json", description="Format of the response.")
    maxwidth: int | None = _Pixels
    maxheight: int | None = _Pixels


class OEmbedOut(BaseModel):
    """A box of HTML without scripts or, where there is no room for it, a link (oembed.com §2.3.4)."""

    version: Literal["1.0"]
    type: Literal["rich", "link"]
    title: str
    author_name: str | None = None
    provider_name: str
    provider_url: str
    cache_age: int = Field(description="Seconds for which the response may be cached.")
    thumbnail_url: str | None = None
    thumbnail_width: int | None = Field(None, description="Pixels.")
    thumbnail_height: int | None = Field(None, description="Pixels.")
    html: str | None = Field(None, description="With `rich`.")
    width: int | None = Field(None, description="Pixels; with `rich`.")
    height: int | None = Field(None, description="Pixels; with `rich`.")


def site_path_of(url: str, publication: Publication) -> str | None:
    """Return the path of a URL of the publication's site, or None for other URLs."""
    try:
        parts, site = urlsplit(url), urlsplit(publication.site.url)
    except ValueError:
        return None
    is_inside = parts.path.startswith(f"{site.path}/") and len(parts.path) - len(site.path) <= MAX_PATH_LENGTH
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != site.netloc.lower() or not is_inside:
        return None
    path = parts.path[len(site.path) :]
    return path if path.isprintable() else None


def embed_article(article: PreviewJson, publication: Publication, query: OEmbedQuery) -> JsonObject:
    """Return an article as `OEmbedOut`, within the size that the consumer allows."""
    width, height = min(WIDTH, query.maxwidth or WIDTH), min(HEIGHT, query.maxheight or HEIGHT)
    members: JsonObject = {
        "version": "1.0",
        "type": "link",
        "title": article["title"],
        "author_name": ", ".join(author["name"] for author in article["authors"]) or None,
        "provider_name": publication.name,
        "provider_url": publication.site.url,
        "cache_age": 3600,
        **_thumbnail(article["image"], publication, query),
    }
    if width >= MIN_SIZE[0] and height >= MIN_SIZE[1]:
        members |= {"type": "rich", "html": _render_box(article, publication), "width": width, "height": height}
    return {name: value for name, value in members.items() if value is not None}


def _render_box(article: PreviewJson, publication: Publication) -> str:
    url, title = escape(to_uri(article["url"])), escape(article["title"], quote=False)
    summary = escape(summary_of(article), quote=False)
    byline = escape(", ".join([*(author["name"] for author in article["authors"]), publication.name]), quote=False)
    paragraphs = [f'<a href="{url}">{title}</a>', *([summary] if summary else []), byline]
    return f"<blockquote>{''.join(f'<p>{paragraph}</p>' for paragraph in paragraphs)}</blockquote>"


def _thumbnail(image: ImageJson | None, publication: Publication, query: OEmbedQuery) -> JsonObject:
    """Return the largest copy that fits; copies of unknown size are left out, since all three members are required."""
    if image is None:
        return {}
    max_width, max_height = query.maxwidth or 100_000, query.maxheight or 100_000
    fitting = [
        (width, height, copy["url"])
        for copy in (*image["renditions"], image)
        if (width := copy["width"]) and (height := copy["height"]) and width <= max_width and height <= max_height
    ]
    if not fitting:
        return {}
    width, height, url = max(fitting, key=lambda copy: copy[0])
    return {
        "thumbnail_url": complete_url(url, publication.site.media),
        "thumbnail_width": width,
        "thumbnail_height": height,
    }


def render_xml(members: JsonObject) -> bytes:
    """Render the members of a response as XML (oembed.com §2.3.3)."""
    from app.feeds.xml import add_child, make_root, serialize  # here, as few ask for it, and lxml takes 4 MB

    document = make_root("oembed", {})
    for name, value in members.items():
        add_child(document, name, str(value))
    return serialize(document)
