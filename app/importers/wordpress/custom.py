"""What WordPress and its plugins keep with a post and Broadsheet has no field for: data for what comes later."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from app.articles.editorial_schemas import MAX_CUSTOM_BYTES
from app.export.wordpress_ids import ID_KEY, IMAGE_KEY
from app.importers.wordpress.records import Item, Term, whole_number

_RESERVED: Final = 2000  # bytes left for what editors add
_SEO: Final = ("_yoast_wpseo_", "rank_math_", "_aioseo_", "_aioseop_", "_seopress_")
"""What begins the keys of Yoast SEO, Rank Math, All in One SEO (two generations) and SEOPress."""
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


def custom_of(item: Item, notes: list[str], kept: Counter[str], left_out: Counter[str]) -> dict[str, Any]:
    """Collect what an article keeps of its post, within the size of `custom`, and count it for the report."""
    data: dict[str, Any] = {} if item.first_meta(ID_KEY) else {"id": item.post_id}
    if item.parent_id:
        data["parent"] = item.parent_id
        kept["pages below others (the number of the parent)"] += 1
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
    _fit(data, notes)
    return {"wordpress": data} if len(data) > 1 else {}


def _seo(item: Item) -> dict[str, Any]:
    """The fields that all SEO plugins have, under one name each."""
    found: dict[str, Any] = {}
    for name, keys in _SEO_FIELDS.items():
        if value := next((value for key in keys if (value := item.first_meta(key).strip())), ""):
            found[name] = value
    if any(re.fullmatch(pattern, item.first_meta(key).strip(), re.DOTALL) for key, pattern in _NOINDEX.items()):
        found["noindex"] = True
    return found


def _fields(meta: Mapping[str, tuple[str, ...]], left_out: Counter[str]) -> dict[str, str | list[str]]:
    """Custom fields and those of SEO plugins as they are; others whose keys begin with `_` are nobody's text."""
    fields: dict[str, str | list[str]] = {}
    for key, values in meta.items():
        if not key or key in _USED or not any(values):
            continue
        if key.startswith("_") and not key.startswith(_SEO):
            left_out["hidden custom fields of WordPress and its plugins"] += 1
            continue
        fields[key] = values[0] if len(values) == 1 else list(values)
    return fields


def _fit(data: dict[str, Any], notes: list[str]) -> None:
    """Leave out the largest values until the rest has room."""
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
        notes.append(f"custom fields are too large and left out: {', '.join(name[:60] for name in dropped[:10])}")


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def menu_entry(item: Item) -> dict[str, Any]:
    """An entry of a menu: where it stands, what it is called, and what it leads to, by number or address."""
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


def term_entry(term: Term) -> dict[str, Any]:
    """A term of a taxonomy that has no place here."""
    values = {"name": term.name, "parent": term.parent, "description": term.description, "id": term.id}
    return {name: value for name, value in values.items() if value}
