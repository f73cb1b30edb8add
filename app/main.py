"""create_app(): the whole house put together."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app import wiring
from app.core.logs import configure
from app.core.settings import Settings
from app.db import Aside, Database, open_database
from app.deliveries.courier import Courier
from app.identity.access import Access
from app.identity.callers import Callers
from app.identity.readers import Readers
from app.identity.secrets import Vault
from app.openapi.document import describe
from app.partners.partners import Ledger
from app.publication.section_tree import find_descendants
from app.publication.storage import open_storage
from app.web import problem_responses
from app.web.boundary import Boundary, Cors, LastResort, Metrics
from app.web.freshness import Freshness
from app.web.offload import Offload
from app.web.rate_limits import Limiter
from app.web.routing import keep_apart, prepare
from app.worker import Worker


def _open(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of a room, one by one: to match a router and then its routes again takes twice as long.

    Deny by default: a route that declares no scope does not start.
    """
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise RuntimeError(f"{route} is no API route")
        if not any(isinstance(inner.call, Access) for inner in route.dependant.dependencies):
            raise RuntimeError(f"{route.path} declares no scope")
        prepare(route)
        app.router.routes.append(route)


def _store(settings: Settings) -> Database:
    """The store; called also in the processes beside this one."""
    configure(settings.log_format)
    return open_database(settings.database, settings.read_database_url)


@asynccontextmanager
async def _running(app: FastAPI, settings: Settings, metrics: Metrics, with_worker: bool) -> AsyncIterator[None]:
    """What is open for as long as the app runs: begun from the ground up, ended from the roof down."""
    db = _store(settings)
    await db.start()
    aside = app.state.aside = Aside(db, partial(_store, settings), settings.search_processes)
    app.state.offload = Offload(aside)
    vault = Vault()
    await vault.start(db)
    app.state.db, app.state.vault, app.state.callers = (
        db,
        vault,
        Callers(db, vault, Readers(settings), find_descendants),
    )
    screen, ledger = wiring.screen(db, settings), Ledger(db)
    ledger.start()
    app.state.screen, app.state.ledger = screen, ledger
    app.state.live = wiring.live(db, settings, metrics.registry)
    worker = Worker(db, settings)
    app.state.worker = worker
    courier = Courier(db, wiring.channels(db, settings, vault))
    app.state.courier = courier
    if with_worker:
        worker.start()
        courier.start()
    gc.freeze()  # what stands now stays: the collector need not look at it again
    gc.set_threshold(10_000, 20, 50)  # nor so often at requests, which leave few cycles: a twentieth of a write's time
    try:
        yield
    finally:
        await app.state.live.stop()
        await worker.stop()
        await courier.stop()
        await screen.stop()
        await ledger.stop()
        await app.state.callers.readers.stop()
        await vault.stop()
        await aside.stop()
        await db.stop()


def create_app(settings: Settings | None = None, *, with_worker: bool = True) -> FastAPI:
    """The ASGI app of one process; `with_worker` also drains the log in it."""
    settings = settings or Settings()
    configure(settings.log_format)
    metrics = Metrics()

    app = FastAPI(
        title="Broadsheet",
        version="1",
        lifespan=partial(_running, settings=settings, metrics=metrics, with_worker=with_worker),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.settings, app.state.metrics = settings, metrics
    app.state.freshness = Freshness()
    app.state.limiter = Limiter(settings.rate_limits, settings.redis_url)
    app.state.media = open_storage(settings.media)
    for router in wiring.ROUTERS:
        _open(app, router)
    keep_apart(app.router.routes)
    describe(app)
    problem_responses.install(app)
    app.add_middleware(LastResort)
    app.add_middleware(Cors, origins=settings.frontend_origins)
    app.add_middleware(Boundary, metrics=metrics, max_body_size=settings.max_body_size)
    return app
