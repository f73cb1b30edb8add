"""Health, readiness, metrics, the OpenAPI document with its page, and the problems that answers name."""

import json
import time
from typing import Any, cast

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.identity.routes import Probe, Public, World
from app.kit.db import is_unavailable
from app.kit.http import database, dump, reply, settings
from app.kit.paging import ListOut
from app.kit.problems import NotFound, Problem, Unavailable, documented
from app.operation.docs import PAGE, POLICY, SCRIPTS, read_script
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


@router.get(
    "/healthz",
    operation_id="checkHealth",
    summary="Check that the process answers",
    response_model=HealthOut,
    responses=documented(),
)
async def healthz(actor: Probe) -> Response:
    """Liveness: this process answers."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@router.get(
    "/readyz",
    operation_id="checkReadiness",
    summary="Check that the server can answer requests",
    response_model=HealthOut,
    responses=documented(),
)
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


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get metrics for Prometheus",
    responses=_PROMETHEUS | documented(),
    response_class=Response,
)
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


def _document(app: FastAPI) -> bytes:
    """The OpenAPI document, written once."""
    if not hasattr(app.state, "document"):
        app.state.document = json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
    return cast(bytes, app.state.document)


@router.get(
    "/openapi.json",
    operation_id="getOpenApi",
    summary="Get the OpenAPI document",
    responses=documented(),
    response_class=JSONResponse,
)
async def openapi(request: Request, actor: World) -> Response:
    """This API as an OpenAPI 3.1 document."""
    return reply(request, _document(request.app), groups=("openapi",), fixed=True)


@router.get(
    "/docs",
    operation_id="getDocumentation",
    summary="Read the API documentation",
    responses=documented(),
    response_class=HTMLResponse,
)
async def docs(request: Request, actor: World) -> Response:
    """The interactive documentation, from which requests can be sent. It loads nothing from other hosts."""
    answer = reply(request, PAGE, groups=("openapi",), media_type="text/html; charset=utf-8", fixed=True)
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


_SCRIPT: Any = {200: {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}}}


@router.get(
    "/docs/{script}",
    operation_id="getDocumentationScript",
    summary="Get a script of the API documentation",
    responses=_SCRIPT | documented(NotFound),
    response_class=Response,
)
async def show_docs_script(request: Request, script: str, actor: World) -> Response:
    """A script of the interactive documentation."""
    if script not in SCRIPTS:
        raise NotFound
    media_type = "text/javascript; charset=utf-8"
    return reply(request, read_script(script), groups=("openapi",), media_type=media_type, fixed=True)


LINKS = {
    "openapi": "/openapi.json",
    "docs": "/docs",
    "problems": "/problems",
    "articles": "/v1/articles",
    "search": "/v1/search?q={q}",
    "rss": "/feeds/site.rss",
    "atom": "/feeds/site.atom",
    "json_feed": "/feeds/site.json",
    "changes": "/v1/changes",
    "sitemap": "/sitemap.xml",
    "health": "/healthz",
}
"""Where to begin, by name."""


class DoorOut(BaseModel):
    """What this server is, and where to begin."""

    name: str = Field(description="Name of the publication.")
    site: str = Field(description="Address of the publication's own site.")
    software: str = Field(description="`Broadsheet`.")
    version: str = Field(description="Version of the API.")
    links: dict[str, str] = Field(description="Addresses on this server by what they are, as URI references.")


def _door(request: Request) -> Response:
    known = settings(request)
    row = {"name": known.site_name, "site": known.site_url, "software": request.app.title}
    return reply(request, dump(DoorOut, {**row, "version": request.app.version, "links": LINKS}), groups=("openapi",))


@router.get("/", operation_id="getRoot", summary="Describe this server", response_model=DoorOut, responses=documented())
async def show_root(request: Request, actor: World) -> Response:
    """What this server is: the publication, the version of the API, and where to begin."""
    return _door(request)


@router.get(
    "/v1",
    operation_id="getVersion",
    summary="Describe version 1 of the API",
    response_model=DoorOut,
    responses=documented(),
)
async def show_version(request: Request, actor: Public) -> Response:
    """The same as at `/`."""
    return _door(request)


_TEXT: Any = {200: {"description": "Rules for crawlers.", "content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get(
    "/robots.txt",
    operation_id="getRobots",
    summary="Get the rules for crawlers",
    responses=_TEXT | documented(),
    response_class=Response,
)
async def show_robots(request: Request, actor: World) -> Response:
    """What crawlers may read here (RFC 9309): all that is public but the links from mails, and where the sitemaps are.

    Sites that load articles in the browser need it so: search engines read this file before they let a page do that.
    """
    api = settings(request).api
    lines = ["User-agent: *", "Disallow: /v1/unsubscribe/", ""]
    lines += [f"Sitemap: {api}/sitemap.xml", f"Sitemap: {api}/sitemap-news.xml", ""]
    return reply(request, "\n".join(lines).encode(), groups=("openapi",), media_type="text/plain; charset=utf-8")


def _describe(kind: type[Problem]) -> dict[str, Any]:
    about = (kind.__doc__ or "").strip()
    return {
        "type": f"/problems/{kind.code}",
        "code": kind.code,
        "status": kind.status,
        "title": kind.title,
        "description": about,
    }


@router.get(
    "/problems",
    operation_id="listProblems",
    summary="List the kinds of problems",
    response_model=ListOut[ProblemKindOut],
    responses=documented(),
)
async def list_problems(request: Request, actor: World) -> Response:
    """Every kind of problem that an answer can name, by code, on one page."""
    rows = [_describe(kind) for _, kind in sorted(Problem.registry.items())]
    found = {"data": rows, "page": {"next": None, "limit": len(rows), "total": len(rows)}}
    return reply(request, dump(ListOut[ProblemKindOut], found), groups=("problems",))


@router.get(
    "/problems/{code}",
    operation_id="getProblem",
    summary="Get a kind of problem",
    response_model=ProblemKindOut,
    responses=documented(NotFound),
)
async def problem(request: Request, code: str, actor: World) -> Response:
    """What an error's `type` points to (RFC 9457 §3.1.1)."""
    kind = Problem.registry.get(code)
    if kind is None:
        raise NotFound
    return reply(request, ProblemKindOut(**_describe(kind)).model_dump_json().encode(), groups=("problems",))
