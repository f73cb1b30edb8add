"""The site's profile and its menus: saved by editors, read by front ends with what the settings say."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, AUTHOR, MEDIA, SECTION, SERIES, TAG, select_visible_ids
from app.articles.tables import SITE_ID
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Invalid
from app.core.settings import Settings
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, fetch_rows
from app.events.cache_groups import ARTICLES_GROUP, PUBLICATION_GROUP, SITE_GROUP
from app.events.catalog import AuthorDeleted, LoggedEvent, SeriesDeleted, SiteChanged, TagDeleted
from app.events.log import emit
from app.fronts.fronts import FRONT
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.media_library import require_media
from app.publication.media_uses import select_uses
from app.publication.schemas import present_image
from app.publication.site import PlaceKind, Site
from app.publication.tables import Author, Section, Series, Tag, Term
from app.publication.tallies import adjust_shown_counts
from app.publication.term_queries import path_of_section
from app.publication.terms import require_all_sections, require_terms, take_name_lock
from app.site.schemas import LINK_KINDS, MAX_LINKS, MAX_MENU_DEPTH, MenuItemIn, SiteIn
from app.site.tables import PROFILE_ID, SiteProfile
from app.text.inputs import MAX_PROSE_LENGTH
from app.web import etag

PROFILE = table_of(SiteProfile)
MAX_ARTICLE_GROUPS = 30  # cache groups of single articles in one answer; with more links, that of all articles
MAX_NAME_LENGTH = 200
FEED_TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
_TERM_TABLES: dict[str, type[Term]] = {"section": Section, "tag": Tag, "author": Author, "series": Series}


class ProfileRow(TypedDict):
    """The profile with its pictures and its home front."""

    name: str | None
    tagline: str
    description: str
    languages: list[str]
    social: list[JsonObject]
    menus: list[JsonObject]
    version: int
    updated_at: datetime | None
    home_front_id: str | None
    home_front_slug: str | None
    home_front: JsonObject | None  # its published version
    logo_id: str | None
    icon_id: str | None


_LOGO, _ICON = MEDIA.alias("logo"), MEDIA.alias("icon")
_PICTURES = {"logo": _LOGO, "icon": _ICON}
_OWN_COLUMNS = [PROFILE.c[name] for name in SiteProfile.model_fields if name != "id"]
SELECT_PROFILE: Statement = (
    sa.select(
        *_OWN_COLUMNS,
        FRONT.c.slug.label("home_front_slug"),
        FRONT.c.published.label("home_front"),
        *(column.label(f"{name}_{column.key}_of") for name, table in _PICTURES.items() for column in table.c),
    )
    .select_from(
        PROFILE.outerjoin(FRONT, FRONT.c.id == PROFILE.c.home_front_id)
        .outerjoin(_LOGO, _LOGO.c.id == PROFILE.c.logo_id)
        .outerjoin(_ICON, _ICON.c.id == PROFILE.c.icon_id)
    )
    .where(PROFILE.c.id == PROFILE_ID)
)
_NOTHING_SAVED: ProfileRow = {
    "name": None,
    "tagline": "",
    "description": "",
    "languages": [],
    "social": [],
    "menus": [],
    "version": 0,
    "updated_at": None,
    "home_front_id": None,
    "home_front_slug": None,
    "home_front": None,
    "logo_id": None,
    "icon_id": None,
}


MEDIA_USES = tuple(
    select_uses("site", name, PROFILE.c[f"{name}_id"], sa.literal_column(f"'{SITE_ID}'", sa.String), PROFILE.c.name)
    for name in _PICTURES
)
"""Where the site uses pictures."""


def find_profile(connection: sa.Connection) -> ProfileRow:
    """Find the profile; empty before editors have saved one."""
    row = connection.execute(SELECT_PROFILE).mappings().first()
    return cast(ProfileRow, row) if row is not None else _NOTHING_SAVED


_SELECT_NAME: Prepared[JsonObject] = Prepared(sa.select(PROFILE.c.name).where(PROFILE.c.id == PROFILE_ID))


def find_name(connection: sa.Connection, default: str) -> str:
    """Return the name that editors gave the publication, or else the default, which is `SITE_NAME`."""
    row = _SELECT_NAME.row(connection, {})
    return str(row["name"]) if row is not None and row["name"] else default


def present_definition(row: ProfileRow) -> JsonObject:
    """Return the profile as `SiteDefinition`."""
    names = ("name", "tagline", "description", "languages", "social", "menus", "version")
    columns = cast(Mapping[str, object], row)
    references = {name: columns[f"{name}_id"] for name in ("logo", "icon", "home_front")}
    return {**{name: columns[name] for name in names}, **references}


def get_definition(connection: sa.Connection, _saved: None) -> JsonObject:
    """Return the profile as `SiteDefinition`, for the answer to a write."""
    return present_definition(find_profile(connection))


# ---- reading


class RenderedSite(NamedTuple):
    """The site as `SiteOut`, the version of its profile, and its cache groups."""

    site: JsonObject
    version: int
    groups: tuple[str, ...]


def read_site(connection: sa.Connection, site: Site, settings: Settings) -> RenderedSite:
    """Return the site with the menus that readers see."""
    row = find_profile(connection)
    links = _find_links(connection, row["menus"], site, row["home_front_id"])
    menus = [{"name": menu["name"], "items": _present_items(menu["items"], links)} for menu in row["menus"]]
    home = row["home_front"] and {
        "id": row["home_front_id"],
        "slug": row["home_front_slug"],
        "title": row["home_front"]["title"],
    }
    out: JsonObject = {
        "name": row["name"] or settings.site_name,
        "tagline": row["tagline"],
        "description": row["description"],
        "url": site.url,
        "api_url": site.api,
        "languages": row["languages"] or settings.languages,
        "time_zone": site.zone,
        "logo": present_picture(row, "logo", site.media),
        "icon": present_picture(row, "icon", site.media),
        "social": row["social"],
        "addresses": {
            "article": site.path,
            "types": dict(site.type_paths),
            **site.places._asdict(),
            "confirm": settings.confirm_path,
        },
        "feeds": [{"type": kind, "url": f"{site.api}/feeds/site.{form}"} for form, kind in FEED_TYPES.items()],
        "home_front": home,
        "discussion": {
            "reactions": site.reactions,
            "edit_window": settings.edit_window,
            "max_length": MAX_PROSE_LENGTH,
            "max_name_length": MAX_NAME_LENGTH,
        },
        "menus": menus,
        "updated_at": row["updated_at"],
    }
    return RenderedSite(out, row["version"], _groups_of(row))


def present_picture(row: ProfileRow, name: str, media: str) -> JsonObject | None:
    """Return the logo or the icon as `ImageOut`, if there is one."""
    columns = cast(Mapping[str, object], row)
    if columns[f"{name}_id"] is None:
        return None
    return present_image({column.key: columns[f"{name}_{column.key}_of"] for column in MEDIA.c}, media)


def _iterate_items(items: object) -> Iterator[JsonObject]:
    """Yield the links of a menu in depth."""
    for item in cast(Sequence[JsonObject], items):
        yield item
        yield from _iterate_items(item["items"])


def _list_links(menus: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """List what the links of menus lead to, as pairs of kind and id or address."""
    items = (item for menu in menus for item in _iterate_items(menu["items"]))
    return [(kind, str(item[kind])) for item in items for kind in LINK_KINDS if item.get(kind) is not None]


class Link(NamedTuple):
    """What a link of a menu leads to."""

    title: str
    url: str
    slug: str


class _LinkRow(TypedDict):
    kind: str
    id: str
    slug: str
    title: str
    path: str | None  # of a section, or of the section of an article
    type: str | None
    published_at: datetime | None


_LINKED_TABLES = {
    "article": ARTICLE,
    "section": SECTION,
    "tag": TAG,
    "author": AUTHOR,
    "series": SERIES,
    "front": FRONT,
}


def _select_targets(kind: str) -> Statement:
    """Select the targets of links of one kind that readers see."""
    table = _LINKED_TABLES[kind]
    tables: sa.FromClause = table
    title: Column = table.c.title if kind == "article" else table.c.get("name", sa.null())
    path: Column = sa.cast(sa.null(), sa.Text)
    shown: sa.ColumnElement[bool] = sa.true()
    if kind == "article":
        tables, path = ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id), path_of_section(SECTION)
        shown = ARTICLE.c.public
    elif kind == "section":
        path = path_of_section(SECTION)
    elif kind == "front":
        title, shown = FRONT.c.published["title"].as_string(), FRONT.c.published.is_not(None)
    is_article = kind == "article"
    return (
        sa.select(
            sa.literal_column(f"'{kind}'").label("kind"),
            table.c.id,
            table.c.slug,
            title.label("title"),
            path.label("path"),
            (ARTICLE.c.type if is_article else sa.cast(sa.null(), sa.String)).label("type"),
            (ARTICLE.c.published_at if is_article else sa.cast(sa.null(), ARTICLE.c.published_at.type)).label(
                "published_at"
            ),
        )
        .select_from(tables)
        .where(table.c.id.in_(sa.bindparam(f"{kind}_ids", expanding=True, type_=table.c.id.type)), shown)
    )


@lru_cache(64)
def _select_links(kinds: tuple[str, ...]) -> sa.Executable:
    return sa.union_all(*map(_select_targets, kinds))


def _find_links(
    connection: sa.Connection, menus: Sequence[JsonObject], site: Site, home: str | None
) -> dict[tuple[str, str], Link]:
    """Find what the links of menus lead to, in one statement; what readers do not see is left out."""
    links: dict[tuple[str, str], Link] = {}
    ids: dict[str, list[str]] = {}
    for kind, ref in _list_links(menus):
        if kind == "url":
            links[kind, ref] = Link("", site.url + ref if ref.startswith("/") else ref, "")
        else:
            ids.setdefault(kind, []).append(ref)
    if not ids:
        return links
    values = {f"{kind}_ids": sorted(set(refs)) for kind, refs in ids.items()}
    for row in fetch_rows(connection, _select_links(tuple(sorted(ids))), _LinkRow, values):
        if row["kind"] == "article":
            path = site.path_of(row["path"], row["slug"], row["published_at"], row["type"] or "", row["id"])
            url = site.url + path
        elif row["kind"] == "front" and row["id"] == home:
            url = f"{site.url}/"
        else:
            url = site.url_of(cast(PlaceKind, row["kind"]), row["slug"], row["path"] or "")
        links[row["kind"], row["id"]] = Link(row["title"], url, row["slug"])
    return links


def _present_items(items: object, links: Mapping[tuple[str, str], Link]) -> list[JsonObject]:
    """Return the links that lead somewhere, with those below them."""
    presented: list[JsonObject] = []
    for item in cast(Sequence[JsonObject], items):
        (target,) = ((kind, str(item[kind])) for kind in LINK_KINDS if item.get(kind) is not None)
        if link := links.get(target):
            is_url = target[0] == "url"
            presented.append(
                {
                    "title": item["title"] or link.title,
                    "url": link.url,
                    "kind": target[0],
                    "id": None if is_url else target[1],
                    "slug": None if is_url else link.slug,
                    "items": _present_items(item["items"], links),
                }
            )
    return presented


def _groups_of(row: ProfileRow) -> tuple[str, ...]:
    """Return the cache groups of the site's answer, which shows names and addresses of what its menus lead to."""
    links = _list_links(row["menus"])
    articles = [f"article:{ref}" for kind, ref in links if kind == "article"]
    fronts = [f"front:{ref}" for kind, ref in links if kind == "front"]
    if row["home_front_id"]:
        fronts.append(f"front:{row['home_front_id']}")
    few = articles if len(set(articles)) <= MAX_ARTICLE_GROUPS else [ARTICLES_GROUP]
    return tuple(dict.fromkeys((SITE_GROUP, PUBLICATION_GROUP, *few, *fronts)))


# ---- writing


def save_profile(session: Session, actor: Actor, data: SiteIn, versions: frozenset[int] | None) -> None:
    """Replace the profile; 412 on another version, 422 for references to what does not exist."""
    require_all_sections(actor, "content:publish")
    take_name_lock(session, "site profile")
    row = session.get(SiteProfile, PROFILE_ID)
    values = data.model_dump(exclude={"logo", "icon", "home_front", "menus"})
    for name in ("logo", "icon"):
        ref: str | None = getattr(data, name)
        values[f"{name}_id"] = require_media(session, ref, f"/{name}") if ref else None
    values["home_front_id"] = _require_front(session, data.home_front, "/home_front") if data.home_front else None
    values["menus"] = _build_menus(session, actor, data)
    before = {name: getattr(row, name) if row else None for name in values}
    differing = sorted(name for name, value in values.items() if value != before[name])
    etag.check_version(row.version if row else 0, versions, differing)
    if row is None:
        row = SiteProfile(id=PROFILE_ID, **values, version=0, updated_at=now())
    elif not differing:
        return
    for name in ("logo_id", "icon_id"):
        _count_picture(session, before[name], values[name])
    session.add(row.sqlmodel_update(values))
    row.version, row.updated_at = row.version + 1, now()
    emit(session, SiteChanged(subject_id=SITE_ID))
    record_action(session, actor, "site.save", "site", SITE_ID, {"fields": differing})


def _count_picture(session: Session, before: object, after: object) -> None:
    """Count a picture as shown while the profile has it: changing its description then needs `content:publish`."""
    for media_id, delta in ((before, -1), (after, 1)):
        if media_id is not None and before != after:
            adjust_shown_counts(session, "media", [str(media_id)], delta)


def _require_front(session: Session, ref: str, pointer: str) -> str:
    column = FRONT.c.id if is_id(ref) else FRONT.c.slug
    front_id = session.execute(sa.select(FRONT.c.id).where(column == ref)).scalar_one_or_none()
    if front_id is None:
        raise Invalid("There is no front with this id or slug. Create it first.", pointer=pointer, code="not_found")
    return str(front_id)


def _require_article(session: Session, actor: Actor, ref: str, pointer: str) -> str:
    column = ARTICLE.c.id if is_id(ref) else ARTICLE.c.slug
    article_id = session.execute(select_visible_ids(actor).where(column == ref)).scalar_one_or_none()
    if article_id is None:
        raise Invalid("The article does not exist.", pointer=pointer, code="not_found")
    return str(article_id)


def _build_menus(session: Session, actor: Actor, data: SiteIn) -> list[JsonObject]:
    """Return the menus as stored, with resolved references; 422 for names that repeat and for too many links."""
    menus: list[JsonObject] = []
    for at, menu in enumerate(data.menus):
        if any(menu.name == other["name"] for other in menus):
            raise Invalid("Another menu has this name.", pointer=f"/menus/{at}/name", code="duplicate")
        items = _build_items(session, actor, menu.items, f"/menus/{at}/items", 1)
        menus.append({"name": menu.name, "items": items})
    if sum(1 for menu in menus for _ in _iterate_items(menu["items"])) > MAX_LINKS:
        raise Invalid(f"Menus have at most {MAX_LINKS} links in all.", pointer="/menus", code="too_long")
    return menus


def _build_items(
    session: Session, actor: Actor, items: Sequence[MenuItemIn], pointer: str, depth: int
) -> list[JsonObject]:
    if items and depth > MAX_MENU_DEPTH:
        raise Invalid(f"Menus have at most {MAX_MENU_DEPTH} levels.", pointer=pointer, code="too_deep")
    built: list[JsonObject] = []
    for at, item in enumerate(items):
        kind, ref = _read_target(item, f"{pointer}/{at}")
        target = ref if kind == "url" else _require_target(session, actor, kind, ref, f"{pointer}/{at}/{kind}")
        below = _build_items(session, actor, item.items, f"{pointer}/{at}/items", depth + 1)
        built.append({"title": item.title, kind: target, "items": below})
    return built


def _read_target(item: MenuItemIn, pointer: str) -> tuple[str, str]:
    """Return the kind and the reference of the one target of a link; 422 for none or several."""
    targets = [(kind, str(ref)) for kind in LINK_KINDS if (ref := getattr(item, kind)) is not None]
    if len(targets) != 1:
        detail = f"Send exactly one of {', '.join(LINK_KINDS)}."
        raise Invalid(detail, pointer=pointer, code="one_of")
    if targets[0][0] == "url" and item.title is None:
        raise Invalid("A link to a URL needs a title.", pointer=f"{pointer}/title", code="missing")
    return targets[0]


def _require_target(session: Session, actor: Actor, kind: str, ref: str, pointer: str) -> str:
    if kind == "article":
        return _require_article(session, actor, ref, pointer)
    if kind == "front":
        return _require_front(session, ref, pointer)
    return require_terms(session, _TERM_TABLES[kind], [ref], pointer)[0]


def follow_merge(session: Session, entry: LoggedEvent) -> None:
    """Replace a merged term by the remaining one in the links of menus."""
    match entry.event:
        case TagDeleted(into=str(into)) | AuthorDeleted(into=str(into)) | SeriesDeleted(into=str(into)) as event:
            pass
        case _:
            return
    row = session.get(SiteProfile, PROFILE_ID, with_for_update=True)
    if row is None or (event.singular, event.subject_id) not in _list_links(row.menus):
        return
    kind, old = event.singular, event.subject_id
    row.menus = [{**menu, "items": _replace_target(menu["items"], kind, old, into)} for menu in row.menus]
    row.version, row.updated_at = row.version + 1, now()
    emit(session, SiteChanged(subject_id=SITE_ID))


def _replace_target(items: object, kind: str, old: str, new: str) -> list[JsonObject]:
    return [
        {
            **item,
            **({kind: new} if item.get(kind) == old else {}),
            "items": _replace_target(item["items"], kind, old, new),
        }
        for item in cast(Sequence[JsonObject], items)
    ]
