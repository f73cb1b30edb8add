"""The application factory."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app import wiring
from app.core.memory import share_arena
from app.core.settings import Settings
from app.edge.layer import Layer
from app.edge.requests import KeyReader, PublicCallers
from app.identity.access import Access
from app.openapi.document import describe
from app.services import Services, build_services
from app.web.access_log import AccessLog
from app.web.admission import Admission
from app.web.boundary import Boundary, Cors
from app.web.dispatch import Dispatcher
from app.web.responses import JSON_TYPE
from app.web.routing import LazyRoute, separate_paths


def _add_routes(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of a room one by one: matching a router before its routes would take twice as long.

    Deny by default: raise RuntimeError for a route that declares no scope.
    """
    for route in router.routes:
        if not isinstance(route, LazyRoute):
            raise RuntimeError(f"{route} is not of a Router")
        if not any(isinstance(dependency, Access) for dependency in route.dependency_calls):
            raise RuntimeError(f"{route.path} declares no scope")
        app.router.routes.append(route)


@asynccontextmanager
async def _lifespan(app: "Application", services: Services, with_worker: bool) -> AsyncIterator[None]:
    """Run the services while the app runs."""
    await services.start(with_worker=with_worker)
    gc.freeze()  # the objects of the app live as long as it does: the collector need not examine them
    gc.set_threshold(10_000, 20, 50)  # requests leave few cycles: collecting less often saves 5 % of a write's time
    try:
        yield
    finally:
        await services.stop()
        app.front.access_log.flush()


class Application(FastAPI):
    """The app: requests pass the layer that keeps answers, the boundary and CORS to the handlers of the routes.

    FastAPI itself keeps the routes with their documentation, and runs the lifespan.
    """

    front: Layer
    admission: Admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.front if scope["type"] == "http" else super().__call__)(scope, receive, send)

    def answer_at_once(self, scope: Scope, send: Send) -> bool:
        """Send a kept answer if that takes no waiting; False, with nothing sent, otherwise."""
        return self.front.answer_at_once(scope, send)

    def dispatch(self, services: Services) -> None:
        """Build the layers that requests pass."""
        settings, self.admission = services.settings, services.admission
        access_log = AccessLog(services.metrics, settings.log_format)
        inner: ASGIApp = Cors(Dispatcher(self), settings.frontend_origins)
        if settings.traces:
            from app.web.tracing import Traces  # here, as OpenTelemetry is an extra

            inner = Traces(inner)
        boundary = Boundary(inner, access_log, settings.max_body_size)
        keys = KeyReader((JSON_TYPE, *services.formats), settings.frontend_origins)
        callers = PublicCallers(services.callers.keys)
        self.front = Layer(boundary, services.keeper, keys, callers, services.limiter, access_log)


def create_app(settings: Settings | None = None, *, with_worker: bool = True) -> FastAPI:
    """Create the ASGI app of one process; `with_worker` also runs the worker and the courier in it."""
    share_arena()
    settings = settings or Settings()
    services = build_services(settings)
    app = Application(
        title="Broadsheet",
        version="1",
        lifespan=partial(_lifespan, services=services, with_worker=with_worker),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services  # read by WebServices.of alone
    for router in wiring.ROUTERS:
        _add_routes(app, router)
    separate_paths(app.router.routes)
    describe(app)
    app.dispatch(services)
    return app
