"""Giving an article its slug, and keeping the ones it had."""

import itertools
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import A, by_ref, present
from app.articles.site import Site, article_number, numbered_address
from app.articles.tables import Address, Article
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.publication.terms import SlugTaken
from app.text.inputs import slugify

NOBODY = "00000000-0000-0000-0000-000000000000"
RESERVED = frozenset({"bulk"})  # what stands under /v1/articles beside the articles
BLOCK = 20  # slugs looked up at once
_ADDRESS, _ARTICLE = table_of(Address), table_of(Article)


def claim(session: Session, article_id: str, wanted: str) -> str:
    """Take exactly this slug for an article: 409 if it is, or was, another's."""
    other = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.slug == wanted, _ARTICLE.c.id != article_id)
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == wanted, _ADDRESS.c.article_id != article_id)
    if wanted in RESERVED or session.execute(other.union_all(former)).first():
        raise SlugTaken
    return wanted


def invent(session: Session, title: str, article_id: str = NOBODY, language: str = "") -> str:
    """A free slug made from a title: `title`, `title-2`, `title-3`, …; what the article itself has is free for it."""
    base = slugify(title, language=language)
    for block in itertools.count(0, BLOCK):
        tried = [f"{base}-{number}" if number > 1 else base for number in range(block + 1, block + BLOCK + 1)]
        slugs = sa.select(_ARTICLE.c.slug).where(_ARTICLE.c.slug.in_(tried), _ARTICLE.c.id != article_id)
        others = (_ADDRESS.c.address.in_(tried)) & (_ADDRESS.c.article_id != article_id)
        taken = set(session.execute(slugs.union_all(sa.select(_ADDRESS.c.address).where(others))).scalars())
        if free := next((slug for slug in tried if slug not in taken | RESERVED), None):
            return free
    raise AssertionError("counting has no end")


def move(session: Session, article: Article, slug: str) -> None:
    """Give an article another slug; the old one leads on to it if readers may know it."""
    old, article.slug = article.slug, claim(session, article.id, slug)
    session.execute(sa.delete(_ADDRESS).where(_ADDRESS.c.address == article.slug))
    if article.published_revision is not None:
        remember(session, article.id, old)


def remember(session: Session, article_id: str, address: str) -> bool:
    """Let a former slug or path lead to an article; False if it already leads somewhere."""
    if session.get(Address, address) is not None:
        return False
    session.add(Address(address=address, article_id=article_id))
    session.flush()
    return True


NOTHING = "Nothing stands at this path."
_LEADS_TO = (
    sa.select(A.c.slug, A.c.public, A.c.state, A.c.section_id)
    .join(_ADDRESS, _ADDRESS.c.article_id == A.c.id)
    .where(_ADDRESS.c.address == sa.bindparam("address", type_=sa.String()))
)


def leads_to(connection: sa.Connection, address: str) -> sa.RowMapping | None:
    """The article that a former slug or path leads to: its slug, and what its visibility hangs on."""
    return connection.execute(_LEADS_TO, {"address": address}).mappings().first()


def _path_on(address: str, site: Site) -> str:
    """The path of an address of the site, whether it names http or https; 404 for addresses of other sites."""
    if address.startswith("/"):
        return address
    _, _, rest = address.partition("://")
    _, _, own = site.url.partition("://")
    host, slash, path = rest.partition("/")
    if own.partition("/")[0].lower() != host.partition("?")[0].lower():
        raise NotFound(NOTHING)
    return f"/{path}" if slash else f"/{host[len(host.partition('?')[0]) :]}"


def resolve(connection: sa.Connection, path: str, site: Site) -> dict[str, Any]:
    """What the publication's site should answer at a path, as `ResolvedOut` has it; 404 for what nobody may see.

    An article that stands there now comes first, then one that had just this path, then one of that slug elsewhere.
    Of a query only the number of an article counts, as WordPress has it in short links and plain permalinks.
    """
    place, _, query = _path_on(path, site).partition("#")[0].partition("?")
    wanted = unquote(place).rstrip("/") or "/"
    slug = wanted.rpartition("/")[2]
    number = article_number(query)
    numbered = leads_to(connection, numbered_address(wanted, number)) if number else None
    if numbered:
        slug = numbered["slug"]
    row = by_ref(connection, slug) if slug and len(slug) <= 200 and slug.isprintable() and not is_id(slug) else None
    if not numbered and (row is None or present(row, site)["url"] != site.url + wanted):
        former = leads_to(connection, wanted) or (leads_to(connection, slug) if row is None else None)
        row = by_ref(connection, former["slug"]) if former else row
    if row is None:
        raise NotFound(NOTHING)
    if row["state"] == "retracted":
        legal, reason = row["retraction"]["legal"], row["retraction"]["reason"]
        return {"status": 451 if legal else 410, "reason": reason}
    if not row["public"]:
        raise NotFound(NOTHING)
    article = present(row, site)
    if article["url"] == site.url + wanted:
        return {"status": 200, "article": article}
    return {"status": 301, "location": article["url"]}
