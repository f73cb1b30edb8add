"""An article as JSON-LD with the vocabulary of schema.org, for search engines and fact-checkers."""

import pydantic_core

from app.db.rows import JsonObject
from app.feeds.article_json import ArticleJson, BodyJson, ImageJson
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
    """Render an article as JSON-LD, without its empty members."""
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
        "author": [{"@type": "Person", "name": author["name"]} for author in article["authors"]],
        "publisher": _publisher(publication),
        "publishingPrinciples": publication.principles,
        "copyrightHolder": rights["copyright_holder"] and {"@type": "Organization", "name": rights["copyright_holder"]},
        "copyrightNotice": rights["copyright_holder"] and rights_line(article),
        "usageInfo": (used := usage_terms(article)) and {"@type": "CreativeWork", "text": used},
        "image": article["image"] and _image(article["image"], publication),
        "wordCount": article["word_count"],
        "timeRequired": f"PT{article['reading_minutes']}M",
        "articleBody": body["text"],
        "correction": [
            {"@type": "CorrectionComment", "text": row["text"], "datePublished": row["at"]}
            for row in article["corrections"]
        ],
    }
    out = drop_empty(members)
    if article["discussion"]["state"] != "hidden":
        out |= {"commentCount": article["discussion"]["comments"], "discussionUrl": f"{url}#comments"}
    # Sites embed this in a <script>, which nothing in it may end (HTML §4.12.1.3).
    return pydantic_core.to_json(out | _access(publication)).replace(b"<", b"\\u003c")


def _publisher(publication: Publication) -> JsonObject:
    principles = {"publishingPrinciples": publication.principles} if publication.principles else {}
    return {"@type": "NewsMediaOrganization", "name": publication.name, "url": publication.site.url, **principles}


def _image(image: ImageJson, publication: Publication) -> JsonObject:
    members = {
        "url": complete_url(image["url"], publication.api),
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
