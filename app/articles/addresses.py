"""Slugs and former addresses of articles."""

import itertools
from typing import Required, TypedDict
from urllib.parse import unquote

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, VisibilityRow, find_article, present_article
from app.articles.site import make_numbered_address, parse_article_number
from app.articles.tables import Address, Article
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row
from app.publication.site import Site
from app.publication.terms import SlugTaken
from app.text.inputs import slugify

NO_ARTICLE_ID = "00000000-0000-0000-0000-000000000000"
RESERVED_SLUGS = frozenset({"bulk"})  # other routes under /v1/articles
SLUGS_PER_LOOKUP = 20
_ADDRESS, _ARTICLE = table_of(Address), table_of(Article)


def claim_slug(session: Session, article_id: str, slug: str) -> str:
    """Return the slug if it is free for an article; 409 if another article has or had it."""
    taken = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.slug == slug, _ARTICLE.c.id != article_id)
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == slug, _ADDRESS.c.article_id != article_id)
    if slug in RESERVED_SLUGS or session.execute(taken.union_all(former)).first():
        raise SlugTaken
    return slug


def generate_slug(session: Session, title: str, article_id: str = NO_ARTICLE_ID, language: str = "") -> str:
    """Generate a free slug from a title: `title`, `title-2`, `title-3`, …; the article's own slug is free for it."""
    base = slugify(title, language=language)
    for block in itertools.count(0, SLUGS_PER_LOOKUP):
        candidates = [
            f"{base}-{number}" if number > 1 else base for number in range(block + 1, block + SLUGS_PER_LOOKUP + 1)
        ]
        slugs = sa.select(_ARTICLE.c.slug).where(_ARTICLE.c.slug.in_(candidates), _ARTICLE.c.id != article_id)
        former = (_ADDRESS.c.address.in_(candidates)) & (_ADDRESS.c.article_id != article_id)
        taken = set(session.execute(slugs.union_all(sa.select(_ADDRESS.c.address).where(former))).scalars())
        if free := next((slug for slug in candidates if slug not in taken | RESERVED_SLUGS), None):
            return free
    raise AssertionError("unreachable: the numbers never end")


def change_slug(session: Session, article: Article, slug: str) -> None:
    """Change an article's slug; the former one redirects to it if the article was ever published."""
    old, article.slug = article.slug, claim_slug(session, article.id, slug)
    session.execute(sa.delete(_ADDRESS).where(_ADDRESS.c.address == article.slug))
    if article.published_revision is not None:
        add_former_address(session, article.id, old)


def add_former_address(session: Session, article_id: str, address: str) -> bool:
    """Let a former slug or path redirect to an article; False if it redirects already."""
    if session.get(Address, address) is not None:
        return False
    session.add(Address(address=address, article_id=article_id))
    session.flush()
    return True


NOT_FOUND_DETAIL = "No article is at this path."
_BY_FORMER_ADDRESS = (
    sa.select(ARTICLE.c.slug, ARTICLE.c.public, ARTICLE.c.state, ARTICLE.c.section_id)
    .join(_ADDRESS, _ADDRESS.c.article_id == ARTICLE.c.id)
    .where(_ADDRESS.c.address == sa.bindparam("address", type_=sa.String()))
)


class FormerAddressRow(VisibilityRow):
    """The article that a former slug or path leads to."""

    slug: str
    state: str


def find_by_former_address(connection: sa.Connection, address: str) -> FormerAddressRow | None:
    """Find the article of a former slug or path, with the columns that decide its visibility."""
    return fetch_row(connection, _BY_FORMER_ADDRESS, FormerAddressRow, {"address": address})


def _site_path(address: str, site: Site) -> str:
    """Return the path of a URL of the site, with http or https; 404 for URLs of other sites."""
    if address.startswith("/"):
        return address
    _, _, rest = address.partition("://")
    _, _, own = site.url.partition("://")
    host, slash, path = rest.partition("/")
    if own.partition("/")[0].lower() != host.partition("?")[0].lower():
        raise NotFound(NOT_FOUND_DETAIL)
    return f"/{path}" if slash else f"/{host[len(host.partition('?')[0]) :]}"


class ResolvedAddress(TypedDict, total=False):
    """What the site should answer at a path, as `ResolvedOut`."""

    status: Required[int]
    article: JsonObject
    location: str
    reason: str


def resolve_address(connection: sa.Connection, path: str, site: Site) -> ResolvedAddress:
    """Return what the publication's site should answer at a path, as `ResolvedOut`; 404 for nothing public.

    Order of precedence: the article at this path now, an article that had this path, an article with this slug. Of the
    query only an article number counts, as in short links and plain permalinks of WordPress.
    """
    place, _, query = _site_path(path, site).partition("#")[0].partition("?")
    decoded = unquote(place).rstrip("/") or "/"
    slug = decoded.rpartition("/")[2]
    number = parse_article_number(query)
    numbered = find_by_former_address(connection, make_numbered_address(decoded, number)) if number else None
    if numbered:
        slug = numbered["slug"]
    row = (
        find_article(connection, slug) if slug and len(slug) <= 200 and slug.isprintable() and not is_id(slug) else None
    )
    if not numbered and (row is None or present_article(row, site)["url"] != site.url + decoded):
        former = find_by_former_address(connection, decoded) or (
            find_by_former_address(connection, slug) if row is None else None
        )
        row = find_article(connection, former["slug"]) if former else row
    if row is None:
        raise NotFound(NOT_FOUND_DETAIL)
    if row["state"] == "retracted" and (retraction := row["retraction"]):
        return {"status": 451 if retraction["legal"] else 410, "reason": retraction["reason"]}
    if not row["public"]:
        raise NotFound(NOT_FOUND_DETAIL)
    article = present_article(row, site)
    if article["url"] == site.url + decoded:
        return {"status": 200, "article": article}
    return {"status": 301, "location": str(article["url"])}
