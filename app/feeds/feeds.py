"""What a feed's address says: which format, and of an archive which month."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, Field

from app.articles import listing
from app.articles.cache_groups import ARTICLES_GROUP, groups_of_list
from app.articles.cached_json import cache_key_of, render_articles, select_cached
from app.articles.list_parameters import Filter, ListQuery
from app.articles.partners import AccessRecord, limit_for_partner
from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, ARTICLE_TAG, AUTHOR, SECTION, TAG
from app.articles.site import Site
from app.comments import reading as comments
from app.comments.schemas import CommentQuery
from app.core.clock import format_rfc3339, month_bounds, month_of
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import Row
from app.events.cache_groups import discussion_cache_groups
from app.feeds.entries import (
    COMMENTS,
    FORMATS,
    Piece,
    comments_url,
    latest,
    newest_first,
    of_article,
    of_card,
    of_retraction,
    of_said,
    piece,
)
from app.feeds.schemas import Deleted, Entry, Feed, Publication, uri, urn
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.section_tree import select_descendants
from app.text.inputs import is_slug

PER_ARCHIVE = 250
MAX_FEED_ENTRIES = 50
_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])", re.ASCII)


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise NotFound
    return name


def _known_month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise NotFound
    return text


FormatPath = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(FORMATS)})]
"""The format of a feed; of any other there is none."""
MonthPath = Annotated[str, AfterValidator(_known_month), Field(json_schema_extra={"pattern": r"^\d{4}-\d{2}$"})]
"""A month, `2026-01`; what is none has no archive."""


class ArchiveQuery(BaseModel):
    """Which part of a month."""

    page: int = Field(1, ge=1, le=100_000, description=f"A page of {PER_ARCHIVE} entries; 1 has the newest.")


_RETRACTED = ARTICLE.c.state == sa.literal_column(
    "'retracted'"
)  # written out: else SQLite does not see its partial index
_GONE = [ARTICLE.c.id.label("gone_id"), ARTICLE.c.slug.label("gone_slug"), ARTICLE.c.published_at, ARTICLE.c.retraction]
_GONE.append(SECTION.c.slug.label("gone_section"))
_TERMS = {"section": (SECTION, "description"), "tag": (TAG, "description"), "author": (AUTHOR, "bio_text")}
_ASKED = ListQuery(limit=MAX_FEED_ENTRIES, formats="html")


class Made(NamedTuple):
    """A feed, its entries, its cache groups, and what a partner is given by it."""

    feed: Feed
    pieces: list[Piece]
    groups: tuple[str, ...]
    given: Sequence[AccessRecord] = ()


class About(NamedTuple):
    """What a feed is of, and the articles retracted there."""

    path: str  # of the feed, without its suffix: one address, however it was asked for
    title: str
    description: str
    group: str | None  # of caches
    updated: str | None
    gone: list[Row]


@lru_cache(8)
def _about(kind: str, by_id: bool) -> sa.Select[Any]:
    """A term with a row for each article retracted from it, or with one row of nulls."""
    table, description = _TERMS[kind]
    term = table.alias("term")
    here: Any = ARTICLE.c.section_id.in_(select_descendants(term.c.id).correlate(term))
    if kind != "section":
        links, column = (ARTICLE_TAG, "tag_id") if kind == "tag" else (ARTICLE_AUTHOR, "author_id")
        here = (
            sa.exists().where(links.c.article_id == ARTICLE.c.id, links.c[column] == term.c.id).correlate(ARTICLE, term)
        )
    tables = term.outerjoin(ARTICLE, _RETRACTED & here).outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id)
    own = [term.c.id, term.c.slug, term.c.name, term.c[description].label("description"), term.c.updated_at]
    wanted = term.c.id if by_id else term.c.slug
    return sa.select(*own, *_GONE).select_from(tables).where(wanted == sa.bindparam("ref", type_=wanted.type))


_SITE = (
    sa.select(*_GONE).select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id)).where(_RETRACTED)
)


def about(connection: sa.Connection, here: Publication, kind: str | None, ref: str) -> About:
    """What the feed of the site, or of a section, tag or author, says of itself; 404 where there is none."""
    if kind is None:
        return About("/feeds/site", here.name, "", None, None, list(connection.execute(_SITE).mappings()))
    by_id = is_id(ref)
    found = connection.execute(_about(kind, by_id), {"ref": ref}).mappings().all() if by_id or is_slug(ref) else []
    if not found:
        raise NotFound
    term = found[0]
    gone: list[Row] = [row for row in found if row["gone_id"] is not None]
    path, title, group = f"/feeds/{kind}s/{term['slug']}", f"{term['name']} – {here.name}", f"{kind}:{term['id']}"
    return About(path, title, term["description"], group, format_rfc3339(term["updated_at"]), gone)


def _retractions(gone: Sequence[Row], site: Site) -> list[tuple[Deleted, Entry]]:
    """The newest retractions."""
    newest = sorted(gone, key=lambda row: datetime.fromisoformat(row["retraction"]["at"]), reverse=True)[
        :MAX_FEED_ENTRIES
    ]
    return [
        of_retraction(
            row["gone_id"],
            site.url + site.path_of(row["gone_section"], row["gone_slug"], row["published_at"]),
            row["retraction"],
        )
        for row in newest
    ]


def _pieces(
    connection: sa.Connection, rows: Sequence[Row], here: Publication, form: str, actor: Actor
) -> tuple[list[Piece], Sequence[AccessRecord]]:
    """Entries of articles: for a partner, as much as the level of each allows."""
    cards = render_articles(connection, rows, here.site)
    if not actor.is_partner:
        return [of_card(form, card, row["body_html"], here) for row, card in zip(rows, cards, strict=True)], ()
    given: list[AccessRecord] = []
    pieces = []
    for row, card in zip(rows, cards, strict=True):
        if (article := limit_for_partner(card, given)) is not None:
            text = row["body_html"] if given[-1].level == "full" else ""
            pieces.append(piece(form, of_article(article, text, here)))
    return pieces, given


def newest(
    connection: sa.Connection, here: Publication, form: str, kind: str | None, ref: str, actor: Actor = ANONYMOUS
) -> Made:
    """The newest articles of the site, or of a section, tag or author, as a feed."""
    told = about(connection, here, kind, ref)
    groups = (Filter(kind, False, (ref,)),) if kind else ()
    page = listing.list_rows(connection, _ASKED, groups, ANONYMOUS, here.site)
    articles, given = _pieces(connection, page["data"], here, form, actor)
    retractions = _retractions(told.gone, here.site)
    pieces = articles
    if retractions:
        pieces = newest_first([*articles, *(piece(form, notice) for _, notice in retractions)], MAX_FEED_ENTRIES)
    left = [one for one in pieces if one in articles] if retractions else articles
    links = {}
    if kind is None and left and (page["page"]["next"] or len(left) < len(articles)):
        oldest = datetime.fromisoformat(left[-1].entry.published)
        links["prev-archive"] = archive_url(here, month_of(oldest, here.site.zone))
    moments = [one.entry.updated for one in pieces] or ([told.updated] if told.updated else [])
    feed = Feed(
        title=told.title,
        description=told.description,
        page=here.site.url + "/",
        url=here.api + uri(f"{told.path}.{form}"),
        updated=latest(moments),
        hubs=here.hubs,
        deleted=tuple(stone for stone, _ in retractions),
        links=links,
        author=here.name,
    )
    ids = [row["id"] for row in page["data"]]
    return Made(feed, pieces, groups_of_list([told.group or ARTICLES_GROUP], ids, counts=True), given)


def archive_url(here: Publication, month: str, page: int = 1) -> str:
    """The address of a part of the archive."""
    return f"{here.api}/feeds/archive/{month}.atom" + (f"?page={page}" if page > 1 else "")


_BEGIN, _END = (sa.bindparam(name, type_=ARTICLE.c.listed_at.type) for name in ("begin", "end"))
_IN_MONTH = ARTICLE.c.listed & (ARTICLE.c.listed_at >= _BEGIN) & (ARTICLE.c.listed_at < _END)
_PAGE = (
    sa.select(ARTICLE.c.id, ARTICLE.c.listed_at.label("key"))
    .where(_IN_MONTH)
    .order_by(ARTICLE.c.listed_at.desc(), ARTICLE.c.id.desc())
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
    .offset(sa.bindparam("skipped", type_=sa.BigInteger()))
    .subquery("page")
)
_MONTH_COLUMN = select_cached(formats=("html",), page=_PAGE).order_by(_PAGE.c.key.desc(), _PAGE.c.id.desc())
_BESIDE = sa.select(
    sa.select(sa.func.max(ARTICLE.c.listed_at))
    .where(ARTICLE.c.listed, ARTICLE.c.listed_at < _BEGIN)
    .scalar_subquery()
    .label("older"),
    sa.select(sa.func.min(ARTICLE.c.listed_at))
    .where(ARTICLE.c.listed, ARTICLE.c.listed_at >= _END)
    .scalar_subquery()
    .label("newer"),
)
_COUNT = sa.select(sa.func.count()).where(_IN_MONTH)


def _months(month: str, zone: str) -> dict[str, datetime]:
    begin, end = month_bounds(int(month[:4]), int(month[5:]), zone)
    return {"begin": begin, "end": end}


def archive(connection: sa.Connection, here: Publication, month: str, page: int, actor: Actor) -> Made:
    """A part of what was published in a month, chained to those before and after (RFC 5005 §4); 404 if it is empty."""
    span = _months(month, here.site.zone)
    paged = {"most": PER_ARCHIVE + 1, "skipped": (page - 1) * PER_ARCHIVE, "cache_key": cache_key_of(here.site)}
    rows = connection.execute(_MONTH_COLUMN, {**span, **paged}).mappings().all()
    if not rows:
        raise NotFound
    beside = connection.execute(_BESIDE, span).one()
    links = {"current": f"{here.api}/feeds/site.atom"}
    if len(rows) > PER_ARCHIVE:
        links["prev-archive"] = archive_url(here, month, page + 1)
    elif beside.older:
        links["prev-archive"] = archive_url(here, month_of(beside.older, here.site.zone))
    if page > 1:
        links["next-archive"] = archive_url(here, month, page - 1)
    elif beside.newer:
        later = month_of(beside.newer, here.site.zone)
        last = -(-connection.execute(_COUNT, _months(later, here.site.zone)).scalar_one() // PER_ARCHIVE)
        links["next-archive"] = archive_url(here, later, last)
    pieces, given = _pieces(connection, rows[:PER_ARCHIVE], here, "atom", actor)
    feed = Feed(
        title=f"{here.name}, {month}",
        description="",
        page=here.site.url + "/",
        url=archive_url(here, month, page),
        updated=latest([one.entry.updated for one in pieces]),
        links=links,
        author=here.name,
        archive=True,
    )
    ids = [row["id"] for row in rows[:PER_ARCHIVE]]
    return Made(feed, pieces, groups_of_list([ARTICLES_GROUP], ids, counts=True), given)


_COMMENTS = CommentQuery(view="all", sort="newest", limit=MAX_FEED_ENTRIES, replies=0)


def discussed(connection: sa.Connection, here: Publication, row: Row, form: str) -> Made:
    """The newest comments on an article that readers see; 404 where its discussion is hidden."""
    _, page = comments.list_discussion(connection, row["id"], _COMMENTS)
    (card,) = render_articles(connection, [row], here.site)
    article = pydantic_core.from_json(card)
    pieces = [of_said(form, comment, article, here) for comment in page["data"]]
    gone = (
        comments.list_withdrawn(connection, row["id"], MAX_FEED_ENTRIES) if form == "atom" else ()
    )  # others have no way to say it
    stones = tuple(Deleted(urn(comment["id"]), format_rfc3339(comment["withdrawn_at"])) for comment in gone)
    feed = Feed(
        title=f"Comments on “{article['title']}”",
        description="",
        page=uri(article["url"]) + COMMENTS,
        url=f"{comments_url(article, here)}.{form}",
        updated=latest([one.entry.updated for one in pieces] + [one.at for one in stones] or [article["updated_at"]]),
        hubs=here.hubs[:1],  # others are not told of comments
        deleted=stones,
        author=here.name,
    )
    return Made(feed, pieces, ("publication", f"article:{row['id']}", *discussion_cache_groups(row["id"])))
