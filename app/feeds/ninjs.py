"""An article as IPTC ninjs 3.1, for the systems of other newsrooms."""

from collections.abc import Mapping
from typing import Any

import pydantic_core

from app.feeds.content import Article, correction, on_server, placed, rights, summary, terms, whole
from app.feeds.schemas import Publication, uri, urn

MEDIA_TYPE = "application/vnd.iptc.ninjs+json"
BODIES = ("html", "text")
_PRINCIPLES = "http://cv.iptc.org/newscodes/trustindicator/publishingPrinciples"
_STANDARD = {
    "name": "ninjs",
    "version": "3.1",
    "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json#",
}


def write(article: Article, body: Mapping[str, str], here: Publication) -> bytes:
    """The article as ninjs; `article` has the shape of `ArticleOut`."""
    held, series = article["rights"], article["series"]
    members = {
        "standard": _STANDARD,
        "uri": urn(article["id"]),
        "type": "text",
        "representationType": "full",
        "version": str(article["revision"]),
        "versionCreated": article["updated_at"],
        "contentCreated": article["published_at"],
        "embargoedUntil": held["embargoed_until"],
        "expires": held["expires_at"],
        "pubStatus": "usable" if article["state"] == "published" else "withheld",
        "language": article["language"],
        "title": article["title"],
        "headlines": [{"role": "main", "contentType": "text/plain", "value": article["title"]}],
        "descriptions": [*_described("summary", summary(article)), *_notes(article)],
        "bodies": _bodies(article, body, here),
        "by": ", ".join(author["name"] for author in article["authors"]),
        "people": [
            {"name": author["name"], "rel": "author", "literal": author["slug"]} for author in article["authors"]
        ],
        "infoSources": [{"name": here.name, "role": "publisher", "uri": uri(here.site.url)}],
        "subjects": [
            *(
                [{"name": article["section"]["name"], "rel": "section", "literal": article["section"]["slug"]}]
                if article["section"]
                else []
            ),
            *({"name": tag["name"], "rel": "about", "literal": tag["slug"]} for tag in article["tags"]),
            *([{"name": series["name"], "rel": "series", "literal": series["slug"]}] if series else []),
        ],
        "genres": [{"name": article["type"]}],
        "slugline": article["slug"],
        "altIds": [{"role": "id", "value": article["id"]}, {"role": "slug", "value": article["slug"]}],
        "renditions": [{"name": "web", "href": uri(article["url"]), "contentType": "text/html"}],
        "associations": [_picture(article["image"], here)] if article["image"] else [],
        "copyrightHolder": held["copyright_holder"],
        "copyrightNotice": rights(article) if held["copyright_holder"] else None,
        "usageTerms": terms(article),
        "trustIndicators": [{"role": _PRINCIPLES, "title": "Publishing principles", "href": uri(here.principles)}]
        if here.principles
        else [],
    }
    return pydantic_core.to_json({name: value for name, value in members.items() if value})


def _described(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "contentType": "text/plain", "value": text}] if text else []


def _notes(article: Article) -> list[dict[str, str]]:
    """Notices and corrections, which the HTML body has as well."""
    notices = {notice["id"]: notice for place in ("before", "after") for notice in placed(article, place)}
    found = [note for notice in notices.values() for note in _described("notice", notice["text"])]
    for row in article["corrections"]:
        found += _described(row["kind"], f"{correction(row)}: {row['text']}")
    return found


def _bodies(article: Article, body: Mapping[str, str], here: Publication) -> list[dict[str, Any]]:
    html = {"role": "main", "contentType": "text/html", "value": whole(article, body["html"], here.api)}
    counted = {"charCount": len(body["text"]), "wordCount": article["word_count"]}
    return [html, {"role": "main", "contentType": "text/plain", **counted, "value": body["text"]}]


def _picture(image: Mapping[str, Any], here: Publication) -> dict[str, Any]:
    copies = [{"name": "original", **image}, *image["renditions"]]
    members = {
        "name": "main",
        "rel": "illustrates",
        "uri": urn(image["id"]),
        "type": "picture",
        "descriptions": [*_described("alternative", image["alt"]), *_described("caption", image["caption"])],
        "by": image["credit"],
        "renditions": [_rendition(copy, here) for copy in copies],
    }
    return {name: value for name, value in members.items() if value}


def _rendition(copy: Mapping[str, Any], here: Publication) -> dict[str, Any]:
    members = {"name": copy["name"], "href": on_server(copy["url"], here.api), "contentType": copy.get("mime")}
    members |= {name: copy[name] for name in ("width", "height")}
    return {name: value for name, value in members.items() if value}
