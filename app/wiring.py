"""Who hears of what: every event with its handlers, what is done by the clock, and every router, on one screen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Gauge
from sqlmodel import Session

from app.anchors import routes as anchors
from app.anchors.handlers import find_again
from app.articles import routes as articles
from app.articles.actions import SHOWN
from app.articles.activity.actions import age
from app.articles.activity.queries import is_due as has_aged
from app.articles.addresses.schemas import Site
from app.articles.bulk import routes as bulk
from app.articles.cards.actions import refresh
from app.articles.cards.queries import BESIDE, has_stale
from app.articles.corrections import routes as corrections
from app.articles.discussion import routes as discussion
from app.articles.discussion.handlers import section_gone
from app.articles.editing import routes as editing
from app.articles.listing import routes as listing
from app.articles.listing.queries import FIND
from app.articles.merging import routes as merging
from app.articles.merging.actions import advance_merges
from app.articles.partners.queries import EARLY
from app.articles.previews import routes as previews
from app.articles.publishing import routes as publishing
from app.articles.publishing.actions import advance_due
from app.articles.publishing.queries import is_due
from app.articles.queries import notice_target
from app.articles.queries import seen_by as articles_seen_by
from app.articles.revisions import routes as revisions
from app.comments import routes as comments
from app.comments.editing import routes as comment_editing
from app.comments.editing.actions import MODERATION
from app.comments.posting import routes as posting
from app.comments.sync import routes as sync
from app.deliveries.actions import prune as prune_deliveries
from app.deliveries.schemas import Channel
from app.events.actions import prune as prune_events
from app.events.schemas import Entry
from app.fronts import routes as fronts
from app.fronts.handlers import follow_merge as follow_merge_on_fronts
from app.identity import routes as identity
from app.identity.audit import routes as audit
from app.identity.participants import routes as participants
from app.identity.replays.actions import prune as prune_replays
from app.identity.secrets.actions import Vault, turn
from app.identity.secrets.queries import is_due as is_turn
from app.importers import tables as imported  # noqa: F401  a table without routes: known to migrations through here
from app.importers.ledger import forget as forget_imported
from app.kit.clock import now
from app.kit.db import Database
from app.kit.settings import Settings
from app.live import routes as live_routes
from app.live.actions import Live
from app.moderation.actions import withdrawn
from app.moderation.appeals import routes as appeals
from app.moderation.bans import routes as bans
from app.moderation.decisions import routes as decisions
from app.moderation.decisions.actions import remove as remove_comment
from app.moderation.log import routes as moderation_log
from app.moderation.phrases import routes as phrases
from app.moderation.queries import check_reach
from app.moderation.queue import routes as queue
from app.moderation.queue.actions import prune as prune_leases
from app.moderation.redaction import routes as redaction
from app.moderation.reports import routes as reports
from app.moderation.screening.actions import Screening
from app.notifications.actions import ask_back, spread
from app.notifications.actions import prune as prune_notifications
from app.notifications.digests.actions import prune as prune_digests
from app.notifications.digests.actions import put_together
from app.notifications.digests.queries import Plan
from app.notifications.digests.queries import is_due as is_digest
from app.notifications.handlers import hear
from app.notifications.mail.actions import MailChannel
from app.notifications.queries import has_fanouts
from app.operation import routes as operation
from app.operation.personal import routes as personal
from app.operation.personal.actions import ALSO
from app.operation.purging import routes as purging
from app.publication.authors import routes as authors
from app.publication.keys import routes as keys
from app.publication.media import routes as media
from app.publication.merges.queries import has_running as has_merges
from app.publication.notices import routes as notices
from app.publication.notices.queries import SEEN, TARGETS
from app.publication.sections import routes as sections
from app.publication.series import routes as series
from app.publication.tags import routes as tags
from app.reactions import routes as reactions
from app.related import routes as related
from app.related.handlers import relate
from app.related.linking.actions import relink
from app.related.linking.queries import has_stale as has_stale_links
from app.related.queries import beside as related_beside
from app.search import routes as search
from app.search.actions import follow as follow_in_search
from app.search.queries import listed as search_list
from app.subscriptions.handlers import follow_merge
from app.subscriptions.management import routes as subscriptions
from app.subscriptions.opt_ins import routes as opt_ins
from app.subscriptions.opt_ins.queries import has_requests
from app.subscriptions.subscribers import routes as subscribers
from app.subscriptions.suppressions import routes as suppressions
from app.subscriptions.unsubscribing import routes as unsubscribing
from app.syndication.changes import routes as changes
from app.syndication.exporting import routes as exporting
from app.syndication.feeds import routes as feeds
from app.syndication.formats import routes as formats
from app.syndication.hub import routes as hub
from app.syndication.hub.actions import prune as prune_hub
from app.syndication.oembed import routes as oembed
from app.syndication.partners import routes as partners
from app.syndication.partners.handlers import published as forget_early_readers
from app.syndication.partners.queries import is_named
from app.syndication.pings.actions import HubChannel
from app.syndication.pings.handlers import tell as tell_feeds
from app.syndication.sitemaps import routes as sitemaps
from app.webhooks import routes as webhooks
from app.webhooks.channel.actions import WebhookChannel
from app.webhooks.handlers import tell as tell_webhooks
from app.webhooks.replays.actions import proceed as proceed_with_replays
from app.webhooks.replays.queries import is_asked as is_replay_asked

ROUTERS: list[APIRouter] = [
    formats.router,  # before the articles, to whose addresses it adds suffixes
    articles.router,  # what is asked most stands first: routes are matched in turn
    listing.router,
    comments.router,
    posting.router,
    reactions.router,
    discussion.router,
    feeds.router,
    sections.router,
    tags.router,
    authors.router,
    series.router,
    media.router,
    merging.router,
    search.router,
    fronts.router,
    editing.router,
    bulk.router,
    publishing.router,
    purging.router,
    corrections.router,
    revisions.router,
    previews.router,
    anchors.router,
    related.router,
    comment_editing.router,
    sync.router,
    notices.router,
    identity.router,
    participants.router,
    keys.router,
    audit.router,
    bans.router,
    phrases.router,
    queue.router,
    decisions.router,
    redaction.router,
    reports.router,
    appeals.router,
    moderation_log.router,
    changes.router,
    exporting.router,
    partners.router,
    opt_ins.router,
    subscriptions.router,
    unsubscribing.router,
    subscribers.router,
    suppressions.router,
    webhooks.router,
    personal.router,
    live_routes.router,
    sitemaps.router,
    oembed.router,
    hub.router,
    operation.router,
]

# Every kind of event is named here, also when nobody listens yet: what is missing does not start.
HANDLERS: dict[str, tuple[Callable[[Session, Entry], None], ...]] = {
    "article.published": (find_again, forget_early_readers),
    "article.updated": (find_again,),
    "article.corrected": (),
    "article.correction_changed": (),
    "article.correction_withdrawn": (),
    "article.unpublished": (),
    "article.retracted": (),
    "article.purged": (),
    "discussion.changed": (),
    "article.reported": (),
    "article.anchors_resolved": (),
    "article.related_changed": (),
    "anchor.changed": (),
    "comment.published": (),
    "comment.edited": (),
    "comment.removed": (),
    "comment.voted": (),
    "comment.pending": (),
    "comment.held": (),
    "comment.reported": (),
    "comment.appealed": (),
    "comment.decided": (),
    "article.reacted": (),
    "activity.aged": (),
    "front.changed": (),
    "front.deleted": (),
    "section.changed": (),
    "section.deleted": (section_gone,),
    "tag.changed": (),
    "tag.deleted": (follow_merge, follow_merge_on_fronts),
    "author.changed": (),
    "author.deleted": (follow_merge, follow_merge_on_fronts),
    "series.changed": (),
    "series.deleted": (follow_merge, follow_merge_on_fronts),
    "notice.changed": (),
    "notice.deleted": (),
    "media.changed": (),
    "media.deleted": (),
}

TARGETS["article"] = notice_target  # notices may stand with what a room above theirs holds
SEEN["article"] = articles_seen_by
BESIDE["related"] = related_beside
BESIDE["comments"] = comments.beside
SHOWN["search"] = follow_in_search  # what rooms above articles keep of them, in the same transaction
FIND["q"] = search_list
MODERATION["reach"] = check_reach  # moderators change comments by the rules of the room above
MODERATION["remove"] = remove_comment
MODERATION["withdrawn"] = withdrawn
EARLY["named"] = is_named
articles.ACCEPTED.update(formats.ACCEPTED)  # one article's address gives the formats of the room above, too
ALSO["importers"] = forget_imported  # rooms on one floor do not see each other


def _dispatch(session: Session, entry: Entry) -> None:
    for handle in HANDLERS.get(entry.type, ()):
        handle(session, entry)


# A reader that has nothing to do would only cost a commit for every fact.
READERS: dict[str, Callable[[Session, Entry], None]] = {"handlers": _dispatch} if any(HANDLERS.values()) else {}
READERS["related"] = relate
FEW = {"related": 4}  # facts at once, where each takes so long that a hundred would hold SQLite's writer for seconds
READERS["notifications"] = hear


def readers(settings: Settings) -> dict[str, Callable[[Session, Entry], None]]:
    """Everything that reads the log, each with a cursor of its own: one that fails holds up no other."""
    return {
        **READERS,
        "webhooks": partial(tell_webhooks, site=Site.of(settings)),
        "websub": partial(tell_feeds, hubs=settings.websub_hubs),
    }


def screen(_db: Database, settings: Settings) -> Screening:
    """The judges of what readers write: comments stand below moderation and are given them."""
    return Screening(settings)


def live(db: Database, settings: Settings, registry: CollectorRegistry) -> Live:
    """The streams of this process, begun; `/metrics` counts them."""
    streams = Live(db, settings)
    streams.start()
    Gauge("broadsheet_live_streams", "Live streams that are open.", registry=registry).set_function(streams.__len__)
    return streams


def channels(_db: Database, settings: Settings, vault: Vault) -> list[Channel]:
    """The ways by which the courier sends."""
    return [MailChannel(settings, vault), WebhookChannel(settings), HubChannel(settings)]


def _forget(session: Session) -> int:
    """Answers kept for retries live two days, facts a hundred: longer than any reader may be away."""
    prune_leases(session)
    forgotten = prune_notifications(session) + prune_digests(session) + prune_hub(session)
    return (
        forgotten
        + prune_replays(session, now() - timedelta(days=2))
        + prune_events(session, now() - timedelta(days=100))
    )


@dataclass(frozen=True)
class Timer:
    """What the clock makes due: asked every so many seconds, run if it is, and again while it says there is more."""

    every: float
    run: Callable[[Session], int]
    is_due: Callable[[sa.Connection], bool] = lambda _: True


def timers(settings: Settings) -> dict[str, Timer]:
    """What the worker of a publication does by the clock."""
    site, plan = Site.of(settings), Plan.of(settings)
    return {
        "publishing": Timer(0.0, advance_due, is_due),
        "merges": Timer(0.0, advance_merges, has_merges),
        "activity": Timer(1.0, age, has_aged),
        "cards": Timer(0.0, partial(refresh, site=site), partial(has_stale, site=site)),
        "links": Timer(0.0, relink, has_stale_links),
        "opt-ins": Timer(0.0, partial(ask_back, most_in_hour=settings.opt_in_limit), has_requests),
        "notifications": Timer(0.0, spread, has_fanouts),
        "digests": Timer(10.0, partial(put_together, plan=plan), partial(is_digest, plan=plan)),
        "salts": Timer(3600.0, turn, is_turn),
        "forget": Timer(3600.0, _forget),
        "deliveries": Timer(3600.0, prune_deliveries),
        "replays": Timer(0.0, partial(proceed_with_replays, site=site), is_replay_asked),
    }
