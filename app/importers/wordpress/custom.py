"""Data of WordPress and its plugins that Broadsheet has no field for, kept in `custom` or as JSON."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from app.articles.editorial_schemas import MAX_CUSTOM_BYTES
from app.db.rows import JsonObject
from app.export.wordpress_ids import ID_KEY, IMAGE_KEY
from app.importers.wordpress.records import Item, Term, whole_number

_RESERVED: Final = 2000  # bytes reserved for editors
_SEO: Final = ("_yoast_wpseo_", "rank_math_", "_aioseo_", "_aioseop_", "_seopress_")
"""Key prefixes of Yoast SEO, Rank Math, All in One SEO (two generations) and SEOPress."""
_SEO_FIELDS: Final = {
    "title": ("_yoast_wpseo_title", "rank_math_title", "_aioseo_title", "_aioseop_title", "_seopress_titles_title"),
    "description": (
        "_yoast_wpseo_metadesc",
        "rank_math_description",
        "_aioseo_description",
        "_aioseop_description",
        "_seopress_titles_desc",
    ),
    "canonical": (
        "_yoast_wpseo_canonical",
        "rank_math_canonical_url",
        "_aioseo_canonical_url",
        "_aioseop_custom_link",
        "_seopress_robots_canonical",
    ),
    "keywords": (
        "_yoast_wpseo_focuskw",
        "rank_math_focus_keyword",
        "_aioseo_keywords",
        "_aioseop_keywords",
        "_seopress_analysis_target_kw",
    ),
}
_NOINDEX: Final = {
    "_yoast_wpseo_meta-robots-noindex": r"1",
    "rank_math_robots": r".*noindex.*",
    "_aioseo_noindex": r"1|on|true",
    "_aioseop_noindex": r"1|on",
    "_seopress_robots_index": r"yes|1",
}
_USED: Final = frozenset({"_thumbnail_id", "_wp_old_slug", "_wp_attachment_image_alt", "footnotes", ID_KEY, IMAGE_KEY})
_OWN_TAXONOMIES: Final = frozenset({"author", "category", "post_tag"})


def build_custom(item: Item, notes: list[str], kept: Counter[str], left_out: Counter[str]) -> JsonObject:
    """Build the `custom` field of an article from its post, within the size limit, and count it for the report."""
    data: JsonObject = {} if item.first_meta(ID_KEY) else {"id": item.post_id}
    if item.parent_id:
        data["parent"] = item.parent_id
        kept["parents of pages (their ids)"] += 1
    if item.menu_order:
        data["order"] = item.menu_order
    categories = [{"slug": label.slug, "name": label.name} for label in item.labels("category")]
    if len(categories) > 1:
        data["categories"] = categories
        kept["posts and pages with several categories"] += 1
    terms: dict[str, list[dict[str, str]]] = {}
    for label in item.terms:
        if label.domain not in _OWN_TAXONOMIES:
            terms.setdefault(label.domain, []).append({"slug": label.slug, "name": label.name})
            kept[f"labels of the taxonomy {label.domain}"] += 1
    if terms:
        data["terms"] = terms
    if seo := _seo(item):
        data["seo"] = seo
        kept["posts and pages with SEO fields"] += 1
    if fields := _fields(item.meta, left_out):
        data["fields"] = fields
        kept["posts and pages with custom fields"] += any(not key.startswith(_SEO) for key in fields)
    _shrink(data, notes)
    return {"wordpress": data} if len(data) > 1 else {}


def _seo(item: Item) -> JsonObject:
    """Return the fields of all SEO plugins under common names."""
    seo: JsonObject = {}
    for name, keys in _SEO_FIELDS.items():
        if value := next((value for key in keys if (value := item.first_meta(key).strip())), ""):
            seo[name] = value
    if any(re.fullmatch(pattern, item.first_meta(key).strip(), re.DOTALL) for key, pattern in _NOINDEX.items()):
        seo["noindex"] = True
    return seo


def _fields(meta: Mapping[str, tuple[str, ...]], left_out: Counter[str]) -> dict[str, str | list[str]]:
    """Return custom fields and those of SEO plugins; others with keys that begin with `_` are internal."""
    fields: dict[str, str | list[str]] = {}
    for key, values in meta.items():
        if not key or key in _USED or not any(values):
            continue
        if key.startswith("_") and not key.startswith(_SEO):
            left_out["hidden custom fields of WordPress and its plugins"] += 1
            continue
        fields[key] = values[0] if len(values) == 1 else list(values)
    return fields


def _shrink(data: JsonObject, notes: list[str]) -> None:
    """Remove the largest values until the data fits."""
    dropped = []
    while _size(data) > MAX_CUSTOM_BYTES - _RESERVED:
        part = max((name for name in data if name != "id"), key=lambda name: _size(data[name]))
        inside = data[part]
        if isinstance(inside, dict) and inside:
            key = max(inside, key=lambda name: _size(inside[name]))
            del inside[key]
            dropped.append(key)
        else:
            del data[part]
            dropped.append(part)
    if dropped:
        notes.append(f"custom fields are too large and were left out: {', '.join(name[:60] for name in dropped[:10])}")


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def build_menu_entry(item: Item) -> JsonObject:
    """Build the data of a menu entry: its place, its title and its target, by id or URL."""
    values = {
        "title": item.title,
        "type": item.first_meta("_menu_item_type"),
        "object": item.first_meta("_menu_item_object"),
        "object_id": whole_number(item.first_meta("_menu_item_object_id")),
        "url": item.first_meta("_menu_item_url"),
        "parent": whole_number(item.first_meta("_menu_item_menu_item_parent")),
        "order": item.menu_order,
        "menus": [label.slug for label in item.labels("nav_menu")],
    }
    return {name: value for name, value in values.items() if value}


def build_term_entry(term: Term) -> JsonObject:
    """Build the data of a term of a custom taxonomy."""
    values = {"name": term.name, "parent": term.parent, "description": term.description, "id": term.id}
    return {name: value for name, value in values.items() if value}
