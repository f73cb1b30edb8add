"""Health, readiness, metrics, the OpenAPI document with its page, and the problems that answers name."""

import time
from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.identity.routes import Probe, World
from app.kit.db import is_unavailable
from app.kit.http import database, reply
from app.kit.problems import NotFound, Problem, Unavailable, documented
from app.operation.docs import page
from app.operation.gauges.queries import count, measure

router = APIRouter(tags=["operation"])
log = structlog.get_logger("broadsheet.operation")


class HealthOut(BaseModel):
    """How the server is."""

    status: str = Field(description="`ok`.")


class ProblemKindOut(BaseModel):
    """One kind of problem."""

    type: str
    code: str
    status: int
    title: str
    description: str


def _ping(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT 1 FROM event LIMIT 1"))


@router.get("/healthz", response_model=HealthOut, responses=documented())
async def healthz(actor: Probe) -> Response:
    """Liveness: this process answers."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@router.get("/readyz", response_model=HealthOut, responses=documented())
async def readyz(request: Request, actor: Probe) -> Response:
    """Readiness: the store answers, its tables are there, and the worker of this process, if any, is at work."""
    try:
        await database(request).read(_ping)
    except DBAPIError as error:
        raise Unavailable(
            "The store cannot be reached." if is_unavailable(error) else "The store is not migrated."
        ) from error
    worker = request.app.state.worker
    if worker.is_late(time.monotonic()):
        raise Unavailable("The worker is behind.")
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


_PROMETHEUS: Any = {200: {"description": "The metrics.", "content": {"text/plain": {}}}}


@router.get("/metrics", responses=_PROMETHEUS | documented(), response_class=Response)
async def metrics(request: Request, actor: Probe) -> Response:
    """Counters and timings of this process, and how the log and deliveries stand, in the Prometheus text format."""
    state, registry = request.app.state, CollectorRegistry()
    count(registry, state.courier.done)
    up = Gauge("broadsheet_store_up", "Whether the store could be asked.", registry=registry)
    try:
        await database(request).scan(measure, registry, list(state.worker.readers))
        up.set(1)
    except DBAPIError as error:
        log.warning("the store could not be asked for metrics", error=type(error.orig).__name__)
    found = generate_latest(state.metrics.registry) + generate_latest(registry)
    return Response(found, media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", responses=documented(), response_class=JSONResponse)
async def openapi(request: Request, actor: World) -> Response:
    """This API as an OpenAPI 3.1 document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", responses=documented(), response_class=HTMLResponse)
async def docs(request: Request, actor: World) -> Response:
    """The same for people: one page that loads nothing from other hosts."""
    safe = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
    return HTMLResponse(page(request.app.openapi()), headers=safe)


def _describe(kind: type[Problem]) -> dict[str, Any]:
    about = (kind.__doc__ or "").strip()
    return {
        "type": f"/problems/{kind.code}",
        "code": kind.code,
        "status": kind.status,
        "title": kind.title,
        "description": about,
    }


@router.get("/problems/{code}", response_model=ProblemKindOut, responses=documented(NotFound))
async def problem(request: Request, code: str, actor: World) -> Response:
    """What an error's `type` points to (RFC 9457 §3.1.1)."""
    kind = Problem.registry.get(code)
    if kind is None:
        raise NotFound
    return reply(request, ProblemKindOut(**_describe(kind)).model_dump_json().encode(), groups=("problems",))
