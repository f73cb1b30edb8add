"""The publication's site: the addresses of everything on it, made from templates in the settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple, TypedDict, cast

from app.core.clock import local_time
from app.core.settings import Settings
from app.db.rows import JsonObject

TermKind = Literal["section", "tag", "author", "series"]
PlaceKind = Literal["section", "tag", "author", "series", "front"]


class PlacePaths(NamedTuple):
    """The templates of the paths of sections, tags, authors, series and fronts."""

    section: str = "/{slug}"
    tag: str = "/tags/{slug}"
    author: str = "/authors/{slug}"
    series: str = "/series/{slug}"
    front: str = "/fronts/{slug}"


DEFAULT_PLACES = PlacePaths()
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PATTERNS = {
    "slug": r"(?P<slug>[^/]+)",
    "id": r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    "section": r"[^/]+",
    "sections": r"[^/]+(?:/[^/]+)*",
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
}


class Named(NamedTuple):
    """What a path names by a template: the last part of an address, or the id of an article."""

    slug: str | None
    id: str | None


@lru_cache(256)
def _compile(template: str, kind: str) -> re.Pattern[str]:
    """Compile a template into a pattern of the paths that it makes."""
    patterns = _PATTERNS
    if kind == "section":  # whose `{sections}` ends with its own slug
        patterns = {**_PATTERNS, "sections": r"(?:[^/]+/)*(?P<slug>[^/]+)"}
    parts = _PLACEHOLDER.split(template)
    written = [patterns[part] if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return re.compile("".join(written))


@dataclass(frozen=True)
class Site:
    """The publication's site: what its addresses are made of, and the reactions that it offers."""

    url: str
    path: str
    reactions: tuple[str, ...] = ("agree", "disagree", "insightful")
    api: str = ""  # base URL of this API
    zone: str = "UTC"
    type_paths: tuple[tuple[str, str], ...] = ()  # of articles of some types, by type
    places: PlacePaths = DEFAULT_PLACES
    media: str = ""  # base URL of stored files

    @classmethod
    def from_settings(cls, settings: Settings) -> "Site":
        """Return the site that the settings describe."""
        return cls(
            settings.site_url,
            settings.article_path,
            settings.reactions,
            settings.api,
            settings.time_zone,
            tuple(settings.type_paths.items()),
            PlacePaths(*(getattr(settings, f"{kind}_path") for kind in PlacePaths._fields)),
            settings.media_base,
        )

    @property
    def article_paths(self) -> tuple[str, ...]:
        """The templates of articles: of certain types, then of all others."""
        return (*(path for _, path in self.type_paths), self.path)

    def _place_path(self, kind: PlaceKind) -> str:
        return str(getattr(self.places, kind))

    def path_of(
        self, section: str | None, slug: str, published_at: datetime | None, kind: str = "", article_id: str = ""
    ) -> str:
        """Return the path of an article of a type (`kind`), dated in the publication's time zone.

        `section` is the path of its section in the tree, such as `world/asia`; articles without one omit it.
        """
        template = dict(self.type_paths).get(kind, self.path)
        if not section:
            template = template.replace("/{sections}", "").replace("/{section}", "")
        values = {"section": (section or "").rpartition("/")[2], "sections": section or "", "slug": slug}
        values["id"] = article_id
        if published_at:
            published_at = local_time(published_at, self.zone)
            values |= {
                "year": f"{published_at.year:04}",
                "month": f"{published_at.month:02}",
                "day": f"{published_at.day:02}",
            }
        else:
            values |= {"year": "0000", "month": "00", "day": "00"}
        return template.format_map(values)

    def url_of(self, kind: PlaceKind, slug: str, section: str = "") -> str:
        """Return the address of a section, tag, author, series or front.

        `section` is the path of a section in the tree, which ends with its slug.
        """
        return self.url + self._place_path(kind).format(slug=slug, sections=section or slug)

    def parse_place(self, kind: PlaceKind, path: str) -> str | None:
        """Return the slug in a path of a section, tag, author, series or front, or None."""
        match = _compile(self._place_path(kind), kind).fullmatch(path)
        return match["slug"] if match else None

    def parse_article(self, path: str) -> list[Named]:
        """List what the templates of articles read in a path, without repeats."""
        named: list[Named] = []
        for template in self.article_paths:
            short = template.replace("/{sections}", "").replace("/{section}", "")
            for each in dict.fromkeys((template, short)):
                if match := _compile(each, "article").fullmatch(path):
                    groups = match.groupdict()
                    named.append(Named(groups.get("slug"), groups.get("id")))
        return list(dict.fromkeys(named))


class AncestorRow(TypedDict):
    """A section as `term_queries.ancestors_of` selects it."""

    id: str
    slug: str
    name: str
    path: str


def present_sections(ancestors: object, site: Site) -> list[JsonObject]:
    """Shape the rows of `ancestors_of` as the API names sections, the root first; none for NULL."""
    rows = cast("Sequence[AncestorRow] | None", ancestors) or ()
    return [
        {
            "id": row["id"],
            "slug": row["slug"],
            "name": row["name"],
            "url": site.url_of("section", row["slug"], row["path"]),
        }
        for row in rows
    ]


def present_breadcrumbs(sections: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the names and addresses of sections, the root first, as `BreadcrumbOut`."""
    return [{"name": section["name"], "url": section["url"]} for section in sections]


def present_place_in_tree(ancestors: object, site: Site) -> JsonObject:
    """Return the parent and the breadcrumbs of a section from the rows of `ancestors_of`."""
    sections = present_sections(ancestors, site)
    return {"parent": sections[-2] if len(sections) > 1 else None, "breadcrumbs": present_breadcrumbs(sections)}
