"""The parts of the application: routers, consumers of the event log, delivery channels and timers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter
from sqlmodel import Session

from app.anchors import routes as anchors
from app.articles import approval_routes, bulk_routes, discussion_routes, editorial_routes
from app.articles import routes as articles
from app.articles.cached_json import rebuild_stale, select_stale
from app.articles.counters import NEXT_HOUR, age_activity
from app.articles.merging import advance_merges
from app.articles.projection import IndexArticle
from app.articles.publishing import NEXT_CHANGE, advance_due_articles
from app.articles.reading import ArticlesWithNotices
from app.changes import routes as changes
from app.comments import routes as comments
from app.core.clock import now
from app.core.settings import Settings
from app.deliveries.outbox import prune_deliveries
from app.deliveries.schemas import Channel
from app.editorial import routes as editorial
from app.editorial.locks import prune_locks
from app.editorial.tasks import NEXT_DEADLINE, tell_due_tasks
from app.events.log import Consumer, one_by_one, prune_events
from app.export import routes as export
from app.feeds import format_routes
from app.feeds import routes as feeds
from app.fronts import routes as fronts
from app.identity import access
from app.identity import routes as identity
from app.identity.idempotency import prune_answers
from app.identity.keys import find_key_holder
from app.identity.schemas import Actor
from app.identity.secrets import Vault, is_rotation_due, rotate_secrets
from app.importers import tables as import_tables  # noqa: F401  without routes: migrations know its tables through here
from app.live import routes as live
from app.mail.digests import DigestSchedule, prune_items, send_digests
from app.mail.digests import is_due as is_digest_due
from app.mail.letters import MailChannel
from app.mail.moderation import is_queue_digest_due, send_queue_digests
from app.mail.notifications import NEXT_FANOUT, fan_out, on_event, process_requests, prune_fanouts
from app.moderation import people_routes, rule_routes
from app.moderation import routes as moderation
from app.moderation.person_actions import NEXT_REMOVAL, advance_actions
from app.moderation.queue import prune_leases
from app.ops import routes as ops
from app.partners import routes as partners
from app.people import credential_routes, oidc_routes
from app.people import routes as people
from app.people import sign_in_routes as staff_sign_in
from app.people.grants import find_grants_of_owner, find_person
from app.people.sessions import prune_sessions
from app.people.spent_tokens import prune_spent_tokens
from app.publication import key_routes, media_routes, notice_routes
from app.publication import routes as publication
from app.publication.section_tree import find_descendants
from app.publication.site import Site
from app.publication.taxonomies import has_misplaced_sections, repair_paths
from app.publication.terms import RUNNING_MERGE
from app.publication.uploads import has_expired_uploads, prune_uploads
from app.reactions import routes as reactions
from app.related import routes as related
from app.related.linking import STALE_LIST, rebuild_stale_lists, update_links
from app.releases import routes as releases
from app.releases.applying import Tools as ReleaseTools
from app.releases.scheduling import NEXT_RELEASE, publish_due_release
from app.search import routes as search
from app.site import routes as site_routes
from app.subscribers import HANDLERS, dispatch, list_types
from app.subscriptions import routes as subscriptions
from app.subscriptions.opt_ins import NEXT_REQUEST
from app.webhooks import routes as webhooks
from app.webhooks.channel import WebhookChannel
from app.webhooks.messages import changes_nothing_public, enqueue_events, list_wanted_types
from app.webhooks.replays import RUNNING_REPLAY, continue_replay
from app.websub import routes as websub
from app.websub.hub import has_subscribers, prune_hub
from app.websub.publisher import HubChannel
from app.websub.publisher import enqueue_changed_feeds as tell_feeds

ROUTERS: list[APIRouter] = [
    format_routes.router,  # before the articles, to whose paths it adds suffixes
    articles.articles_router,  # the most frequent first: routes are matched in this order
    articles.listing_router,
    comments.comments_router,
    comments.posting_router,
    comments.own_router,
    reactions.router,
    discussion_routes.router,
    feeds.feeds_router,
    publication.sections_router,
    publication.tags_router,
    publication.authors_router,
    publication.series_router,
    media_routes.router,
    bulk_routes.merging_router,
    search.router,
    fronts.router,
    site_routes.resolving_router,
    site_routes.site_router,
    site_routes.redirects_router,
    editorial_routes.editing_router,
    bulk_routes.bulk_router,
    editorial_routes.publishing_router,
    releases.router,
    approval_routes.router,
    ops.purging_router,
    editorial_routes.corrections_router,
    editorial_routes.revisions_router,
    editorial_routes.previews_router,
    anchors.router,
    editorial.router,
    related.router,
    comments.editing_router,
    comments.sync_router,
    notice_routes.router,
    access.router,
    identity.participants_router,
    key_routes.router,
    identity.audit_router,
    people.people_router,
    people.roles_router,
    people.sign_in_router,
    credential_routes.router,
    staff_sign_in.router,
    oidc_routes.sign_in_router,
    oidc_routes.identities_router,
    rule_routes.bans_router,
    rule_routes.phrases_router,
    moderation.queue_router,
    moderation.decisions_router,
    moderation.redaction_router,
    moderation.reports_router,
    moderation.appeals_router,
    people_routes.people_router,
    people_routes.reasons_router,
    people_routes.transparency_router,
    moderation.log_router,
    changes.router,
    export.router,
    partners.router,
    subscriptions.opt_ins_router,
    subscriptions.management_router,
    subscriptions.unsubscribing_router,
    subscriptions.subscribers_router,
    subscriptions.suppressions_router,
    webhooks.router,
    ops.personal_router,
    live.router,
    feeds.sitemaps_router,
    feeds.oembed_router,
    websub.router,
    ops.operation_router,
]

ANSWER_RETENTION = timedelta(days=2)  # of answers to idempotency keys
EVENT_RETENTION = timedelta(days=100)  # longer than any consumer may be away


CONSUMERS: Mapping[str, Consumer] = MappingProxyType(
    {
        "handlers": one_by_one(list_types(*HANDLERS), dispatch),
        "related": one_by_one(list_types("related"), update_links),
        "notifications": one_by_one(list_types("mail"), on_event),
    }
)
"""The consumers of the log that need no settings."""
REMOVAL_BURST = 0.5  # seconds of a round for removing all comments of a person
MAX_MESSAGES = 10  # public events whose messages are built at a time: each renders what it is about


def _list_types_for_feeds(connection: sa.Connection, hubs: Sequence[str]) -> frozenset[str]:
    """List the types of events that change feeds, if any hub or subscriber is told of them."""
    return list_types("websub") if hubs or has_subscribers(connection) else frozenset()


def consumers(settings: Settings) -> dict[str, Consumer]:
    """Return all consumers of the log by the names of their cursors: one that fails holds up no other."""
    send_messages, hubs = partial(enqueue_events, site=Site.from_settings(settings)), settings.websub_hubs
    feed_types = partial(_list_types_for_feeds, hubs=hubs)
    return {
        **CONSUMERS,
        "webhooks": Consumer(
            list_types("webhooks"),
            send_messages,
            MAX_MESSAGES,
            is_light=changes_nothing_public,
            narrow=list_wanted_types,
        ),
        "websub": Consumer(list_types("websub"), partial(tell_feeds, hubs=hubs), narrow=feed_types),
    }


def channels(settings: Settings, vault: Vault) -> list[Channel]:
    """Return the channels of the courier."""
    return [MailChannel(settings, vault), WebhookChannel(settings), HubChannel(settings)]


def _prune(session: Session) -> int:
    """Delete what has been kept long enough; return the number of rows."""
    prune_leases(session)
    prune_locks(session)
    pruned = prune_fanouts(session) + prune_items(session) + prune_hub(session)
    pruned += prune_answers(session, now() - ANSWER_RETENTION) + prune_sessions(session) + prune_spent_tokens(session)
    return pruned + prune_events(session, now() - EVENT_RETENTION)


@dataclass(frozen=True)
class Timer:
    """Work that becomes due with time; it is run until it returns 0."""

    run: Callable[[Session], int]
    due: sa.Select[datetime] | None = None
    """Selects when it is due; NULL or no row: when something is written that changes that."""
    every: float = 0.0
    """Seconds between two runs, for work without such a statement."""
    is_due: Callable[[sa.Connection], bool] | None = None
    """Whether to run it at all then."""
    burst: float = 0.0
    """Seconds for which it goes on in a round, while consumers of the log keep up with what it emits."""


def _find_caller(connection: sa.Connection, kind: str, caller_id: str) -> Actor | None:
    """Find a caller with the permissions that they have now."""
    if kind == "key":
        return find_key_holder(connection, caller_id, find_descendants, find_grants_of_owner)
    return find_person(connection, caller_id) if kind == "person" else None


def _release_timer(index_article: IndexArticle, site: Site) -> Callable[[Session], int]:
    tools = ReleaseTools(index_article, ArticlesWithNotices(), site)
    return partial(publish_due_release, tools=tools, find_caller=_find_caller)


def _queue_digests(frequency: Literal["off", "hourly", "daily"], schedule: DigestSchedule) -> dict[str, Timer]:
    if frequency == "off":
        return {}
    send = partial(send_queue_digests, schedule=schedule, frequency=frequency)
    is_due = partial(is_queue_digest_due, schedule=schedule, frequency=frequency)
    return {"queue-digests": Timer(send, every=10.0, is_due=is_due)}


def timers(settings: Settings, index_article: IndexArticle) -> dict[str, Timer]:
    """Return the timers of the worker by name."""
    site, schedule = Site.from_settings(settings), DigestSchedule.of(settings)
    are_digests_due = partial(is_digest_due, schedule=schedule)
    return {
        "publishing": Timer(partial(advance_due_articles, index_article=index_article), NEXT_CHANGE),
        "releases": Timer(_release_timer(index_article, site), NEXT_RELEASE),
        "merges": Timer(partial(advance_merges, index_article=index_article), RUNNING_MERGE),
        "paths": Timer(repair_paths, every=60.0, is_due=has_misplaced_sections),
        "activity": Timer(age_activity, NEXT_HOUR),
        "cards": Timer(partial(rebuild_stale, site=site), select_stale(site)),
        "links": Timer(rebuild_stale_lists, STALE_LIST),
        "deadlines": Timer(tell_due_tasks, NEXT_DEADLINE),
        "removals": Timer(advance_actions, NEXT_REMOVAL, burst=REMOVAL_BURST),
        "opt-ins": Timer(partial(process_requests, most_in_hour=settings.opt_in_limit), NEXT_REQUEST),
        "fan-outs": Timer(fan_out, NEXT_FANOUT),
        "replays": Timer(partial(continue_replay, site=site), RUNNING_REPLAY),
        "digests": Timer(partial(send_digests, schedule=schedule), every=10.0, is_due=are_digests_due),
        **_queue_digests(settings.moderation_digest, schedule),
        "salts": Timer(rotate_secrets, every=3600.0, is_due=is_rotation_due),
        "forget": Timer(_prune, every=3600.0),
        "uploads": Timer(partial(prune_uploads, storage_url=settings.media), every=600.0, is_due=has_expired_uploads),
        "deliveries": Timer(prune_deliveries, every=3600.0),
    }
