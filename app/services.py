"""Everything that a process runs on, built in one place for the server, the worker and the commands."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import Gauge

from app import wiring
from app.articles.includes import Include, name_includes
from app.articles.reading import ArticlesWithNotices
from app.articles.schemas import RelatedOut
from app.articles.site import Site
from app.comments.routes import include_comments as comments_beside
from app.comments.schemas import CommentList
from app.comments.services import CommentServices
from app.core.logs import configure_logging
from app.core.settings import Settings
from app.db import Database, QueryProcesses, open_database
from app.deliveries.courier import Courier
from app.feeds.format_routes import FORMATS_BY_MEDIA_TYPE as FORMATS
from app.identity.callers import Callers
from app.identity.readers import Readers
from app.identity.secrets import Vault
from app.importers.ledger import forget_people as forget_imported
from app.live.broadcasting import Live
from app.live.services import LiveServices
from app.moderation.comments import RulesForComments
from app.moderation.pipeline import ModerationPipeline
from app.ops.services import OpenApiDocument, OperationServices
from app.partners.partners import Ledger, is_named
from app.publication.section_tree import find_descendants
from app.publication.storage import open_storage
from app.reactions.services import ReactionServices
from app.related.links import include_related as related_beside
from app.search.finding import list_matching as search_articles
from app.search.indexing import index_article
from app.web.boundary import Metrics
from app.web.freshness import Freshness
from app.web.offload import Offload
from app.web.rate_limits import Limiter
from app.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Services(CommentServices, ReactionServices, LiveServices, OperationServices):
    """What each room declares that it needs, together: a part that is missing fails when this is built."""

    access_log: Ledger
    pipeline: ModerationPipeline
    worker: Worker

    async def start(self, *, with_worker: bool) -> None:
        """Begin from the ground up; `with_worker` also drains the event log and sends what is due."""
        await self.database.start()
        await self.vault.start(self.database)
        self.access_log.start()
        self.live.start()
        if with_worker:
            self.worker.start()
            self.courier.start()

    async def stop(self) -> None:
        """End from the roof down."""
        await self.live.stop()
        await self.worker.stop()
        await self.courier.stop()
        await self.pipeline.stop()
        await self.access_log.stop()
        await self.callers.readers.stop()
        await self.vault.stop()
        await self.query_processes.stop()
        await self.database.stop()


def _open_store(settings: Settings) -> Database:
    """Open the store; called also in the processes beside this one."""
    configure_logging(settings.log_format)
    return open_database(settings.database, settings.read_database_url)


def build_worker(database: Database, settings: Settings) -> Worker:
    """Build what drains the event log and runs the timers."""
    return Worker(database, wiring.readers(settings), wiring.timers(settings, index_article))


def build_courier(database: Database, settings: Settings, vault: Vault) -> Courier:
    """Build what sends mail, webhooks and WebSub messages."""
    return Courier(database, wiring.channels(settings, vault))


def build_services(settings: Settings) -> Services:
    """Build everything from the settings; nothing runs, and no connection is open, before `start`."""
    database, vault, metrics, pipeline = _open_store(settings), Vault(), Metrics(), ModerationPipeline(settings)
    query_processes = QueryProcesses(database, partial(_open_store, settings), settings.search_processes)
    live = Live(database, settings)
    streams = Gauge("broadsheet_live_streams", "Live streams that are open.", registry=metrics.registry)
    streams.set_function(live.__len__)
    return Services(
        settings=settings,
        database=database,
        query_processes=query_processes,
        offload=Offload(query_processes),
        freshness=Freshness(),
        limiter=Limiter(settings.rate_limits, settings.redis_url),
        vault=vault,
        callers=Callers(database, vault, Readers(settings), find_descendants),
        notice_articles=ArticlesWithNotices(),
        media=open_storage(settings.media),
        site=Site.from_settings(settings),
        index_article=index_article,
        search_articles=search_articles,
        includes=name_includes(
            related=Include(related_beside, RelatedOut), comments=Include(comments_beside, CommentList)
        ),
        formats=FORMATS,
        early_access=is_named,
        access_log=Ledger(database),
        pipeline=pipeline,
        moderation=RulesForComments(),
        bans=pipeline,
        live=live,
        metrics=metrics,
        courier=build_courier(database, settings, vault),
        worker=build_worker(database, settings),
        document=OpenApiDocument(),
        forget_imported=forget_imported,
    )
