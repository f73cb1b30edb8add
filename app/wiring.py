"""Who hears of what: every event with its handlers, what is done by the clock, and every router, on one screen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from fastapi import APIRouter
from sqlmodel import Session

from app.anchors import routes as anchors
from app.anchors.handlers import find_again
from app.articles import routes as articles
from app.articles.addresses.schemas import Site
from app.articles.cards.actions import refresh
from app.articles.cards.queries import has_stale
from app.articles.editing import routes as editing
from app.articles.listing import routes as listing
from app.articles.previews import routes as previews
from app.articles.publishing import routes as publishing
from app.articles.publishing.actions import advance_due
from app.articles.publishing.queries import is_due
from app.articles.queries import by_ref as article_by_ref
from app.articles.queries import seen_by as articles_seen_by
from app.articles.revisions import routes as revisions
from app.events.actions import prune as prune_events
from app.events.schemas import Entry
from app.identity import routes as identity
from app.identity.audit import routes as audit
from app.identity.keys import routes as keys
from app.identity.participants import routes as participants
from app.identity.replays.actions import prune as prune_replays
from app.identity.secrets.actions import turn
from app.identity.secrets.queries import is_due as is_turn
from app.importers import tables as imported  # noqa: F401  a table without routes: known to migrations through here
from app.kit.clock import now
from app.kit.settings import Settings
from app.operation import routes as operation
from app.publication.authors import routes as authors
from app.publication.media import routes as media
from app.publication.notices import routes as notices
from app.publication.notices.queries import SEEN, TARGETS
from app.publication.sections import routes as sections
from app.publication.series import routes as series
from app.publication.tags import routes as tags

ROUTERS: list[APIRouter] = [
    articles.router,  # what is asked most stands first: routes are matched in turn
    listing.router,
    sections.router,
    tags.router,
    authors.router,
    series.router,
    media.router,
    editing.router,
    publishing.router,
    revisions.router,
    previews.router,
    anchors.router,
    notices.router,
    identity.router,
    participants.router,
    keys.router,
    audit.router,
    operation.router,
]

# Every kind of event is named here, also when nobody listens yet: what is missing does not start.
HANDLERS: dict[str, tuple[Callable[[Session, Entry], None], ...]] = {
    "article.published": (find_again,),
    "article.updated": (find_again,),
    "article.corrected": (),
    "article.unpublished": (),
    "article.retracted": (),
    "article.anchors_resolved": (),
    "anchor.changed": (),
    "section.changed": (),
    "section.deleted": (),
    "tag.changed": (),
    "tag.deleted": (),
    "author.changed": (),
    "author.deleted": (),
    "series.changed": (),
    "series.deleted": (),
    "notice.changed": (),
    "notice.deleted": (),
    "media.changed": (),
    "media.deleted": (),
}

TARGETS["article"] = article_by_ref  # notices may stand with what a room above theirs holds
SEEN["article"] = articles_seen_by


def _dispatch(session: Session, entry: Entry) -> None:
    for handle in HANDLERS.get(entry.type, ()):
        handle(session, entry)


# A reader that has nothing to do would only cost a commit for every fact.
READERS: dict[str, Callable[[Session, Entry], None]] = {"handlers": _dispatch} if any(HANDLERS.values()) else {}


def _forget(session: Session) -> int:
    """Answers kept for retries live two days, facts a hundred: longer than any reader may be away."""
    return prune_replays(session, now() - timedelta(days=2)) + prune_events(session, now() - timedelta(days=100))


@dataclass(frozen=True)
class Timer:
    """What the clock makes due: asked every so many seconds, run if it is, and again while it says there is more."""

    every: float
    run: Callable[[Session], int]
    is_due: Callable[[sa.Connection], bool] = lambda _: True


def timers(settings: Settings) -> dict[str, Timer]:
    """What the worker of a publication does by the clock."""
    site = Site.of(settings)
    return {
        "publishing": Timer(0.0, advance_due, is_due),
        "cards": Timer(0.0, partial(refresh, site=site), partial(has_stale, site=site)),
        "salts": Timer(3600.0, turn, is_turn),
        "forget": Timer(3600.0, _forget),
    }
