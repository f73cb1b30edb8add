"""Matching of threads to articles: by URL, else by identifier."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import sqlalchemy as sa

from app.articles.addresses import find_by_former_address
from app.articles.tables import Article
from app.core.ids import is_id
from app.db.columns import table_of
from app.importers.disqus.reader import Thread
from app.importers.tables import ImportSource
from app.publication.site import Site
from app.publication.tables import Section
from app.publication.term_queries import path_of_section

ARTICLE, _SECTION, _SOURCE = table_of(Article), table_of(Section), table_of(ImportSource)
_PLACE = sa.select(
    ARTICLE.c.id, ARTICLE.c.slug, ARTICLE.c.type, ARTICLE.c.published_at, path_of_section(_SECTION).label("section")
).select_from(ARTICLE.outerjoin(_SECTION, _SECTION.c.id == ARTICLE.c.section_id))
_BY_SLUG = _PLACE.where(ARTICLE.c.slug == sa.bindparam("slug"))
_BY_ID = sa.select(ARTICLE.c.id).where(ARTICLE.c.id == sa.bindparam("this", type_=ARTICLE.c.id.type))
_BY_NUMBER = (
    sa.select(ARTICLE.c.id)
    .join(_SOURCE, _SOURCE.c.local_id == ARTICLE.c.id)
    .where(_SOURCE.c.kind == "post", _SOURCE.c.foreign_id == sa.bindparam("number"))
    .where(_SOURCE.c.source.like("wordpress:%"))
)
_ENDING = re.compile(r"(?:/index)?\.(?:html?|php|aspx?)$|/amp$", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d{1,18}) https?://\S+")


def find_article(connection: sa.Connection, thread: Thread, site: Site) -> str | None:
    """Find the id of the article of a thread, or None. Only the paths of URLs count, as a site may have moved."""
    for address in _addresses(thread):
        if article_id := _find_at_path(connection, address, site):
            return article_id
    for number in _numbers(thread):
        ids = set(connection.execute(_BY_NUMBER, {"number": number}).scalars())
        if len(ids) == 1:
            return str(ids.pop())
    name = thread.identifier
    if is_id(name):
        return connection.execute(_BY_ID, {"this": name}).scalar_one_or_none()
    return _find_at_path(connection, f"/{name.strip('/')}", site) if name and "/" not in name.strip("/") else None


def _addresses(thread: Thread) -> Iterator[str]:
    for url in (thread.link, thread.identifier):
        if not url.startswith(("http://", "https://", "/")):
            continue
        try:
            path = unquote(urlsplit(url).path)
        except ValueError:
            continue
        bare = path.rstrip("/")
        yield from dict.fromkeys(address for address in (bare, _ENDING.sub("", bare).rstrip("/")) if address)


def _numbers(thread: Thread) -> Iterator[str]:
    """Yield the post ids that WordPress plugins put into identifiers and URLs."""
    if match := _NUMBERED.fullmatch(thread.identifier):
        yield match[1]
    for url in (thread.link, thread.identifier):
        try:
            query = parse_qs(urlsplit(url).query)
        except ValueError:
            continue
        yield from (number for number in (query.get("p") or query.get("page_id") or []) if number.isdigit())


def _find_at_path(connection: sa.Connection, path: str, site: Site) -> str | None:
    """Find the article at a path, public or not, as `GET /v1/resolve` does."""
    slug = path.rpartition("/")[2]
    if len(path) > 500 or not path.isprintable():
        return None
    row = connection.execute(_BY_SLUG, {"slug": slug}).mappings().first() if slug else None
    if row and site.path_of(row["section"], row["slug"], row["published_at"], row["type"], row["id"]) == path:
        return str(row["id"])
    former = find_by_former_address(connection, path) or (
        find_by_former_address(connection, slug) if row is None else None
    )
    if former:
        row = connection.execute(_BY_SLUG, {"slug": former["slug"]}).mappings().first()
    return str(row["id"]) if row else None
