"""What goes into the head of an article's page: Open Graph and cards of X, and structured data with its breadcrumbs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import pydantic_core
import sqlalchemy as sa

from app.articles.includes import ListPosition
from app.articles.reading import AUTHOR
from app.articles.rendering import RenderedArticle
from app.core.models import BaseModel
from app.db.rows import JsonObject
from app.events.cache_groups import SITE_GROUP
from app.feeds import json_ld
from app.feeds.article_json import ArticleJson, AuthorJson, FileJson, ImageJson, parse_article
from app.feeds.content import complete_url, drop_empty, summary_of
from app.feeds.schemas import Publication, to_uri
from app.identity.schemas import Actor
from app.publication.site import Site
from app.site.profile import find_name, find_profile, present_picture


class JsonLdOut(BaseModel):
    """Structured data, which is given as a whole."""


def complete_publication(connection: sa.Connection, publication: Publication) -> Publication:
    """Return the publication with the name, logo and accounts that editors gave it."""
    row = find_profile(connection)
    logo = cast("ImageJson | None", present_picture(row, "logo", publication.site.media))
    return replace(
        publication,
        name=row["name"] or publication.name,
        logo=logo and (complete_url(logo["url"], publication.site.media), logo["width"], logo["height"]),
        same_as=tuple(str(account["url"]) for account in row["social"]),
    )


def name_publication(connection: sa.Connection, publication: Publication) -> Publication:
    """Return the publication with the name that editors gave it, for what shows no more of it."""
    return replace(publication, name=find_name(connection, publication.name))


Profiles: TypeAlias = Mapping[str, Sequence[str]]
"""Pages and profiles of authors elsewhere, by their ids."""


def find_profiles(connection: sa.Connection, article: ArticleJson) -> Profiles:
    """Return the pages and profiles elsewhere of an article's authors by their ids."""
    ids = [author["id"] for author in article["authors"]]
    if not ids:
        return {}
    query = sa.select(AUTHOR.c.id, AUTHOR.c.url, AUTHOR.c.same_as).where(AUTHOR.c.id.in_(ids))
    return {row.id: [url for url in (row.url, *(row.same_as or ())) if url] for row in connection.execute(query)}


def add_profiles(article: ArticleJson, profiles: Profiles) -> ArticleJson:
    """Add their pages and profiles elsewhere to the authors of an article."""
    authors: list[AuthorJson] = [{**author, "same_as": profiles.get(author["id"], ())} for author in article["authors"]]
    return {**article, "authors": authors}


def include_description(
    connection: sa.Connection,
    _row: ListPosition,
    article: RenderedArticle,
    _site: Site,
    _actor: Actor,
    *,
    publication: Publication,
    write: Callable[[sa.Connection, ArticleJson, Publication], bytes],
) -> RenderedArticle:
    """Return what `write` makes of an article and the publication as editors described it."""
    described = write(connection, parse_article(article.json), complete_publication(connection, publication))
    return RenderedArticle(described, groups=(SITE_GROUP,))


def write_head(_connection: sa.Connection, article: ArticleJson, publication: Publication) -> bytes:
    """Return `HeadOut` of an article, for `include=head`."""
    return pydantic_core.to_json(make_head(article, publication))


def write_json_ld(connection: sa.Connection, article: ArticleJson, publication: Publication) -> bytes:
    """Return the structured data of an article and its breadcrumbs, for `include=jsonld`."""
    described = add_profiles(article, find_profiles(connection, article))
    items = [json_ld.describe_article(described, publication)]
    if article["breadcrumbs"]:
        items.append(json_ld.describe_breadcrumbs(article))
    return json_ld.write(items)


def make_head(article: ArticleJson, publication: Publication) -> JsonObject:
    """Return what the head of an article's page says, as `HeadOut`."""
    seo: Mapping[str, object] = article["seo"] or {}
    title = str(seo.get("title") or article["title"])
    description = str(seo.get("description") or summary_of(article))
    canonical = article["canonical_url"] or to_uri(article["url"])
    image = cast("ImageJson | None", seo.get("image")) or article["image"]
    card = find_card(image) if image else None
    picture = complete_url(card["url"], publication.site.media) if card else None
    return {
        "title": title,
        "description": description,
        "canonical_url": canonical,
        "robots": seo.get("robots"),
        "open_graph": _open_graph(article, publication, title, description, canonical, image),
        "twitter": drop_empty(
            {
                "twitter:card": "summary_large_image" if picture else "summary",
                "twitter:title": title,
                "twitter:description": description,
                "twitter:image": picture,
                "twitter:image:alt": image and image["alt"],
            }
        ),
    }


def find_card(image: ImageJson) -> FileJson:
    """Return the file of a picture for the cards of networks: the crop that is made for them, if there is one."""
    return next((crop for crop in image["crops"] if crop["name"] == "social"), image)


def _open_graph(
    article: ArticleJson,
    publication: Publication,
    title: str,
    description: str,
    canonical: str,
    image: ImageJson | None,
) -> JsonObject:
    """Return Open Graph data (ogp.me) by property."""
    members: JsonObject = {
        "og:type": "website" if article["type"] == "page" else "article",
        "og:title": title,
        "og:description": description,
        "og:url": canonical,
        "og:site_name": publication.name,
        "og:locale": article["language"].replace("-", "_"),
    }
    if image:
        card = find_card(image)
        members |= {
            "og:image": complete_url(card["url"], publication.site.media),
            "og:image:width": card["width"] and str(card["width"]),
            "og:image:height": card["height"] and str(card["height"]),
            "og:image:alt": image["alt"],
        }
    if article["type"] != "page":
        members |= {
            "article:published_time": article["published_at"],
            "article:modified_time": article["updated_at"],
            "article:section": article["section"] and article["section"]["name"],
            "article:author": _list_urls(article["authors"]),
            "article:tag": [tag["name"] for tag in article["tags"]],
        }
    return drop_empty(members)


def _list_urls(terms: Sequence[Mapping[str, object]]) -> list[str]:
    return [to_uri(str(term["url"])) for term in terms]
