"""Feeds of the site, of terms and of comments, and the archives of the site's feed."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, TypedDict, cast

import sqlalchemy as sa
from pydantic import AfterValidator, Field

from app.articles import listing
from app.articles.list_parameters import Filter, ListQuery
from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, ARTICLE_TAG, AUTHOR, SECTION, TAG
from app.articles.rendering import (
    AccessRecord,
    CachedRow,
    cache_key_of,
    fetch_cached,
    groups_of_list,
    parse_for_partner,
    render_articles,
    select_cached,
)
from app.comments import reading as comments
from app.comments.schemas import CommentQuery
from app.core.clock import format_rfc3339, month_bounds, month_of
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.rows import Statement, fetch_rows
from app.events.cache_groups import ARTICLES_GROUP, SITE_GROUP, discussion_cache_groups
from app.feeds.article_json import ArticleJson, RetractionJson, parse_article
from app.feeds.entries import (
    COMMENTS_FRAGMENT,
    FORMATS,
    CommentContent,
    WrittenEntry,
    comments_feed_url,
    entry_of_article,
    entry_of_retraction,
    latest_time,
    newest_first,
    write_article,
    write_comment,
    write_entry,
)
from app.feeds.head import name_publication
from app.feeds.schemas import Deleted, Entry, Feed, Publication, to_uri, to_urn
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.section_tree import select_descendants
from app.publication.site import Site
from app.publication.term_queries import path_of_section
from app.text.inputs import is_slug
from app.web.paging import PreviewedQuery

ARCHIVE_PAGE_SIZE = 250
MAX_FEED_ENTRIES = 50
_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def _check_format(name: str) -> str:
    if name not in FORMATS:
        raise NotFound
    return name


def _check_month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise NotFound
    return text


FormatPath = Annotated[str, AfterValidator(_check_format), Field(json_schema_extra={"enum": list(FORMATS)})]
"""The format of a feed; 404 for any other."""
MonthPath = Annotated[str, AfterValidator(_check_month), Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}$"})]
"""A month, such as `2026-01`; 404 for anything else."""
TermKind = Literal["section", "tag", "author"]


class ArchiveQuery(PreviewedQuery):
    """Parameters of a month's archive."""

    page: int = Field(1, ge=1, le=100_000, description=f"A page of {ARCHIVE_PAGE_SIZE} entries; 1 has the newest.")


_RETRACTED = ARTICLE.c.state == sa.literal_column("'retracted'")  # a literal: SQLite has a partial index of these
_RETRACTED_COLUMNS = [
    ARTICLE.c.id.label("retracted_id"),
    ARTICLE.c.slug.label("retracted_slug"),
    ARTICLE.c.published_at,
    ARTICLE.c.retraction,
    ARTICLE.c.type.label("retracted_type"),
    path_of_section(SECTION).label("retracted_section"),
]
_TERMS = {"section": (SECTION, "description"), "tag": (TAG, "description"), "author": (AUTHOR, "bio_text")}
_LIST_QUERY = ListQuery(limit=MAX_FEED_ENTRIES, formats="html")


class BuiltFeed(NamedTuple):
    """A feed with its entries and its cache groups, and the articles that a partner is sent with it."""

    feed: Feed
    entries: list[WrittenEntry]
    groups: tuple[str, ...]
    access_records: Sequence[AccessRecord] = ()


class RetractedRow(TypedDict):
    """A retracted article, with its slug and type, and the path of its section."""

    retracted_id: str | None  # null in the only row of a term that has no retracted articles
    retracted_slug: str
    retracted_type: str
    retracted_section: str | None
    published_at: datetime | None
    retraction: RetractionJson


class TermRow(RetractedRow):
    """A term with one of its retracted articles."""

    id: str
    slug: str
    name: str
    description: str
    updated_at: datetime


class FeedSubject(NamedTuple):
    """The site or the term that a feed is of, and the articles retracted there."""

    path: str  # of the feed, without suffix; the same whether it was requested by id or by slug
    title: str
    description: str
    group: str  # cache group of the articles in it
    updated: str | None
    retracted: Sequence[RetractedRow]


@lru_cache(8)
def _select_term(kind: TermKind, by_id: bool) -> Statement:
    """Select a term with a row for each retracted article, or with one row whose article is null."""
    table, description = _TERMS[kind]
    term = table.alias("term")
    is_in_term: sa.ColumnElement[bool] = ARTICLE.c.section_id.in_(select_descendants(term.c.id).correlate(term))
    if kind != "section":
        links, column = (ARTICLE_TAG, "tag_id") if kind == "tag" else (ARTICLE_AUTHOR, "author_id")
        is_linked = (links.c.article_id == ARTICLE.c.id, links.c[column] == term.c.id)
        is_in_term = sa.exists().where(*is_linked).correlate(ARTICLE, term)
    tables = term.outerjoin(ARTICLE, _RETRACTED & is_in_term).outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id)
    own = [term.c.id, term.c.slug, term.c.name, term.c[description].label("description"), term.c.updated_at]
    key = term.c.id if by_id else term.c.slug
    return sa.select(*own, *_RETRACTED_COLUMNS).select_from(tables).where(key == sa.bindparam("ref", type_=key.type))


_SELECT_RETRACTED = (
    sa.select(*_RETRACTED_COLUMNS)
    .select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id))
    .where(_RETRACTED)
)


def find_subject(connection: sa.Connection, publication: Publication, kind: TermKind | None, ref: str) -> FeedSubject:
    """Return the site, or the section, tag or author of a feed; 404 if there is none."""
    if kind is None:
        retracted = fetch_rows(connection, _SELECT_RETRACTED, RetractedRow)
        return FeedSubject("/feeds/site", publication.name, "", ARTICLES_GROUP, None, retracted)
    by_id = is_id(ref)
    rows = fetch_rows(connection, _select_term(kind, by_id), TermRow, {"ref": ref}) if by_id or is_slug(ref) else []
    if not rows:
        raise NotFound
    term = rows[0]
    return FeedSubject(
        path=f"/feeds/{kind}s/{term['slug']}",
        title=f"{term['name']} – {publication.name}",
        description=term["description"],
        group=f"{kind}:{term['id']}",
        updated=format_rfc3339(term["updated_at"]),
        retracted=[row for row in rows if row["retracted_id"] is not None],
    )


def _make_retractions(rows: Sequence[RetractedRow], site: Site) -> list[tuple[Deleted, Entry]]:
    """Make the tombstones and entries of the newest retractions."""
    newest = sorted(rows, key=lambda row: datetime.fromisoformat(row["retraction"]["at"]), reverse=True)
    return [
        entry_of_retraction(
            str(row["retracted_id"]),
            site.url
            + site.path_of(
                row["retracted_section"],
                row["retracted_slug"],
                row["published_at"],
                row["retracted_type"],
                str(row["retracted_id"]),
            ),
            row["retraction"],
        )
        for row in newest[:MAX_FEED_ENTRIES]
    ]


class FeedRow(CachedRow):
    """A row of cached JSON with the text of the article."""

    body_html: str


def _write_articles(
    connection: sa.Connection, rows: Sequence[FeedRow], publication: Publication, form: str, actor: Actor
) -> tuple[list[WrittenEntry], Sequence[AccessRecord]]:
    """Write the entries of articles; for a partner, as much as the syndication level of each allows."""
    articles = render_articles(connection, rows, publication.site)
    if not actor.is_partner:
        return [
            write_article(form, article.json, row["body_html"], publication)
            for row, article in zip(rows, articles, strict=True)
        ], ()
    records: list[AccessRecord] = []
    entries = []
    for row, article in zip(rows, articles, strict=True):
        if (limited := parse_for_partner(article, records)) is not None:
            html = row["body_html"] if records[-1].level == "full" else ""
            entries.append(write_entry(form, entry_of_article(cast(ArticleJson, limited), html, publication)))
    return entries, records


def build_newest_feed(
    connection: sa.Connection,
    publication: Publication,
    form: str,
    kind: TermKind | None,
    ref: str,
    actor: Actor = ANONYMOUS,
) -> BuiltFeed:
    """Build the feed of the newest articles of the site, or of a section, tag or author."""
    publication = name_publication(connection, publication)
    subject = find_subject(connection, publication, kind, ref)
    filters = (Filter(kind, False, (ref,)),) if kind else ()
    page = listing.list_rows(connection, _LIST_QUERY, filters, ANONYMOUS, publication.site)
    rows = cast(Sequence[FeedRow], page["data"])
    articles, records = _write_articles(connection, rows, publication, form, actor)
    retractions = _make_retractions(subject.retracted, publication.site)
    entries = listed = articles
    if retractions:
        notices = [write_entry(form, notice) for _, notice in retractions]
        entries = newest_first([*articles, *notices], MAX_FEED_ENTRIES)
        listed = [written for written in entries if written in articles]
    links = {}
    if kind is None and listed and (page["page"]["next"] or len(listed) < len(articles)):
        oldest = datetime.fromisoformat(listed[-1].entry.published)
        links["prev-archive"] = archive_url(publication, month_of(oldest, publication.site.zone))
    times = [written.entry.updated for written in entries] or ([subject.updated] if subject.updated else [])
    feed = Feed(
        title=subject.title,
        description=subject.description,
        page=publication.site.url + "/",
        url=publication.api + to_uri(f"{subject.path}.{form}"),
        updated=latest_time(times),
        hubs=publication.hubs,
        deleted=tuple(tombstone for tombstone, _ in retractions),
        links=links,
        author=publication.name,
    )
    return BuiltFeed(feed, entries, _groups_of(subject.group, rows), records)


def _groups_of(group: str, rows: Sequence[CachedRow]) -> tuple[str, ...]:
    return groups_of_list([group, SITE_GROUP], [row["id"] for row in rows], counts=True)


def archive_url(publication: Publication, month: str, page: int = 1) -> str:
    """Return the URL of a page of the archive of a month, such as `2026-01`."""
    return f"{publication.api}/feeds/archive/{month}.atom" + (f"?page={page}" if page > 1 else "")


_BEGIN, _END = (sa.bindparam(name, type_=ARTICLE.c.listed_at.type) for name in ("begin", "end"))
_IS_IN_MONTH = ARTICLE.c.listed & (ARTICLE.c.listed_at >= _BEGIN) & (ARTICLE.c.listed_at < _END)
_PAGE = (
    sa.select(ARTICLE.c.id, ARTICLE.c.listed_at.label("key"))
    .where(_IS_IN_MONTH)
    .order_by(ARTICLE.c.listed_at.desc(), ARTICLE.c.id.desc())
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
    .offset(sa.bindparam("skipped", type_=sa.BigInteger()))
    .subquery("page")
)
_SELECT_PAGE = select_cached(formats=("html",), page=_PAGE).order_by(_PAGE.c.key.desc(), _PAGE.c.id.desc())
_SELECT_ADJACENT = sa.select(
    sa.select(sa.func.max(ARTICLE.c.listed_at))
    .where(ARTICLE.c.listed, ARTICLE.c.listed_at < _BEGIN)
    .scalar_subquery()
    .label("older"),
    sa.select(sa.func.min(ARTICLE.c.listed_at))
    .where(ARTICLE.c.listed, ARTICLE.c.listed_at >= _END)
    .scalar_subquery()
    .label("newer"),
)
_COUNT = sa.select(sa.func.count()).where(_IS_IN_MONTH)


def _month_values(month: str, zone: str) -> dict[str, datetime]:
    begin, end = month_bounds(int(month[:4]), int(month[5:]), zone)
    return {"begin": begin, "end": end}


def _link_pages(
    connection: sa.Connection, publication: Publication, month: str, page: int, *, has_more: bool
) -> dict[str, str]:
    """Return the links from a page of a month's archive to the current feed and the adjacent pages (RFC 5005 §4)."""
    zone = publication.site.zone
    adjacent = connection.execute(_SELECT_ADJACENT, _month_values(month, zone)).one()
    links = {"current": f"{publication.api}/feeds/site.atom"}
    if has_more:
        links["prev-archive"] = archive_url(publication, month, page + 1)
    elif adjacent.older:
        links["prev-archive"] = archive_url(publication, month_of(adjacent.older, zone))
    if page > 1:
        links["next-archive"] = archive_url(publication, month, page - 1)
    elif adjacent.newer:
        next_month = month_of(adjacent.newer, zone)
        last_page = -(-connection.execute(_COUNT, _month_values(next_month, zone)).scalar_one() // ARCHIVE_PAGE_SIZE)
        links["next-archive"] = archive_url(publication, next_month, last_page)
    return links


def build_archive(
    connection: sa.Connection, publication: Publication, month: str, page: int, actor: Actor
) -> BuiltFeed:
    """Build a page of the archive of a month; 404 if it is empty."""
    values = {
        **_month_values(month, publication.site.zone),
        "most": ARCHIVE_PAGE_SIZE + 1,
        "skipped": (page - 1) * ARCHIVE_PAGE_SIZE,
        "cache_key": cache_key_of(publication.site),
    }
    rows = fetch_cached(connection, _SELECT_PAGE, FeedRow, values)
    if not rows:
        raise NotFound
    publication = name_publication(connection, publication)
    has_more, rows = len(rows) > ARCHIVE_PAGE_SIZE, rows[:ARCHIVE_PAGE_SIZE]
    links = _link_pages(connection, publication, month, page, has_more=has_more)
    entries, records = _write_articles(connection, rows, publication, "atom", actor)
    feed = Feed(
        title=f"{publication.name}, {month}",
        description="",
        page=publication.site.url + "/",
        url=archive_url(publication, month, page),
        updated=latest_time(written.entry.updated for written in entries),
        links=links,
        author=publication.name,
        archive=True,
    )
    return BuiltFeed(feed, entries, _groups_of(ARTICLES_GROUP, rows), records)


_COMMENT_QUERY = CommentQuery(view="all", sort="newest", limit=MAX_FEED_ENTRIES, replies=0)


def build_comments_feed(connection: sa.Connection, publication: Publication, row: CachedRow, form: str) -> BuiltFeed:
    """Build the feed of the newest comments on an article that readers see; 404 if its discussion is hidden."""
    _, page = comments.list_discussion(connection, row["id"], _COMMENT_QUERY)
    publication = name_publication(connection, publication)
    (rendered,) = render_articles(connection, [row], publication.site)
    article = parse_article(rendered.json)
    published = cast(list[CommentContent], page["data"])  # the flat view has no tombstones
    entries = [write_comment(form, comment, article, publication) for comment in published]
    # Only Atom has tombstones.
    withdrawn = comments.list_withdrawn(connection, row["id"], MAX_FEED_ENTRIES) if form == "atom" else ()
    tombstones = tuple(Deleted(to_urn(comment["id"]), format_rfc3339(comment["withdrawn_at"])) for comment in withdrawn)
    times = [*(written.entry.updated for written in entries), *(tombstone.at for tombstone in tombstones)]
    feed = Feed(
        title=f"Comments on “{article['title']}”",
        description="",
        page=to_uri(article["url"]) + COMMENTS_FRAGMENT,
        url=f"{comments_feed_url(article, publication)}.{form}",
        updated=latest_time(times or [article["updated_at"]]),
        hubs=publication.hubs[:1],  # other hubs are not notified of comments
        deleted=tombstones,
        author=publication.name,
    )
    groups = ("publication", SITE_GROUP, f"article:{row['id']}", *discussion_cache_groups(row["id"]))
    return BuiltFeed(feed, entries, groups)
