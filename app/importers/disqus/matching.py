"""Which article a thread belongs to: where its address leads now, else what its identifier names."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import sqlalchemy as sa

from app.articles.addresses import find_by_former_address
from app.articles.site import Site
from app.articles.tables import Article
from app.core.ids import is_id
from app.db.columns import table_of
from app.importers.disqus.reader import Thread
from app.importers.tables import ImportSource
from app.publication.tables import Section

A, _SECTION, _SOURCE = table_of(Article), table_of(Section), table_of(ImportSource)
_PLACE = sa.select(A.c.id, A.c.slug, A.c.published_at, _SECTION.c.slug.label("section")).select_from(
    A.outerjoin(_SECTION, _SECTION.c.id == A.c.section_id)
)
_BY_SLUG = _PLACE.where(A.c.slug == sa.bindparam("slug"))
_BY_ID = sa.select(A.c.id).where(A.c.id == sa.bindparam("this", type_=A.c.id.type))
_BY_NUMBER = (
    sa.select(A.c.id)
    .join(_SOURCE, _SOURCE.c.local_id == A.c.id)
    .where(_SOURCE.c.kind == "post", _SOURCE.c.foreign_id == sa.bindparam("number"))
    .where(_SOURCE.c.source.like("wordpress:%"))
)
_ENDING = re.compile(r"(?:/index)?\.(?:html?|php|aspx?)$|/amp$", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d{1,18}) https?://\S+")


def article_of(connection: sa.Connection, thread: Thread, site: Site) -> str | None:
    """The id of its article, or None; a site may have moved, so only the paths of addresses count."""
    for address in _addresses(thread):
        if found := _at(connection, address, site):
            return found
    for number in _numbers(thread):
        found_ids = set(connection.execute(_BY_NUMBER, {"number": number}).scalars())
        if len(found_ids) == 1:
            return str(found_ids.pop())
    name = thread.identifier
    if is_id(name):
        return connection.execute(_BY_ID, {"this": name}).scalar_one_or_none()
    return _at(connection, f"/{name.strip('/')}", site) if name and "/" not in name.strip("/") else None


def _addresses(thread: Thread) -> Iterator[str]:
    for url in (thread.link, thread.identifier):
        if not url.startswith(("http://", "https://", "/")):
            continue
        try:
            path = unquote(urlsplit(url).path)
        except ValueError:
            continue
        bare = path.rstrip("/")
        yield from dict.fromkeys(found for found in (bare, _ENDING.sub("", bare).rstrip("/")) if found)


def _numbers(thread: Thread) -> Iterator[str]:
    """The number of the post in WordPress, which its plugins put into the identifier."""
    if match := _NUMBERED.fullmatch(thread.identifier):
        yield match[1]
    for url in (thread.link, thread.identifier):
        try:
            query = parse_qs(urlsplit(url).query)
        except ValueError:
            continue
        yield from (number for number in (query.get("p") or query.get("page_id") or []) if number.isdigit())


def _at(connection: sa.Connection, path: str, site: Site) -> str | None:
    """What stands at a path, whether readers may see it or not: as `resolve` finds it."""
    slug = path.rpartition("/")[2]
    if len(path) > 500 or not path.isprintable():
        return None
    row = connection.execute(_BY_SLUG, {"slug": slug}).mappings().first() if slug else None
    if row and site.path_of(row["section"], row["slug"], row["published_at"]) == path:
        return str(row["id"])
    former = find_by_former_address(connection, path) or (
        find_by_former_address(connection, slug) if row is None else None
    )
    if former:
        row = connection.execute(_BY_SLUG, {"slug": former["slug"]}).mappings().first()
    return str(row["id"]) if row else None
