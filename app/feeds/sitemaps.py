"""What sitemaps are made of: ranges of an index, a bounded number of rows at a time.

Beyond the size of one file articles are divided by the month of their last change: what changed is always in the newest
file, and all others stay as they are.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.reading import ARTICLE, SECTION
from app.core.clock import format_rfc3339, month_bounds, month_of, now
from app.core.problems import NotFound
from app.feeds.schemas import MAX_NEWS_URLS, MAX_SITEMAP_URLS, Part, Publication, bounds, uri
from app.feeds.xml import add, root, written

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
BATCH = 5000
_CHINESE = {"zh-hans": "zh-cn", "zh-hant": "zh-tw", "zh-cn": "zh-cn", "zh-tw": "zh-tw"}


class Months(NamedTuple):
    """How many public articles changed last in each month of the time zone, and when the last of them did."""

    rows: list[tuple[str, int, datetime]]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(count for _, count, _ in self.rows)


_EVER = sa.select(
    *(
        sa.select(extreme(ARTICLE.c.updated_at)).where(ARTICLE.c.public).scalar_subquery().label(name)
        for name, extreme in (("first", sa.func.min), ("last", sa.func.max))
    )
)


def _between(first: datetime, last: datetime, zone: str) -> Iterator[tuple[str, datetime, datetime]]:
    """The months from one time to another, newest first, with their bounds."""
    oldest, name = month_of(first, zone), month_of(last, zone)
    while name >= oldest:
        year, month = int(name[:4]), int(name[5:])
        yield name, *month_bounds(year, month, zone)
        name = f"{year - (month == 1):04}-{(month - 2) % 12 + 1:02}"


def months(connection: sa.Connection, zone: str) -> Months:
    """The months of a time zone in which articles changed last, newest first: each a range of the index."""
    ever = connection.execute(_EVER).one()
    if ever.first is None:
        return Months([])
    moment = ARTICLE.c.updated_at.type
    columns = (sa.column("name", sa.String()), sa.column("begin", moment), sa.column("end", moment))
    month = sa.values(*columns, name="month").data(list(_between(ever.first, ever.last, zone))).cte("month")
    inside = ARTICLE.c.public & (ARTICLE.c.updated_at >= month.c.begin) & (ARTICLE.c.updated_at < month.c.end)
    count, last = (
        sa.select(of).where(inside).correlate(month).scalar_subquery()
        for of in (sa.func.count(), sa.func.max(ARTICLE.c.updated_at))
    )
    rows = connection.execute(sa.select(month.c.name, count, last).order_by(month.c.name.desc()))
    return Months([(name, n, changed) for name, n, changed in rows if n])


_FROM, _TO = (sa.bindparam(name, type_=ARTICLE.c.updated_at.type) for name in ("begin", "end"))
_ID = sa.bindparam("id", type_=ARTICLE.c.id.type)
_URLS = (
    sa.select(
        ARTICLE.c.id, ARTICLE.c.slug, SECTION.c.slug.label("section"), ARTICLE.c.published_at, ARTICLE.c.updated_at
    )
    .select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id))
    .where(
        ARTICLE.c.public,
        sa.tuple_(ARTICLE.c.updated_at, ARTICLE.c.id) > sa.tuple_(_FROM, _ID),
        ARTICLE.c.updated_at < _TO,
    )
    .order_by(ARTICLE.c.updated_at, ARTICLE.c.id)
    .limit(BATCH)
)
_START = (
    sa.select(ARTICLE.c.updated_at, ARTICLE.c.id)
    .where(ARTICLE.c.public, ARTICLE.c.updated_at >= _FROM, ARTICLE.c.updated_at < _TO)
    .order_by(ARTICLE.c.updated_at, ARTICLE.c.id)
    .limit(1)
    .offset(sa.bindparam("skipped", type_=sa.BigInteger()))
)
NOBODY = "00000000-0000-0000-0000-000000000000"


def _batches(connection: sa.Connection, begin: datetime, end: datetime, after: str) -> Iterator[list[Any]]:
    """Articles that changed in a span of time, the longest unchanged first: each batch one range of the index."""
    left = MAX_SITEMAP_URLS
    while left > 0:
        rows = list(connection.execute(_URLS, {"begin": begin, "end": end, "id": after}))
        yield rows[:left]
        left -= BATCH
        if len(rows) < BATCH:
            return
        begin, after = rows[-1].updated_at, rows[-1].id


def urls(connection: sa.Connection, here: Publication, part: Part | None = None) -> tuple[bytes, datetime]:
    """A file of at most 50,000 addresses, and when the last of them changed; 404 if it would be empty.

    Written by hand: fifty thousand elements are many, and of each address no more than `&` and `'` is to be escaped.
    """
    begin, end = bounds(part, here.site.zone)
    after = NOBODY
    if part is not None and part.n > 1:
        skipped = {"begin": begin, "end": end, "skipped": (part.n - 1) * MAX_SITEMAP_URLS - 1}
        last_before = connection.execute(_START, skipped).first()
        if last_before is None:
            raise NotFound
        begin, after = last_before.updated_at, last_before.id
    found, latest = [HEAD, f'<urlset xmlns="{SITEMAP}">\n'.encode()], None
    for rows in _batches(connection, begin, end, after):
        lines = [
            f"<url><loc>{escape(uri(here.site.url + here.site.path_of(row.section, row.slug, row.published_at)))}</loc>"
            f"<lastmod>{format_rfc3339(row.updated_at)}</lastmod></url>\n"
            for row in rows
        ]
        found.append("".join(lines).encode())
        latest = rows[-1].updated_at if rows else latest
    if latest is None and part is not None:
        raise NotFound
    return b"".join([*found, b"</urlset>\n"]), latest or datetime.fromisoformat("1970-01-01T00:00:00Z")


def index(here: Publication, found: Months) -> tuple[bytes, datetime]:
    """The files by month, newest first."""
    document = root(f"{{{SITEMAP}}}sitemapindex", {None: SITEMAP})
    for month, count, last in found.rows:
        for n in range(1, -(-count // MAX_SITEMAP_URLS) + 1):
            element = add(document, f"{{{SITEMAP}}}sitemap")
            add(element, f"{{{SITEMAP}}}loc", f"{here.api}/sitemap-{month}{f'-{n}' if n > 1 else ''}.xml")
            add(element, f"{{{SITEMAP}}}lastmod", format_rfc3339(last))
    return written(document), max(last for _, _, last in found.rows)


_LATELY = (
    sa.select(
        ARTICLE.c.slug,
        SECTION.c.slug.label("section"),
        ARTICLE.c.published_at,
        ARTICLE.c.title,
        ARTICLE.c.language,
        ARTICLE.c.updated_at,
    )
    .select_from(ARTICLE.outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id))
    .where(ARTICLE.c.listed, ARTICLE.c.listed_at > sa.bindparam("since", type_=ARTICLE.c.listed_at.type))
    .order_by(ARTICLE.c.listed_at.desc(), ARTICLE.c.id.desc())
    .limit(MAX_NEWS_URLS)
)


def language(tag: str) -> str:
    """ISO 639, as Google News has it: of a BCP 47 tag the language alone, but the two ways to write Chinese."""
    lower = tag.lower()
    return next((name for begin, name in _CHINESE.items() if lower.startswith(begin)), lower.partition("-")[0])


def news(connection: sa.Connection, here: Publication) -> tuple[bytes, datetime | None]:
    """The articles of the last two days, newest first, and when the last of them changed."""
    document = root(f"{{{SITEMAP}}}urlset", {None: SITEMAP, "news": NEWS})
    latest = None
    for row in connection.execute(_LATELY, {"since": now() - timedelta(days=2)}):
        path = here.site.path_of(row.section, row.slug, row.published_at)
        element = add(document, f"{{{SITEMAP}}}url")
        add(element, f"{{{SITEMAP}}}loc", uri(here.site.url + path))
        about = add(element, f"{{{NEWS}}}news")
        publication = add(about, f"{{{NEWS}}}publication")
        add(publication, f"{{{NEWS}}}name", here.name)
        add(publication, f"{{{NEWS}}}language", language(row.language))
        add(about, f"{{{NEWS}}}publication_date", format_rfc3339(row.published_at))
        add(about, f"{{{NEWS}}}title", row.title)
        latest = max(filter(None, [latest, row.updated_at]))
    return written(document), latest
