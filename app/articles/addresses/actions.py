"""Giving an article its slug, and keeping the ones it had."""

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.addresses.tables import Address
from app.articles.tables import Article
from app.kit.schema import table_of
from app.kit.text import slugify
from app.publication.actions import SlugTaken

_ADDRESS, _ARTICLE = table_of(Address), table_of(Article)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def claim(session: Session, article_id: str, wanted: str) -> str:
    """Take exactly this slug for an article: 409 if it is, or was, another's."""
    other = sa.select(_ARTICLE.c.id).where(_ARTICLE.c.slug == wanted, _ARTICLE.c.id != article_id)
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == wanted, _ADDRESS.c.article_id != article_id)
    if session.execute(other.union_all(former)).first():
        raise SlugTaken
    return wanted


def invent(session: Session, title: str) -> str:
    """A free slug made from a title: `title`, `title-2`, `title-3`, …"""
    base = slugify(title)
    like = f"{_like(base)}-%"
    slugs = sa.select(_ARTICLE.c.slug).where((_ARTICLE.c.slug == base) | _ARTICLE.c.slug.like(like, escape="\\"))
    former = sa.select(_ADDRESS.c.address).where(
        (_ADDRESS.c.address == base) | _ADDRESS.c.address.like(like, escape="\\")
    )
    taken = set(session.execute(slugs.union_all(former)).scalars())
    if base not in taken:
        return base
    return next(slug for number in range(2, len(taken) + 3) if (slug := f"{base}-{number}") not in taken)


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
