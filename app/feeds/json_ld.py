"""An article as schema.org has it, for search engines and fact-checkers: JSON-LD with names of schema.org alone."""

from collections.abc import Mapping
from typing import Any

import pydantic_core

from app.feeds.content import Article, on_server, rights, summary, terms
from app.feeds.schemas import Publication, uri, urn

MEDIA_TYPE = "application/ld+json"
BODIES = ("text",)
_TYPES = {
    "opinion": "OpinionNewsArticle",
    "analysis": "AnalysisNewsArticle",
    "background": "BackgroundNewsArticle",
    "review": "ReviewNewsArticle",
    "report": "ReportageNewsArticle",
    "sponsored": "AdvertiserContentArticle",
    "page": "Article",
}


def write(article: Article, body: Mapping[str, str], here: Publication) -> bytes:
    """The article as JSON-LD; `article` has the shape of `ArticleOut`."""
    url, held = uri(article["url"]), article["rights"]
    members = {
        "@context": "https://schema.org",
        "@type": _TYPES.get(article["type"], "NewsArticle"),
        "@id": urn(article["id"]),
        "url": url,
        "mainEntityOfPage": url,
        "headline": article["title"],
        "description": summary(article),
        "inLanguage": article["language"],
        "datePublished": article["published_at"],
        "dateModified": article["updated_at"],
        "expires": held["expires_at"],
        "articleSection": article["section"] and article["section"]["name"],
        "keywords": [tag["name"] for tag in article["tags"]],
        "isPartOf": article["series"] and {"@type": "CreativeWorkSeries", "name": article["series"]["name"]},
        "author": [{"@type": "Person", "name": author["name"]} for author in article["authors"]],
        "publisher": _publisher(here),
        "publishingPrinciples": here.principles,
        "copyrightHolder": held["copyright_holder"] and {"@type": "Organization", "name": held["copyright_holder"]},
        "copyrightNotice": held["copyright_holder"] and rights(article),
        "usageInfo": (used := terms(article)) and {"@type": "CreativeWork", "text": used},
        "image": article["image"] and _image(article["image"], here),
        "wordCount": article["word_count"],
        "timeRequired": f"PT{article['reading_minutes']}M",
        "articleBody": body["text"],
        "correction": [
            {"@type": "CorrectionComment", "text": row["text"], "datePublished": row["at"]}
            for row in article["corrections"]
        ],
    }
    found = {name: value for name, value in members.items() if value}
    if article["discussion"]["state"] != "hidden":
        found |= {"commentCount": article["discussion"]["comments"], "discussionUrl": f"{url}#comments"}
    # Sites put this into a <script> as it is: nothing in it may end that (HTML §4.12.1.3).
    return pydantic_core.to_json(found | _access(here)).replace(b"<", b"\\u003c")


def _publisher(here: Publication) -> dict[str, Any]:
    principles = {"publishingPrinciples": here.principles} if here.principles else {}
    return {"@type": "NewsMediaOrganization", "name": here.name, "url": here.site.url, **principles}


def _image(image: Mapping[str, Any], here: Publication) -> dict[str, Any]:
    members = {
        "url": on_server(image["url"], here.api),
        "width": image["width"],
        "height": image["height"],
        "caption": image["caption"] or image["alt"],
        "creditText": image["credit"],
    }
    return {"@type": "ImageObject", **{name: value for name, value in members.items() if value}}


def _access(here: Publication) -> dict[str, Any]:
    """What stands behind the paywall, where there is one."""
    if not here.paywall:
        return {}
    part = {"@type": "WebPageElement", "isAccessibleForFree": False, "cssSelector": here.paywall}
    return {"isAccessibleForFree": False, "hasPart": part}
