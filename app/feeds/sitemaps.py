"""Sitemaps (sitemaps.org), read from ranges of an index, a bounded number of rows at a time.

Articles that do not fit into one file are divided by the month of their last change, so that a change affects the
newest file and the one that the article was in.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from typing import NamedTuple

import sqlalchemy as sa

from app.articles.reading import ARTICLE, SECTION
from app.core.clock import format_rfc3339, month_bounds, month_of, now
from app.core.problems import NotFound
from app.feeds.head import name_publication
from app.feeds.schemas import MAX_NEWS_URLS, MAX_SITEMAP_URLS, Part, Publication, part_bounds, to_uri
from app.publication.site import Site
from app.publication.term_queries import path_of_section

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
BATCH_SIZE = 5000
_CHINESE = {"zh-hans": "zh-cn", "zh-hant": "zh-tw", "zh-cn": "zh-cn", "zh-tw": "zh-tw"}


class ChangedMonths(NamedTuple):
    """The months in which public articles were last changed, newest first: name, number of articles, last change."""

    rows: list[tuple[str, int, datetime]]

    @property
    def total(self) -> int:
        """The number of articles."""
        return sum(count for _, count, _ in self.rows)


_SELECT_EXTREMES = sa.select(
    *(
        sa.select(extreme(ARTICLE.c.updated_at)).where(ARTICLE.c.public).scalar_subquery().label(name)
        for name, extreme in (("first", sa.func.min), ("last", sa.func.max))
    )
)


def _list_months(first: datetime, last: datetime, zone: str) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield the months from one time to another with their bounds, newest first."""
    oldest, name = month_of(first, zone), month_of(last, zone)
    while name >= oldest:
        year, month = int(name[:4]), int(name[5:])
        yield name, *month_bounds(year, month, zone)
        name = f"{year - (month == 1):04}-{(month - 2) % 12 + 1:02}"


def count_by_month(connection: sa.Connection, zone: str) -> ChangedMonths:
    """Count public articles by the month of their last change, in a time zone: each month is a range of the index."""
    extremes = connection.execute(_SELECT_EXTREMES).one()
    if extremes.first is None:
        return ChangedMonths([])
    moment = ARTICLE.c.updated_at.type
    columns = (sa.column("name", sa.String()), sa.column("begin", moment), sa.column("end", moment))
    month = sa.values(*columns, name="month").data(list(_list_months(extremes.first, extremes.last, zone))).cte("month")
    is_inside = ARTICLE.c.public & (ARTICLE.c.updated_at >= month.c.begin) & (ARTICLE.c.updated_at < month.c.end)
    count, last = (
        sa.select(aggregate).where(is_inside).correlate(month).scalar_subquery()
        for aggregate in (sa.func.count(), sa.func.max(ARTICLE.c.updated_at))
    )
    rows = connection.execute(sa.select(month.c.name, count, last).order_by(month.c.name.desc()))
    return ChangedMonths([(name, number, changed_at) for name, number, changed_at in rows if number])


class _ChangedArticle(NamedTuple):
    """A row of `_SELECT_URLS`."""

    id: str
    slug: str
    type: str
    section: str | None
    published_at: datetime
    updated_at: datetime
    is_indexed: bool


_IS_INDEXED = ARTICLE.c.canonical_url.is_(None) & sa.func.coalesce(ARTICLE.c.seo["robots"].as_string(), "").not_like(
    "%noindex%"
)
"""Whether search engines are to know an article, rather than its original or neither."""
_FROM, _TO = (sa.bindparam(name, type_=ARTICLE.c.updated_at.type) for name in ("begin", "end"))
_ID = sa.bindparam("id", type_=ARTICLE.c.id.type)
_PAGE = (  # what the address of an article is made of
    ARTICLE.c.id,
    ARTICLE.c.slug,
    ARTICLE.c.type,
    path_of_section(SECTION).label("section"),
    ARTICLE.c.published_at,
)
_SELECT_URLS = (
    sa.select(*_PAGE, ARTICLE.c.updated_at, _IS_INDEXED.label("is_indexed"))
    .select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id))
    .where(
        ARTICLE.c.public,
        sa.tuple_(ARTICLE.c.updated_at, ARTICLE.c.id) > sa.tuple_(_FROM, _ID),
        ARTICLE.c.updated_at < _TO,
    )
    .order_by(ARTICLE.c.updated_at, ARTICLE.c.id)
    .limit(BATCH_SIZE)
)
_SELECT_BEFORE = (
    sa.select(ARTICLE.c.updated_at, ARTICLE.c.id)
    .where(ARTICLE.c.public, ARTICLE.c.updated_at >= _FROM, ARTICLE.c.updated_at < _TO)
    .order_by(ARTICLE.c.updated_at, ARTICLE.c.id)
    .limit(1)
    .offset(sa.bindparam("skipped", type_=sa.BigInteger()))
)
LOWEST_ID = "00000000-0000-0000-0000-000000000000"


def _read_batches(
    connection: sa.Connection, begin: datetime, end: datetime, after: str
) -> Iterator[list[_ChangedArticle]]:
    """Yield the articles last changed in a span of time, oldest change first; each batch is one range of the index."""
    left = MAX_SITEMAP_URLS
    while left > 0:
        values = {"begin": begin, "end": end, "id": after}
        rows = [_ChangedArticle._make(row) for row in connection.execute(_SELECT_URLS, values)]
        yield rows[:left]
        left -= BATCH_SIZE
        if len(rows) < BATCH_SIZE:
            return
        begin, after = rows[-1].updated_at, rows[-1].id


def _write_url(row: _ChangedArticle, site: Site) -> str:
    url = site.url + site.path_of(row.section, row.slug, row.published_at, row.type, row.id)
    return f"<url><loc>{escape(to_uri(url))}</loc><lastmod>{format_rfc3339(row.updated_at)}</lastmod></url>\n"


def render_urls(connection: sa.Connection, publication: Publication, part: Part | None = None) -> bytes:
    """Render a file of at most 50,000 URLs; 404 if it is a part and would be empty.

    The elements are written as text, which is faster than with lxml.
    """
    site, after = publication.site, LOWEST_ID
    begin, end = part_bounds(part, site.zone)
    if part is not None and part.number > 1:
        skipped = {"begin": begin, "end": end, "skipped": (part.number - 1) * MAX_SITEMAP_URLS - 1}
        last_before = connection.execute(_SELECT_BEFORE, skipped).first()
        if last_before is None:
            raise NotFound
        begin, after = last_before.updated_at, last_before.id
    chunks = [DECLARATION + f'<urlset xmlns="{SITEMAP}">\n'.encode()]
    for rows in _read_batches(connection, begin, end, after):
        lines = [_write_url(row, site) for row in rows if row.is_indexed]
        if not rows and part is not None and len(chunks) == 1:
            raise NotFound
        chunks.append("".join(lines).encode())
    return b"".join([*chunks, b"</urlset>\n"])


def render_index(publication: Publication, months: ChangedMonths) -> bytes:
    """Render the index of files by month, newest first."""
    from app.feeds.xml import add_child, make_root, serialize  # here, as lxml takes 4 MB

    document = make_root(f"{{{SITEMAP}}}sitemapindex", {None: SITEMAP})
    for month, count, last in months.rows:
        for number in range(1, -(-count // MAX_SITEMAP_URLS) + 1):
            element = add_child(document, f"{{{SITEMAP}}}sitemap")
            part = f"{month}-{number}" if number > 1 else month
            add_child(element, f"{{{SITEMAP}}}loc", f"{publication.api}/sitemap-{part}.xml")
            add_child(element, f"{{{SITEMAP}}}lastmod", format_rfc3339(last))
    return serialize(document)


NEWS_TIME = timedelta(days=2)  # for which an article stands in the news sitemap
_SELECT_NEWS = (
    sa.select(
        *_PAGE,
        ARTICLE.c.title,
        ARTICLE.c.language,
        ARTICLE.c.listed_at,
    )
    .select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id))
    .where(ARTICLE.c.listed, _IS_INDEXED, ARTICLE.c.listed_at > sa.bindparam("since", type_=ARTICLE.c.listed_at.type))
    .order_by(ARTICLE.c.listed_at.desc(), ARTICLE.c.id.desc())
    .limit(MAX_NEWS_URLS)
)


def news_language(tag: str) -> str:
    """Return the ISO 639 code of a BCP 47 tag; Chinese keeps its script or country, as Google News wants it."""
    lower = tag.lower()
    return next((code for prefix, code in _CHINESE.items() if lower.startswith(prefix)), lower.partition("-")[0])


def render_news(connection: sa.Connection, publication: Publication) -> tuple[bytes, datetime | None]:
    """Render the articles of the last two days, newest first; returns also when the first of them leaves."""
    from app.feeds.xml import add_child, make_root, serialize

    publication = name_publication(connection, publication)
    document = make_root(f"{{{SITEMAP}}}urlset", {None: SITEMAP, "news": NEWS})
    end = None
    for row in connection.execute(_SELECT_NEWS, {"since": now() - NEWS_TIME}):
        path = publication.site.path_of(row.section, row.slug, row.published_at, row.type, row.id)
        element = add_child(document, f"{{{SITEMAP}}}url")
        add_child(element, f"{{{SITEMAP}}}loc", to_uri(publication.site.url + path))
        about = add_child(element, f"{{{NEWS}}}news")
        publisher = add_child(about, f"{{{NEWS}}}publication")
        add_child(publisher, f"{{{NEWS}}}name", publication.name)
        add_child(publisher, f"{{{NEWS}}}language", news_language(row.language))
        add_child(about, f"{{{NEWS}}}publication_date", format_rfc3339(row.published_at))
        add_child(about, f"{{{NEWS}}}title", row.title)
        end = row.listed_at + NEWS_TIME
    return serialize(document), end
