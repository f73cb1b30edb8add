"""What the app is put together from: the readers of the log, the timers, the channels and every router."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType

import sqlalchemy as sa
from fastapi import APIRouter
from sqlmodel import Session

from app.anchors import routes as anchors
from app.articles import bulk_routes as bulk
from app.articles import bulk_routes as merging
from app.articles import discussion_routes as discussion
from app.articles import editorial_routes as corrections
from app.articles import editorial_routes as editing
from app.articles import editorial_routes as previews
from app.articles import editorial_routes as publishing
from app.articles import editorial_routes as revisions
from app.articles import routes as articles
from app.articles import routes as listing
from app.articles.activity import age_activity
from app.articles.activity import has_due_hours as has_aged
from app.articles.cached_json import has_stale, rebuild_stale
from app.articles.merging import advance_merges
from app.articles.projection import IndexArticle
from app.articles.publishing import advance_due_articles, has_due_articles
from app.articles.site import Site
from app.changes import routes as changes
from app.comments import routes as comment_editing
from app.comments import routes as comments
from app.comments import routes as posting
from app.comments import routes as sync
from app.core.clock import now
from app.core.settings import Settings
from app.deliveries.outbox import prune_deliveries
from app.deliveries.schemas import Channel
from app.events.catalog import LoggedEvent
from app.events.log import prune_events
from app.export import routes as exporting
from app.feeds import format_routes as formats
from app.feeds import routes as feeds
from app.feeds import routes as oembed
from app.feeds import routes as sitemaps
from app.fronts import routes as fronts
from app.identity import access as identity
from app.identity import routes as audit
from app.identity import routes as participants
from app.identity.idempotency import prune_answers as prune_replays
from app.identity.secrets import Vault, rotate_secrets
from app.identity.secrets import is_rotation_due as is_turn
from app.importers import tables as imported  # noqa: F401  a table without routes: known to migrations through here
from app.live import routes as live_routes
from app.mail.digests import DigestSchedule, send_digests
from app.mail.digests import is_due as is_digest
from app.mail.digests import prune_items as prune_digests
from app.mail.letters import MailChannel
from app.mail.notifications import fan_out, has_fanouts, on_event, process_requests
from app.mail.notifications import prune_fanouts as prune_notifications
from app.moderation import routes as appeals
from app.moderation import routes as decisions
from app.moderation import routes as moderation_log
from app.moderation import routes as queue
from app.moderation import routes as redaction
from app.moderation import routes as reports
from app.moderation import rule_routes as bans
from app.moderation import rule_routes as phrases
from app.moderation.queue import prune_leases
from app.ops import routes as operation
from app.ops import routes as personal
from app.ops import routes as purging
from app.partners import routes as partners
from app.publication import key_routes as keys
from app.publication import media_routes as media
from app.publication import notice_routes as notices
from app.publication import routes as authors
from app.publication import routes as sections
from app.publication import routes as series
from app.publication import routes as tags
from app.publication.terms import has_running_merge as has_merges
from app.reactions import routes as reactions
from app.related import routes as related
from app.related.linking import has_stale as has_stale_links
from app.related.linking import rebuild_stale_lists, update_links
from app.search import routes as search
from app.subscribers import dispatch
from app.subscriptions import routes as opt_ins
from app.subscriptions import routes as subscribers
from app.subscriptions import routes as subscriptions
from app.subscriptions import routes as suppressions
from app.subscriptions import routes as unsubscribing
from app.subscriptions.opt_ins import has_requests
from app.webhooks import routes as webhooks
from app.webhooks.channel import WebhookChannel
from app.webhooks.messages import enqueue_event as tell_webhooks
from app.webhooks.replays import continue_replay as proceed_with_replays
from app.webhooks.replays import has_replays as is_replay_asked
from app.websub import routes as hub
from app.websub.hub import prune as prune_hub
from app.websub.publisher import HubChannel
from app.websub.publisher import tell as tell_feeds

ROUTERS: list[APIRouter] = [
    formats.router,  # before the articles, to whose addresses it adds suffixes
    articles.articles_router,  # what is asked most stands first: routes are matched in turn
    listing.listing_router,
    comments.comments_router,
    posting.posting_router,
    reactions.router,
    discussion.router,
    feeds.feeds_router,
    sections.sections_router,
    tags.tags_router,
    authors.authors_router,
    series.series_router,
    media.router,
    merging.merging_router,
    search.router,
    fronts.router,
    editing.editing_router,
    bulk.bulk_router,
    publishing.publishing_router,
    purging.purging_router,
    corrections.corrections_router,
    revisions.revisions_router,
    previews.previews_router,
    anchors.router,
    related.router,
    comment_editing.editing_router,
    sync.sync_router,
    notices.router,
    identity.router,
    participants.participants_router,
    keys.router,
    audit.audit_router,
    bans.bans_router,
    phrases.phrases_router,
    queue.queue_router,
    decisions.decisions_router,
    redaction.redaction_router,
    reports.reports_router,
    appeals.appeals_router,
    moderation_log.log_router,
    changes.router,
    exporting.router,
    partners.router,
    opt_ins.opt_ins_router,
    subscriptions.management_router,
    unsubscribing.unsubscribing_router,
    subscribers.subscribers_router,
    suppressions.suppressions_router,
    webhooks.router,
    personal.personal_router,
    live_routes.router,
    sitemaps.sitemaps_router,
    oembed.oembed_router,
    hub.router,
    operation.operation_router,
]

# Those that need no settings.
READERS: Mapping[str, Callable[[Session, LoggedEvent], None]] = MappingProxyType(
    {"handlers": dispatch, "related": update_links, "notifications": on_event}
)
# Events at once, where each takes so long that a hundred would hold SQLite's writer for seconds.
FEW: Mapping[str, int] = MappingProxyType({"related": 4})


def readers(settings: Settings) -> dict[str, Callable[[Session, LoggedEvent], None]]:
    """Everything that reads the log, each with a cursor of its own: one that fails holds up no other."""
    return {
        **READERS,
        "webhooks": partial(tell_webhooks, site=Site.from_settings(settings)),
        "websub": partial(tell_feeds, hubs=settings.websub_hubs),
    }


def channels(settings: Settings, vault: Vault) -> list[Channel]:
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


def timers(settings: Settings, index_article: IndexArticle) -> dict[str, Timer]:
    """What the worker of a publication does by the clock."""
    site, plan = Site.from_settings(settings), DigestSchedule.of(settings)
    return {
        "publishing": Timer(0.0, partial(advance_due_articles, index_article=index_article), has_due_articles),
        "merges": Timer(0.0, partial(advance_merges, index_article=index_article), has_merges),
        "activity": Timer(1.0, age_activity, has_aged),
        "cards": Timer(0.0, partial(rebuild_stale, site=site), partial(has_stale, site=site)),
        "links": Timer(0.0, rebuild_stale_lists, has_stale_links),
        "opt-ins": Timer(0.0, partial(process_requests, most_in_hour=settings.opt_in_limit), has_requests),
        "notifications": Timer(0.0, fan_out, has_fanouts),
        "digests": Timer(10.0, partial(send_digests, schedule=plan), partial(is_digest, schedule=plan)),
        "salts": Timer(3600.0, rotate_secrets, is_turn),
        "forget": Timer(3600.0, _forget),
        "deliveries": Timer(3600.0, prune_deliveries),
        "replays": Timer(0.0, partial(proceed_with_replays, site=site), is_replay_asked),
    }
