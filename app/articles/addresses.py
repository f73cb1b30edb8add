"""Slugs and former addresses of articles."""

import itertools
from typing import Any, Final
from urllib.parse import parse_qs

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, VisibilityRow
from app.articles.tables import Address, Article
from app.db.columns import table_of
from app.db.rows import fetch_row
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


def _select_taken() -> sa.CompoundSelect[Any]:
    """Select those of `slugs` that present or former addresses of other articles than `article_id` have."""
    slugs = sa.bindparam("slugs", expanding=True, type_=_ARTICLE.c.slug.type)
    others = sa.bindparam("article_id", type_=_ARTICLE.c.id.type)
    present = sa.select(_ARTICLE.c.slug).where(_ARTICLE.c.slug.in_(slugs), _ARTICLE.c.id != others)
    former = sa.select(_ADDRESS.c.address).where(_ADDRESS.c.address.in_(slugs), _ADDRESS.c.article_id != others)
    return present.union_all(former)


_SELECT_TAKEN = _select_taken()


def generate_slug(session: Session, title: str, article_id: str = NO_ARTICLE_ID, language: str = "") -> str:
    """Generate a free slug from a title: `title`, `title-2`, `title-3`, …; the article's own slug is free for it."""
    base = slugify(title, language=language)
    for block in itertools.count(0, SLUGS_PER_LOOKUP):
        candidates = [
            f"{base}-{number}" if number > 1 else base for number in range(block + 1, block + SLUGS_PER_LOOKUP + 1)
        ]
        values = {"slugs": candidates, "article_id": article_id}
        taken = set(session.execute(_SELECT_TAKEN, values).scalars())
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


_NUMBER_PARAMETERS: Final = ("p", "page_id", "attachment_id")  # WordPress counts all of them together


def parse_article_number(query: str) -> int | None:
    """Return the number by which WordPress knows an article from a URL's query, or None."""
    values = parse_qs(query, max_num_fields=100) if query.count("&") < 100 else {}
    for name in _NUMBER_PARAMETERS:
        digits = values.get(name, [""])[0]
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(digits)
    return None


def make_numbered_address(place: str, number: int) -> str:
    """Return the form in which an address with a number is stored; `place` is the path before the query."""
    folder = place.removesuffix("/index.php").rstrip("/")
    return f"{folder}/?p={number}"
