"""Giving an article its slug, and keeping the ones it had."""

import itertools

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.addresses.tables import Address
from app.articles.tables import Article
from app.kit.schema import table_of
from app.kit.text import slugify
from app.publication.actions import SlugTaken

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
