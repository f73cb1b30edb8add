"""An article as JSON-LD with the vocabulary of schema.org, for search engines and fact-checkers."""

from collections.abc import Sequence
from typing import cast

import pydantic_core

from app.db.rows import JsonObject
from app.feeds.article_json import ArticleJson, AuthorJson, BodyJson, ImageJson, SourceJson
from app.feeds.content import complete_url, drop_empty, rights_line, summary_of, usage_terms
from app.feeds.schemas import Publication, to_uri, to_urn

MEDIA_TYPE = "application/ld+json"
TEXT_FORMATS = ("text",)
_TYPES = {
    "opinion": "OpinionNewsArticle",
    "analysis": "AnalysisNewsArticle",
    "background": "BackgroundNewsArticle",
    "review": "ReviewNewsArticle",
    "report": "ReportageNewsArticle",
    "sponsored": "AdvertiserContentArticle",
    "page": "Article",
}


def render_json_ld(article: ArticleJson, body: BodyJson, publication: Publication) -> bytes:
    """Render an article with its text as JSON-LD, without its empty members."""
    return write(describe_article(article, publication, body["text"]))


def write(described: JsonObject | Sequence[JsonObject]) -> bytes:
    """Write JSON-LD so that nothing in it ends the <script> in which sites embed it (HTML §4.12.1.3)."""
    return pydantic_core.to_json(described).replace(b"<", b"\\u003c")


def describe_breadcrumbs(article: ArticleJson) -> JsonObject:
    """Return the way to an article through its sections as a `BreadcrumbList`."""
    steps = [(crumb["name"], crumb["url"]) for crumb in article["breadcrumbs"]] + [(article["title"], article["url"])]
    return {
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": at, "name": name, "item": to_uri(url)}
            for at, (name, url) in enumerate(steps, 1)
        ],
    }


def _author(author: AuthorJson) -> JsonObject:
    members = {"name": author["name"], "url": to_uri(author["url"]), "sameAs": author.get("same_as")}
    return {"@type": "Person", **drop_empty(members)}


def describe_article(article: ArticleJson, publication: Publication, text: str | None = None) -> JsonObject:
    """Return an article in words of schema.org, without its empty members."""
    url, rights = to_uri(article["url"]), article["rights"]
    members = {
        "@context": "https://schema.org",
        "@type": _TYPES.get(article["type"], "NewsArticle"),
        "@id": to_urn(article["id"]),
        "url": url,
        "mainEntityOfPage": url,
        "headline": article["title"],
        "description": summary_of(article),
        "inLanguage": article["language"],
        "datePublished": article["published_at"],
        "dateModified": article["updated_at"],
        "expires": rights["expires_at"],
        "articleSection": article["section"]["name"] if article["section"] else None,
        "keywords": [tag["name"] for tag in article["tags"]],
        "isPartOf": article["series"] and {"@type": "CreativeWorkSeries", "name": article["series"]["name"]},
        "author": [_author(author) for author in article["authors"]],
        "publisher": _publisher(publication),
        "isBasedOn": article["source"] and _work(article["source"]),
        "publishingPrinciples": publication.principles,
        "copyrightHolder": rights["copyright_holder"] and {"@type": "Organization", "name": rights["copyright_holder"]},
        "copyrightNotice": rights["copyright_holder"] and rights_line(article),
        "usageInfo": (used := usage_terms(article)) and {"@type": "CreativeWork", "text": used},
        "image": article["image"] and _image(article["image"], publication),
        "wordCount": article["word_count"],
        "timeRequired": f"PT{article['reading_minutes']}M",
        "articleBody": text,
        "correction": [
            {"@type": "CorrectionComment", "text": row["text"], "datePublished": row["at"]}
            for row in article["corrections"]
        ],
    }
    out = drop_empty(members)
    if article["discussion"]["state"] != "hidden":
        out |= {"commentCount": article["discussion"]["comments"], "discussionUrl": f"{url}#comments"}
    return out | _access(publication)


def _work(source: SourceJson) -> JsonObject:
    return {"@type": "CreativeWork", **drop_empty(cast(JsonObject, source))}


def _logo(publication: Publication) -> JsonObject | None:
    if publication.logo is None:
        return None
    members: JsonObject = dict(zip(("url", "width", "height"), publication.logo, strict=True))
    return {"@type": "ImageObject", **drop_empty(members)}


def _publisher(publication: Publication) -> JsonObject:
    members: JsonObject = {
        "name": publication.name,
        "url": publication.site.url,
        "logo": _logo(publication),
        "sameAs": list(publication.same_as),
        "publishingPrinciples": publication.principles,
    }
    return {"@type": "NewsMediaOrganization", **drop_empty(members)}


def _image(image: ImageJson, publication: Publication) -> JsonObject:
    members = {
        "url": complete_url(image["url"], publication.site.media),
        "width": image["width"],
        "height": image["height"],
        "caption": image["caption"] or image["alt"],
        "creditText": image["credit"],
    }
    return {"@type": "ImageObject", **drop_empty(members)}


def _access(publication: Publication) -> JsonObject:
    """Return the members that mark the part behind the paywall, if there is one."""
    if not publication.paywall:
        return {}
    part = {"@type": "WebPageElement", "isAccessibleForFree": False, "cssSelector": publication.paywall}
    return {"isAccessibleForFree": False, "hasPart": part}
