"""An article as IPTC ninjs 3.1, for the systems of other newsrooms."""

import pydantic_core

from app.db.rows import JsonObject
from app.feeds.article_json import ArticleJson, BodyJson, FileJson, ImageJson
from app.feeds.content import (
    complete_url,
    correction_label,
    drop_empty,
    notices_at,
    render_full_html,
    rights_line,
    summary_of,
    usage_terms,
)
from app.feeds.schemas import Publication, to_uri, to_urn

MEDIA_TYPE = "application/vnd.iptc.ninjs+json"
TEXT_FORMATS = ("html", "text")
_PRINCIPLES = "http://cv.iptc.org/newscodes/trustindicator/publishingPrinciples"
_STANDARD = {
    "name": "ninjs",
    "version": "3.1",
    "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json#",
}


def render_ninjs(article: ArticleJson, body: BodyJson, publication: Publication) -> bytes:
    """Render an article as ninjs, without its empty members."""
    rights, series = article["rights"], article["series"]
    members = {
        "standard": _STANDARD,
        "uri": to_urn(article["id"]),
        "type": "text",
        "representationType": "full",
        "version": str(article["revision"]),
        "versionCreated": article["updated_at"],
        "contentCreated": article["published_at"],
        "embargoedUntil": rights["embargoed_until"],
        "expires": rights["expires_at"],
        "pubStatus": "usable" if article["state"] == "published" else "withheld",
        "language": article["language"],
        "title": article["title"],
        "headlines": [{"role": "main", "contentType": "text/plain", "value": article["title"]}],
        "descriptions": [*_described("summary", summary_of(article)), *_notes(article)],
        "bodies": _bodies(article, body, publication),
        "by": ", ".join(author["name"] for author in article["authors"]),
        "people": [
            {"name": author["name"], "rel": "author", "literal": author["slug"]} for author in article["authors"]
        ],
        "infoSources": [{"name": publication.name, "role": "publisher", "uri": to_uri(publication.site.url)}],
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
        "renditions": [{"name": "web", "href": to_uri(article["url"]), "contentType": "text/html"}],
        "associations": [_picture(article["image"], publication)] if article["image"] else [],
        "copyrightHolder": rights["copyright_holder"],
        "copyrightNotice": rights_line(article) if rights["copyright_holder"] else None,
        "usageTerms": usage_terms(article),
        "trustIndicators": [
            {"role": _PRINCIPLES, "title": "Publishing principles", "href": to_uri(publication.principles)}
        ]
        if publication.principles
        else [],
    }
    return pydantic_core.to_json(drop_empty(members))


def _described(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "contentType": "text/plain", "value": text}] if text else []


def _notes(article: ArticleJson) -> list[dict[str, str]]:
    """Return notices and corrections as descriptions; the HTML body contains them, too."""
    notices = {notice["id"]: notice for place in ("before", "after") for notice in notices_at(article, place)}
    notes = [note for notice in notices.values() for note in _described("notice", notice["text"])]
    for row in article["corrections"]:
        notes += _described(row["kind"], f"{correction_label(row)}: {row['text']}")
    return notes


def _bodies(article: ArticleJson, body: BodyJson, publication: Publication) -> list[JsonObject]:
    html: JsonObject = {
        "role": "main",
        "contentType": "text/html",
        "value": render_full_html(article, body["html"], publication.site.media),
    }
    counted = {"charCount": len(body["text"]), "wordCount": article["word_count"]}
    text: JsonObject = {"role": "main", "contentType": "text/plain", **counted, "value": body["text"]}
    return [html, text]


def _picture(image: ImageJson, publication: Publication) -> JsonObject:
    original = _rendition("original", image, publication)
    copies = [_rendition(copy["name"], copy, publication, copy["mime"]) for copy in image["renditions"]]
    members = {
        "name": "main",
        "rel": "illustrates",
        "uri": to_urn(image["id"]),
        "type": "picture",
        "descriptions": [*_described("alternative", image["alt"]), *_described("caption", image["caption"])],
        "by": image["credit"],
        "renditions": [original, *copies],
    }
    return drop_empty(members)


def _rendition(name: str, file: FileJson, publication: Publication, mime: str | None = None) -> JsonObject:
    href = complete_url(file["url"], publication.site.media)
    return drop_empty(
        {"name": name, "href": href, "contentType": mime, "width": file["width"], "height": file["height"]}
    )
