"""Exposure: what readers see of an article now or at a set time, compared before and after every change."""

from datetime import datetime
from typing import NamedTuple

from app.articles.tables import Article
from app.identity.permissions import require_publish
from app.identity.schemas import Actor

_FACTS = (
    "featured usage_terms copyright_holder territory syndication embargoed_until expires_at corrections scheduled_at "
    "seo seo_image_id canonical_url source"
).split()


class Exposure(NamedTuple):
    """What readers see of an article now or at a set time; equal exposures look the same to them."""

    section_id: str | None
    slug: str
    published_at: datetime | None
    rest: tuple[object, ...]


def is_shown(state: str, public: bool, due_at: datetime | None) -> bool:
    """Whether readers see an article now or at a set time."""
    return public or state == "scheduled" or (state == "published" and due_at is not None)


def is_article_shown(article: Article) -> bool:
    """Apply `is_shown` to a row of the session."""
    return is_shown(article.state, article.public, article.due_at)


def exposure_of(article: Article) -> Exposure | None:
    """Return what readers see of an article now or at a set time; None for nothing.

    Revisions never change, so a revision's number stands for all of its text.
    """
    if article.state == "retracted":
        rest: tuple[object, ...] = (article.retraction,)
    elif is_article_shown(article):
        rest = (article.revision, *(getattr(article, name) for name in _FACTS))
    else:
        return None
    return Exposure(article.section_id, article.slug, article.published_at, rest)


def check_exposure(actor: Actor, before: Exposure | None, after: Exposure | None) -> None:
    """Raise 403 if readers would see a difference and the caller may not publish in both sections."""
    if before != after:
        require_publish(actor, *(seen.section_id for seen in (before, after) if seen))


def check_attachment(actor: Actor, article: Article) -> None:
    """Require `content:publish` for changing what stands with a shown article: pins, prompts, notices."""
    if is_article_shown(article):
        require_publish(actor, article.section_id)
