"""What the publication's site should answer at an address: something that stands there, a redirect, or that it is gone.

One statement finds everything that an address may mean, each by an index: what has the slug or id that a template reads
in the path, what had that slug or path before, and redirects. The first of these decides:

1. the article of a number in the query, as in short links of WordPress;
2. what stands at just this path: an article, a section, tag, author, series or front;
3. a redirect of just this path;
4. a retracted article at this path, or the article that had this path;
5. the redirect of the longest path above;
6. an article with this slug or former slug at any path, or something else that had this slug.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import sqlalchemy as sa

from app.articles import rendering
from app.articles.addresses import make_numbered_address, parse_article_number
from app.articles.reading import ARTICLE, SECTION, RetractionColumn
from app.articles.tables import Address
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Statement
from app.fronts.fronts import FRONT
from app.publication.references import TERM_TABLES, Kind
from app.publication.section_tree import CLOSURE
from app.publication.site import PlaceKind, Site
from app.publication.tables import FormerSlug
from app.publication.term_queries import path_of_section
from app.site.redirects import ALL_BELOW, MAX_HOPS, REDIRECT, Rule, apply_rule, list_sources, parse_address
from app.site.tables import PROFILE_ID, SiteProfile

NOT_FOUND_DETAIL: Final = "Nothing is at this address."
_ADDRESS, _FORMER, _PROFILE = table_of(Address), table_of(FormerSlug), table_of(SiteProfile)
_TERMS: tuple[Kind, ...] = ("section", "tag", "author", "series")
_PLACES: tuple[PlaceKind, ...] = (*_TERMS, "front")
_NO_ID = "00000000-0000-0000-0000-000000000000"


class CandidateRow(rendering.ArticleRow):
    """Something that an address may mean, with the columns of the article if it is one."""

    kind: str  # article, one of _PLACES, redirect
    way: str  # present, former; of a front: home, present; of a redirect: empty
    name: str  # the slug, former slug, former path or source by which it was found
    place_id: str | None
    place_slug: str | None  # the present one
    place_path: str | None  # of a section
    inside: str | None  # ids of a section and those below it, comma-separated, if articles are requested
    target: str | None  # of a redirect
    redirect_status: int | None
    slug: str
    type: str
    published_at: datetime | None
    article_section: str | None  # path of the article's section


def _branch(
    kind: str,
    way: str,
    name: sa.ColumnElement[str],
    *,
    article: sa.ColumnElement[str] | None = None,
    place: sa.FromClause | None = None,
    rule: bool = False,
    inside: sa.ColumnElement[str] | None = None,
) -> Statement:
    """Begin the SELECT of one kind of candidates."""
    no_id, no_text = sa.cast(sa.null(), ARTICLE.c.id.type), sa.cast(sa.null(), sa.Text)
    is_section = place is not None and kind == "section"
    return sa.select(
        sa.literal_column(f"'{kind}'").label("kind"),
        sa.literal_column(f"'{way}'").label("way"),
        sa.cast(name, sa.Text).label("name"),
        (no_id if article is None else article).label("article_id"),
        (no_id if place is None else place.c.id).label("place_id"),
        (no_text if place is None else sa.cast(place.c.slug, sa.Text)).label("place_slug"),
        (path_of_section(place) if place is not None and is_section else no_text).label("place_path"),
        (no_text if inside is None else inside).label("inside"),
        (sa.cast(REDIRECT.c.target, sa.Text) if rule else no_text).label("target"),
        (REDIRECT.c.status if rule else sa.cast(sa.null(), sa.Integer)).label("redirect_status"),
    )


def _ids_inside(dialect: str, section: sa.FromClause) -> sa.ColumnElement[str]:
    """Select the ids of a section and those below it, comma-separated."""
    join = sa.func.group_concat if dialect == "sqlite" else sa.func.string_agg
    ids = join(sa.cast(CLOSURE.c.descendant_id, sa.Text), sa.literal_column("','"))
    return sa.select(ids).where(CLOSURE.c.ancestor_id == section.c.id).correlate(section).scalar_subquery()


def _select_branches(dialect: str, *, lists: bool) -> list[Statement]:
    """Select everything that an address may mean, each by one index."""
    branches = [
        _branch("redirect", "", REDIRECT.c.source, rule=True).where(is_among(dialect, REDIRECT.c.source, "sources")),
        _branch("article", "present", ARTICLE.c.slug, article=ARTICLE.c.id).where(
            is_among(dialect, ARTICLE.c.slug, "slugs")
        ),
        _branch("article", "present", ARTICLE.c.slug, article=ARTICLE.c.id).where(
            is_among(dialect, ARTICLE.c.id, "ids")
        ),
        _branch("article", "former", _ADDRESS.c.address, article=_ADDRESS.c.article_id).where(
            is_among(dialect, _ADDRESS.c.address, "addresses")
        ),
    ]
    for kind in _TERMS:
        table, slug = TERM_TABLES[kind], sa.bindparam(f"{kind}_slug", type_=sa.String())
        inside = _ids_inside(dialect, table) if lists and kind == "section" else None
        present = _branch(kind, "present", table.c.slug, place=table, inside=inside)
        branches.append(present.where(table.c.slug == slug))
        former = _branch(kind, "former", _FORMER.c.slug, place=table)
        former = former.select_from(_FORMER.join(table, table.c.id == _FORMER.c.target_id))
        branches.append(former.where(_FORMER.c.kind == sa.literal_column(f"'{kind}'"), _FORMER.c.slug == slug))
    front_slug = sa.bindparam("front_slug", type_=sa.String())
    is_public = FRONT.c.published.is_not(None)
    branches.append(_branch("front", "present", FRONT.c.slug, place=FRONT).where(FRONT.c.slug == front_slug, is_public))
    home = _branch("front", "home", FRONT.c.slug, place=FRONT)
    home = home.select_from(_PROFILE.join(FRONT, FRONT.c.id == _PROFILE.c.home_front_id))
    return [*branches, home.where(_PROFILE.c.id == PROFILE_ID, is_public)]


_COLUMNS = "public state revision section_id series_id published_revision listed_at updated_at retraction".split()


@lru_cache(32)
def _select_candidates(dialect: str, formats: tuple[str, ...], *, lists: bool) -> Prepared[CandidateRow]:
    """Select all candidates of an address with the cached JSON of those that are articles.

    `lists`: with what lists of their articles need to know.
    """
    found = sa.union_all(*_select_branches(dialect, lists=lists)).subquery("found")
    tables = found.outerjoin(ARTICLE, ARTICLE.c.id == found.c.article_id)
    tables = tables.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id)
    names = (*_COLUMNS, "slug", "type", "published_at")
    return Prepared(
        rendering.select_cached(*names, formats=formats, start=tables).add_columns(
            *(column for column in found.c if column.key != "article_id"),
            path_of_section(SECTION).label("article_section"),
        )
    )


class Asked(NamedTuple):
    """A path of the site, what templates read in it, and its query."""

    path: str
    query: str
    numbered: str | None  # the address with a number that WordPress had

    @classmethod
    def of(cls, path: str, query: str) -> "Asked":
        """Read a path and a query."""
        number = parse_article_number(query)
        return cls(path, query, make_numbered_address(path, number) if number else None)

    def bind(self, site: Site) -> dict[str, object]:
        """Return the parameters of `_select_candidates`."""
        named = site.parse_article(self.path)
        last = self.path.rpartition("/")[2]
        slugs = dict.fromkeys(slug for slug in (*(each.slug for each in named), last) if slug and _may_be_slug(slug))
        addresses = [*([self.numbered] if self.numbered else []), self.path, *slugs]
        places = {f"{kind}_slug": site.parse_place(kind, self.path) or "" for kind in _PLACES}
        return {
            "sources": list_sources(self.path, self.query),
            "slugs": list(slugs),
            "ids": [each.id for each in named if each.id] or [_NO_ID],
            "addresses": addresses,
            **places,
            "cache_key": rendering.cache_key_of(site),
        }


def _may_be_slug(text: str) -> bool:
    return len(text) <= 200 and text.isprintable() and not is_id(text)  # former ones of other systems have other forms


class Standing(NamedTuple):
    """Something that stands at an address: the row of an article, or the kind and id of a place."""

    kind: str
    row: CandidateRow
    url: str


class Moved(NamedTuple):
    """What stood at an address stands at another one."""

    url: str


class Gone(NamedTuple):
    """What stood at an address was withdrawn."""

    status: int
    reason: str | None


Outcome = Standing | Moved | Gone | Rule


def _url_of(row: CandidateRow, site: Site, home: str | None) -> str:
    """Return the present address of an article or a place."""
    if row["kind"] == "article":
        path = site.path_of(row["article_section"], row["slug"], row["published_at"], row["type"], row["id"])
        return site.url + path
    if row["place_id"] == home:
        return f"{site.url}/"
    return site.url_of(cast(PlaceKind, row["kind"]), str(row["place_slug"]), row["place_path"] or "")


def _decide(rows: Sequence[CandidateRow], asked: Asked, site: Site) -> Outcome | None:
    """Return what the first rule that applies says, in the order that the module describes."""
    home = next((row["place_id"] for row in rows if row["way"] == "home"), None)
    standing = [
        Standing(row["kind"], row, _url_of(row, site, home))
        for row in rows
        if row["kind"] != "redirect" and (row["way"] != "home" or asked.path == "/")
    ]
    rules = {
        row["name"]: Rule(row["name"], row["target"], row["redirect_status"] or 301)
        for row in rows
        if row["kind"] == "redirect"
    }
    exact = [source for source in list_sources(asked.path, asked.query) if source in rules]
    at_path = [each for each in standing if each.row["way"] != "former" and each.url == site.url + asked.path]

    articles = [each for each in standing if each.kind == "article"]

    def had(address: str | None) -> Iterable[Standing]:
        return (each for each in articles if (each.row["way"], each.row["name"]) == ("former", address))

    steps: list[Callable[[], Outcome | None]] = [
        lambda: _lead_on(had(asked.numbered)),
        lambda: next((each for each in at_path if each.kind != "article" or each.row["public"]), None),
        lambda: next((rules[source] for source in exact if not source.endswith(ALL_BELOW)), None),
        lambda: _lead_on(each for each in at_path if each.kind == "article"),
        lambda: _lead_on(had(asked.path)),
        lambda: next((rules[source] for source in exact), None),
        lambda: _lead_on(articles),
        lambda: _lead_on(each for each in standing if each.kind != "article"),
    ]
    return next((outcome for step in steps if (outcome := step())), None)


def _lead_on(candidates: Iterable[Standing]) -> Outcome | None:
    """Redirect to the first candidate that readers see, or say that it was retracted."""
    for each in candidates:
        if each.kind != "article" or each.row["public"]:
            return Moved(each.url)
        if each.row["state"] == "retracted" and (retraction := each.row["retraction"]):
            return _gone(retraction)
    return None


def _gone(retraction: RetractionColumn) -> Gone:
    return Gone(451 if retraction["legal"] else 410, retraction["reason"])


def _look_up(
    connection: sa.Connection, asked: Asked, site: Site, formats: tuple[str, ...] = (), *, lists: bool = False
) -> Outcome | None:
    if not asked.path.isprintable():
        return None
    rows = _select_candidates(connection.dialect.name, formats, lists=lists).rows(connection, asked.bind(site))
    return _decide(rows, asked, site)


class Resolved(NamedTuple):
    """What the site should answer: something that stands there (200), a location (301, 302), or a reason (410, 451)."""

    status: int
    standing: Standing | None = None
    location: str | None = None
    reason: str | None = None


def resolve_address(
    connection: sa.Connection, address: str, site: Site, formats: tuple[str, ...] = (), *, lists: bool = False
) -> Resolved:
    """Return what the site should answer at a path or URL; 404 if there is nothing.

    `lists`: a section is to be followed by a list of the articles in it and the sections below.
    Redirects are followed to their end, so that a location answers itself: one statement for each hop.
    """
    parsed = parse_address(address, site)
    outcome = _look_up(connection, Asked.of(*parsed), site, formats, lists=lists) if parsed else None
    if parsed is None or outcome is None:
        raise NotFound(NOT_FOUND_DETAIL)
    status, location = 301, ""
    for _ in range(MAX_HOPS):
        match outcome:
            case Standing() if not location:
                return Resolved(200, outcome)
            case Standing() | Moved():
                return Resolved(status, location=_keep_query(outcome.url, location))
            case Gone():
                return Resolved(outcome.status, reason=outcome.reason)
            case Rule(target=None):
                return Resolved(410)
            case Rule():
                status = max(status, outcome.status)
                location = apply_rule(outcome, parsed[0])
            case None:
                return Resolved(status, location=_complete(location, site))
        parsed = parse_address(location, site)
        if parsed is None:
            return Resolved(status, location=location)
        outcome = _look_up(connection, Asked.of(*parsed), site)
    raise NotFound(NOT_FOUND_DETAIL)  # redirects that were made at the same time lead in a circle


def _complete(location: str, site: Site) -> str:
    return site.url + location if location.startswith("/") else location


def _keep_query(url: str, location: str) -> str:
    """Return an address with the query and fragment of the redirect's target that leads to it."""
    parts = urlsplit(location)
    return url + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
