"""create_app(): the whole house put together."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pydantic_core
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app import wiring
from app.identity.routes import Access, KeyRing
from app.kit import problems
from app.kit.boundary import Boundary, Cors, Metrics
from app.kit.db import open_database
from app.kit.limits import Limiter
from app.kit.logs import configure
from app.kit.openapi import describe
from app.kit.settings import Settings
from app.publication.media.storage import open_storage
from app.worker import Worker


class _StrictRequest(Request):
    """JSON as RFC 8259 has it: no NaN, no lone surrogates, no bottomless nesting."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = pydantic_core.from_json(body, allow_inf_nan=False)
            except ValueError as error:
                raise json.JSONDecodeError("not JSON", "", 0) from error
        return self._json


class StrictRoute(APIRoute):
    """A route that reads JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, given the strict request."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


def _check_scopes(routers: list[APIRouter]) -> None:
    """Deny by default: a route that declares no scope does not start."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise RuntimeError(f"{route} is no API route")
            if not any(isinstance(inner.call, Access) for inner in route.dependant.dependencies):
                raise RuntimeError(f"{route.path} declares no scope")


def create_app(settings: Settings | None = None, *, with_worker: bool = True) -> FastAPI:
    """The ASGI app of one process; `with_worker` also drains the log in it."""
    settings = settings or Settings()
    configure(settings.log_format)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = open_database(settings.database, settings.read_database_url)
        await db.start()
        app.state.db, app.state.keys = db, KeyRing(db)
        worker = Worker(db, settings)
        app.state.worker = worker
        if with_worker:
            worker.start()
        try:
            yield
        finally:
            await worker.stop()
            await db.stop()

    app = FastAPI(
        title="Broadsheet",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=settings.max_body_size,
    )
    app.state.settings, app.state.metrics = settings, metrics
    app.state.limiter = Limiter(settings.rate_limits, settings.redis_url)
    app.state.media = open_storage(settings.media)
    _check_scopes(wiring.ROUTERS)
    for router in wiring.ROUTERS:
        app.include_router(router)
    describe(app)
    problems.install(app)
    app.add_middleware(Cors, origins=settings.frontend_origins)
    app.add_middleware(Boundary, metrics=metrics)
    return app
