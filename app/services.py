"""The services of a process, built in one place for the server, the worker and the commands."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import Gauge

from app import wiring
from app.anchors.routes import include_anchors
from app.anchors.schemas import PassageOut
from app.articles.includes import Include, name_includes
from app.articles.reading import ArticlesWithNotices
from app.articles.revisions import select_media_uses as select_article_uses
from app.articles.schemas import HeadOut, RelatedOut
from app.comments.routes import include_comments
from app.comments.schemas import CommentList
from app.comments.services import CommentServices
from app.core.logs import get_logger
from app.core.network_addresses import Guard
from app.core.settings import Settings
from app.db import Database, QueryProcesses
from app.db.election import Election
from app.db.opening import open_store
from app.db.query_process import MAX_WAITING_QUERIES
from app.deliveries.courier import Courier
from app.edge.keeper import Keeper
from app.editorial.routes import include_lock
from app.editorial.schemas import LockOut
from app.feeds.format_routes import FORMATS_BY_MEDIA_TYPE as FORMATS
from app.feeds.head import JsonLdOut, include_description, write_head, write_json_ld
from app.feeds.schemas import Publication
from app.identity.callers import Callers
from app.identity.readers import Readers
from app.identity.secrets import Vault
from app.importers.ledger import forget_people as forget_imported
from app.live.broadcasting import Live
from app.live.services import LiveServices
from app.mail.invitations import enqueue_invitation
from app.moderation.comments import RulesForComments
from app.moderation.pipeline import ModerationPipeline
from app.net.smtp import MAIL_FOLDER, delete_stored_mails
from app.ops.gauges import StoreMetrics
from app.ops.services import OpenApiDocument, OperationServices
from app.partners.partners import PartnerAccessLog, is_named
from app.people.grants import find_grants_of_owner
from app.people.named_in_settings import find_unknown_names
from app.people.oidc import ProviderClient
from app.people.passwords import Passwords
from app.people.second_factor import SecondFactorRule
from app.people.services import PeopleServices
from app.people.sessions import PeopleSessions
from app.publication.media_uses import AUTHOR_USES, MediaUses
from app.publication.rendition_files import MAX_WAITING, REFUSAL, RenditionMaker
from app.publication.section_tree import find_descendants
from app.publication.site import Site
from app.publication.storage import open_storage
from app.reactions.services import ReactionServices
from app.related.links import include_related
from app.releases.overlays import find_overlay
from app.search.indexing import index_article
from app.search.listing import list_matching as search_articles
from app.search.routes import router as search_router
from app.site.profile import MEDIA_USES as SITE_USES
from app.web.access_log import Metrics
from app.web.admission import Admission, Limits
from app.web.freshness import Freshness
from app.web.offload import Offload
from app.web.paging import ListOut
from app.web.rate_limits import Limiter
from app.worker import Worker

log = get_logger("broadsheet.services")


@dataclass(frozen=True, kw_only=True)
class Services(CommentServices, ReactionServices, LiveServices, OperationServices, PeopleServices):
    """The services that all rooms declare, together: without one of them this cannot be built."""

    access_log: PartnerAccessLog
    picture_processes: QueryProcesses
    pipeline: ModerationPipeline
    worker: Worker
    election: Election
    keeper: Keeper

    async def start(self, *, with_worker: bool) -> None:
        """Start the services in the order of their needs.

        `with_worker` also starts the worker and the courier, in one of the processes on the store for which it is set.
        """
        await self.database.start()
        await self.vault.start(self.database)
        await self.keeper.start()
        self.access_log.start()
        self.live.start()
        await self._report_unknown_names()
        if with_worker:
            await self.election.start()

    async def _report_unknown_names(self) -> None:
        """Log what settings name that does not exist. Without the database it is not known, and the server starts."""
        try:
            unknown = await self.database.read(find_unknown_names, self.settings)
        except Exception as error:
            log.warning("roles and sections in the settings could not be checked", error=type(error).__name__)
            return
        for name in unknown:
            log.warning(name.describe(), setting=name.setting)

    async def stop(self) -> None:
        """Stop the services in the reverse order."""
        await self.keeper.stop()
        await self.live.stop()
        await self.worker.stop()
        await self.courier.stop()
        await self.election.stop()
        await self.pipeline.stop()
        await self.access_log.stop()
        await self.callers.readers.stop()
        for provider in self.providers.values():
            await provider.stop()
        await self.vault.stop()
        await self.query_processes.stop()
        await self.picture_processes.stop()
        await self.database.stop()


def _limits_of(settings: Settings) -> Limits:
    searches = settings.search_processes * MAX_WAITING_QUERIES
    return Limits(
        connections=settings.max_connections,
        connections_per_address=settings.max_connections_per_address,
        requests=settings.max_requests,
        paths={search_router.prefix: searches} if searches else {},
        hosts=tuple(settings.allowed_hosts),
        proxies=tuple(settings.trusted_proxies),
    )


def build_worker(database: Database, settings: Settings) -> Worker:
    """Build the worker, which lets consumers read the event log and runs timers."""
    return Worker(database, wiring.consumers(settings), wiring.timers(settings, index_article))


def build_courier(database: Database, settings: Settings, vault: Vault) -> Courier:
    """Build the courier, which sends mails, webhooks and WebSub messages."""
    return Courier(database, wiring.channels(settings, vault))


def _build_election(database: Database, worker: Worker, courier: Courier) -> Election:
    """Build what starts the background work in one of the processes on a store."""

    def begin() -> None:
        worker.start()
        courier.start()

    return Election("worker", database.take_lock, begin)


def _register_gauges(metrics: Metrics, live: Live, admission: Admission) -> Admission:
    """Register what counts streams and admitted requests; return the latter."""
    metrics.registry.register(admission)
    streams = Gauge("broadsheet_live_streams", "Live streams that are open.", registry=metrics.registry)
    streams.set_function(live.__len__)
    return admission


def _build_callers(settings: Settings, database: Database, vault: Vault) -> Callers:
    sessions = PeopleSessions(database, vault, SecondFactorRule.of(settings))
    return Callers(database, vault, Readers(settings), find_descendants, sessions, find_grants_of_owner)


def build_services(settings: Settings) -> Services:
    """Build all services from the settings. Before `start` nothing runs and no connection is open."""
    database, vault, metrics, pipeline = open_store(settings), Vault(), Metrics(), ModerationPipeline(settings)
    query_processes = QueryProcesses(database, partial(open_store, settings), settings.search_processes)
    picture_processes = QueryProcesses(database, partial(open_store, settings), settings.picture_processes)
    picture_work = Offload(picture_processes, max(1, settings.picture_processes), MAX_WAITING, REFUSAL)
    media = open_storage(settings.media)
    live, freshness = Live(database, settings), Freshness()
    admission = _register_gauges(metrics, live, Admission(_limits_of(settings)))
    describe = partial(include_description, publication=Publication.from_settings(settings))
    worker, courier = build_worker(database, settings), build_courier(database, settings, vault)
    return Services(
        settings=settings,
        database=database,
        query_processes=query_processes,
        offload=Offload(query_processes),
        freshness=freshness,
        limiter=Limiter(settings.rate_limits, settings.redis_url),
        vault=vault,
        callers=_build_callers(settings, database, vault),
        providers={provider.id: ProviderClient(provider, Guard(settings.outgoing_allow)) for provider in settings.oidc},
        passwords=Passwords(),
        send_invitation=enqueue_invitation,
        notice_articles=ArticlesWithNotices(),
        media=media,
        renditions=RenditionMaker(settings.media, media, picture_work),
        picture_processes=picture_processes,
        media_uses=MediaUses((AUTHOR_USES, *select_article_uses(), *SITE_USES)),
        site=Site.from_settings(settings),
        index_article=index_article,
        search_articles=search_articles,
        includes=name_includes(
            related=Include(include_related, RelatedOut),
            comments=Include(include_comments, CommentList),
            anchors=Include(include_anchors, ListOut[PassageOut]),
            lock=Include(include_lock, LockOut),
            head=Include(partial(describe, write=write_head), HeadOut),
            jsonld=Include(partial(describe, write=write_json_ld), JsonLdOut),
        ),
        formats=FORMATS,
        early_access=is_named,
        find_overlay=partial(find_overlay, articles=ArticlesWithNotices(), site=Site.from_settings(settings)),
        access_log=PartnerAccessLog(database),
        pipeline=pipeline,
        moderation=RulesForComments(),
        bans=pipeline,
        live=live,
        metrics=metrics,
        admission=admission,
        courier=courier,
        worker=worker,
        election=_build_election(database, worker, courier),
        store_metrics=StoreMetrics(database, worker.consumers),
        keeper=Keeper(settings, database, freshness, metrics),
        document=OpenApiDocument(),
        forget_imported=forget_imported,
        forget_mails=partial(delete_stored_mails, settings.data_dir / MAIL_FOLDER),
    )
