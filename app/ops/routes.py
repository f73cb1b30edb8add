"""Health, readiness, metrics, the OpenAPI document with its page, and the problems that answers name."""

import time
from typing import Annotated, Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.articles.projection import WrongState
from app.core.ids import RefPath
from app.core.problems import Forbidden, Invalid, NotFound, Problem, Unauthorized, Unavailable, document_problems
from app.db import is_unavailable
from app.identity.access import (
    VERSION_PROBLEMS,
    ExpectedVersions,
    Probe,
    Public,
    SelfService,
    ThirdParty,
    require_scope,
)
from app.identity.schemas import Actor
from app.identity.writes import write
from app.ops import personal, purging
from app.ops.docs import PAGE, POLICY, SCRIPTS, read_script
from app.ops.gauges import count, measure
from app.ops.schemas import Data, PersonalData, PersonIn, PurgeIn
from app.ops.services import OperationServices
from app.web.paging import ListOut
from app.web.responses import database, dump_json, reply, settings

operation_router = APIRouter(tags=["operation"])
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


@operation_router.get(
    "/healthz",
    operation_id="checkHealth",
    summary="Check that the process answers",
    response_model=HealthOut,
    responses=document_problems(),
)
async def check_health(actor: Probe) -> Response:
    """Liveness: this process answers."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@operation_router.get(
    "/readyz",
    operation_id="checkReadiness",
    summary="Check that the server can answer requests",
    response_model=HealthOut,
    responses=document_problems(),
)
async def check_readiness(request: Request, actor: Probe) -> Response:
    """Readiness: the store answers, its tables are there, and the worker of this process, if any, is at work."""
    try:
        await database(request).read(_ping)
    except DBAPIError as error:
        raise Unavailable(
            "The store cannot be reached." if is_unavailable(error) else "The store is not migrated."
        ) from error
    if OperationServices.of(request).worker.is_late(time.monotonic()):
        raise Unavailable("The worker is behind.")
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


_PROMETHEUS: Any = {200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}


@operation_router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get metrics for Prometheus",
    responses=_PROMETHEUS | document_problems(),
    response_class=Response,
)
async def get_metrics(request: Request, actor: Probe) -> Response:
    """Counters and timings of this process, and how the log and deliveries stand, in the Prometheus text format."""
    services, registry = OperationServices.of(request), CollectorRegistry()
    count(registry, services.courier.done)
    up = Gauge("broadsheet_store_up", "Whether the store could be asked.", registry=registry)
    try:
        await database(request).scan(measure, registry, list(services.worker.consumers))
        up.set(1)
    except DBAPIError as error:
        log.warning("the store could not be asked for metrics", error=type(error.orig).__name__)
    found = generate_latest(services.metrics.registry) + generate_latest(registry)
    return Response(found, media_type=CONTENT_TYPE_LATEST)


@operation_router.get(
    "/openapi.json",
    operation_id="getOpenApi",
    summary="Get the OpenAPI document",
    responses=document_problems(),
    response_class=JSONResponse,
)
async def get_open_api(request: Request, actor: ThirdParty) -> Response:
    """This API as an OpenAPI 3.1 document."""
    body = OperationServices.of(request).document.render(request.app.openapi)
    return reply(request, body, groups=("openapi",), static=True)


@operation_router.get(
    "/docs",
    operation_id="getDocumentation",
    summary="Read the API documentation",
    responses=document_problems(),
    response_class=HTMLResponse,
)
async def get_documentation(request: Request, actor: ThirdParty) -> Response:
    """The interactive documentation, from which requests can be sent. It loads nothing from other hosts."""
    answer = reply(request, PAGE, groups=("openapi",), media_type="text/html; charset=utf-8", static=True)
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


_SCRIPT: Any = {200: {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}}}


@operation_router.get(
    "/docs/{script}",
    operation_id="getDocumentationScript",
    summary="Get a script of the API documentation",
    responses=_SCRIPT | document_problems(NotFound),
    response_class=Response,
)
async def get_documentation_script(request: Request, script: str, actor: ThirdParty) -> Response:
    """A script of the interactive documentation."""
    if script not in SCRIPTS:
        raise NotFound
    media_type = "text/javascript; charset=utf-8"
    return reply(request, read_script(script), groups=("openapi",), media_type=media_type, static=True)


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
    return reply(
        request, dump_json(DoorOut, {**row, "version": request.app.version, "links": LINKS}), groups=("openapi",)
    )


@operation_router.get(
    "/", operation_id="getRoot", summary="Describe this server", response_model=DoorOut, responses=document_problems()
)
async def get_root(request: Request, actor: ThirdParty) -> Response:
    """What this server is: the publication, the version of the API, and where to begin."""
    return _door(request)


@operation_router.get(
    "/v1",
    operation_id="getVersion",
    summary="Describe version 1 of the API",
    response_model=DoorOut,
    responses=document_problems(),
)
async def get_version(request: Request, actor: Public) -> Response:
    """The same as at `/`."""
    return _door(request)


_TEXT: Any = {200: {"description": "Rules for crawlers.", "content": {"text/plain": {"schema": {"type": "string"}}}}}


@operation_router.get(
    "/robots.txt",
    operation_id="getRobots",
    summary="Get the rules for crawlers",
    responses=_TEXT | document_problems(),
    response_class=Response,
)
async def get_robots(request: Request, actor: ThirdParty) -> Response:
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


@operation_router.get(
    "/problems",
    operation_id="listProblems",
    summary="List the kinds of problems",
    response_model=ListOut[ProblemKindOut],
    responses=document_problems(),
)
async def list_problems(request: Request, actor: ThirdParty) -> Response:
    """Every kind of problem that an answer can name, by code, on one page."""
    rows = [_describe(kind) for _, kind in sorted(Problem.registry.items())]
    found = {"data": rows, "page": {"next": None, "limit": len(rows), "total": len(rows)}}
    return reply(request, dump_json(ListOut[ProblemKindOut], found), groups=("problems",))


@operation_router.get(
    "/problems/{code}",
    operation_id="getProblem",
    summary="Get a kind of problem",
    response_model=ProblemKindOut,
    responses=document_problems(NotFound),
)
async def get_problem(request: Request, code: str, actor: ThirdParty) -> Response:
    """What an error's `type` points to (RFC 9457 §3.1.1)."""
    kind = Problem.registry.get(code)
    if kind is None:
        raise NotFound
    return reply(request, ProblemKindOut(**_describe(kind)).model_dump_json().encode(), groups=("problems",))


purging_router = APIRouter(prefix="/v1/articles/{article}", tags=["publishing"])


@purging_router.post(
    "/purge",
    operation_id="purgeArticle",
    summary="Erase an article for good",
    status_code=204,
    responses=document_problems(*VERSION_PROBLEMS, WrongState, Invalid),
)
async def purge_article(
    request: Request,
    article: RefPath,
    body: PurgeIn,
    versions: ExpectedVersions,
    actor: Annotated[Actor, require_scope("admin")],
) -> Response:
    """Erase an article for good, with its revisions, comments, passages, reports, subscriptions and former addresses.

    Unpublish or retract it first: 409 while readers see it. From then on its addresses answer 404, and followers of
    `/v1/changes` get `delete` with its id. The audit log keeps who did it, when and why. Pictures are deleted by
    `DELETE /v1/media/{medium}`; backups and copies that others took are not reached.
    """
    return await write(request, actor, purging.purge_article, article, body, versions, status=204)


personal_router = APIRouter(prefix="/v1", tags=["privacy"])
Officer = Annotated[Actor, require_scope("admin")]


@personal_router.get(
    "/me/data",
    operation_id="getOwnData",
    summary="Get one's own data",
    response_model=PersonalData,
    responses=document_problems(Unauthorized, Forbidden),
)
async def get_own_data(request: Request, actor: SelfService) -> Response:
    """Everything that is stored about the caller.

    With a guest token: what was done with that token; the e-mail that was typed with it proves nothing. With a JWT of
    the publication's site that says `email_verified`, or with the manage token of subscriptions: also all to whom that
    e-mail was proven, and every comment and report that bears it. Of a JWT without it: what that reader did. At most
    10,000 entries of each kind.
    """
    found = await database(request).scan(personal.everything, actor)
    return reply(request, dump_json(PersonalData, found), groups=(), private=True)


@personal_router.delete(
    "/me/data",
    operation_id="eraseOwnData",
    summary="Erase one's own data",
    status_code=204,
    responses=document_problems(Unauthorized, Forbidden),
)
async def erase_own_data(request: Request, actor: Public) -> Response:
    """Erase all of it for good: texts, names, e-mails, votes, reactions, reports and appeals; the token ends.

    Comments that were answered keep their place as tombstones that hold nothing. What moderators decided stays in
    their log without words, and a ban stays where it needs no name: on a network address, or as the hash of an e-mail.
    That an address wants no mail stays as well, as a hash.
    """
    services = OperationServices.of(request)
    answer = await write(request, actor, personal.erase_me, services.forget_imported, status=204)
    services.callers.forget_guest(actor.id)
    return answer


def _name_of(request: Request, email: str) -> str:
    """What stands for an address in the audit log: the same each time, and no way back without the server's secret."""
    return OperationServices.of(request).vault.public_id(f"email:{email}")


@personal_router.post(
    "/persons/export",
    operation_id="exportPerson",
    summary="Export a person's data",
    response_model=PersonalData,
    responses=document_problems(Unauthorized, Forbidden, Invalid),
)
async def export_person(request: Request, body: PersonIn, actor: Officer) -> Response:
    """Everything that is stored about an e-mail address, for who answers the requests of persons.

    The same as `GET /v1/me/data` gives to who has proven the address. Make sure first that it is theirs. The address
    stands in the body, as addresses of requests are logged on their way; the audit log has a pseudonym of it.
    """
    await database(request).write(lambda session: personal.note_export(session, actor, _name_of(request, body.email)))

    def find(connection: sa.Connection) -> Data:
        return personal.export_person(connection, personal.person_with(connection, body.email))

    whole = await database(request).scan(find)
    return reply(request, dump_json(PersonalData, whole), groups=(), private=True)


@personal_router.post(
    "/persons/erase",
    operation_id="erasePerson",
    summary="Erase a person's data",
    status_code=204,
    responses=document_problems(Unauthorized, Forbidden, Invalid),
)
async def erase_person(request: Request, body: PersonIn, actor: Officer) -> Response:
    """Erase all that is stored about an e-mail address, for who answers the requests of persons.

    The same as `DELETE /v1/me/data` by who has proven the address: comments that were answered become tombstones, bans
    and the wish for no mail stay as hashes. 204 also where nothing was stored.
    """
    forget_imported, erased = OperationServices.of(request).forget_imported, list[str]()

    def erase(session: Session, caller: Actor) -> None:
        name = _name_of(request, body.email)
        erased.extend(personal.erase_person(session, caller, forget_imported, body.email, name))

    answer = await write(request, actor, erase, status=204)
    for participant_id in erased:
        OperationServices.of(request).callers.forget_guest(participant_id)
    return answer
