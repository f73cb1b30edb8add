"""Routes of operation: health, readiness, metrics, documentation, kinds of problems, purging and personal data."""

import time

import sqlalchemy as sa
from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.articles.projection import WrongState
from app.core.ids import RefPath
from app.core.models import BaseModel
from app.core.problems import FORBIDDEN, NotFound, Problem, Responses, Unavailable, document_problems
from app.db import is_unavailable
from app.db.migrations import list_revisions
from app.feeds.entries import count_cached_entries
from app.identity.access import Admin, ExpectedVersions, Probe, Public, SelfService, ThirdParty
from app.identity.schemas import Actor
from app.identity.writes import write
from app.ops import personal, purging
from app.ops.docs import PAGE, POLICY, SCRIPTS, read_script
from app.ops.gauges import add_attempts, add_caches
from app.ops.personal import Named, Person
from app.ops.schemas import PersonalData, PersonIn, PurgeIn
from app.ops.services import OperationServices
from app.people.grants import LastAdmin
from app.web.fields import dump_json
from app.web.paging import ListOut, PageOut
from app.web.responses import database, reply, settings
from app.web.routing import Router

operation_router = Router(tags=["operation"])


class HealthOut(BaseModel):
    """The health of the server."""

    status: str = Field(description="`ok`.")


class ProblemKindOut(BaseModel):
    """A kind of problem."""

    type: str
    code: str
    status: int
    title: str
    description: str


def _read_revision(connection: sa.Connection) -> str | None:
    """Read the revision of the database; raise DBAPIError if it has none, or no tables."""
    query = sa.text("SELECT version_num, (SELECT 1 FROM event LIMIT 1) FROM alembic_version")
    revision: str | None = connection.execute(query).scalar()
    return revision


_EARLIER_REVISIONS = frozenset(list_revisions()[1:])  # read at the start: an upgrade may add files meanwhile


@operation_router.get("/healthz", summary="Check that the process answers", response_model=HealthOut)
async def check_health(actor: Probe) -> Response:
    """Answer as long as this process runs (liveness)."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@operation_router.get("/readyz", summary="Check that the server can answer requests", response_model=HealthOut)
async def check_readiness(request: Request, actor: Probe) -> Response:
    """Check that the database is reachable and migrated, and that this process is not shutting down.

    Its worker, if it has one, must also keep up.
    """
    services = OperationServices.of(request)
    if services.admission.is_draining:
        raise Unavailable("The server is shutting down.")
    try:
        database(request).ensure_in_place()
        revision = await database(request).read(_read_revision)
    except DBAPIError as error:
        raise Unavailable(
            "The database cannot be reached." if is_unavailable(error) else "The database is not migrated."
        ) from error
    if revision is None or revision in _EARLIER_REVISIONS:  # a later one is that of a release which is being rolled out
        raise Unavailable("The database is behind this release.")
    if services.worker.is_late(time.monotonic()):
        raise Unavailable("The worker is behind.")
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def _document_text(description: str, media_type: str = "text/plain") -> Responses:
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


@operation_router.get(
    "/metrics", summary="Get metrics for Prometheus", responses=_document_text("The metrics."), response_class=Response
)
async def get_metrics(request: Request, actor: Probe) -> Response:
    """Return counters and timings of this process, and the state of the event log and of deliveries, for Prometheus."""
    services, registry = OperationServices.of(request), CollectorRegistry()
    add_attempts(registry, services.courier.done)
    add_caches(
        registry,
        {
            "keys": len(services.callers.keys),
            "guests": services.callers.count_guests(),
            "urls": len(services.freshness),
            "limits": len(services.limiter),
            "feed entries": count_cached_entries(),
        },
    )
    of_store = await services.store_metrics.render()
    metrics = generate_latest(services.metrics.registry) + generate_latest(registry) + of_store
    return Response(metrics, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


@operation_router.get("/openapi.json", summary="Get the OpenAPI document", response_class=JSONResponse)
async def get_open_api(request: Request, actor: ThirdParty) -> Response:
    """Return this API as an OpenAPI 3.1 document."""
    body = OperationServices.of(request).document.render(request.app.openapi)
    return reply(request, body, groups=("openapi",), static=True)


@operation_router.get("/docs", summary="Read the API documentation", response_class=HTMLResponse)
async def get_documentation(request: Request, actor: ThirdParty) -> Response:
    """Return the interactive documentation, which can send requests. It loads nothing from other hosts."""
    response = reply(request, PAGE, groups=("openapi",), media_type="text/html; charset=utf-8", static=True)
    response.headers["Content-Security-Policy"] = POLICY
    return response


@operation_router.get(
    "/docs/{script}",
    summary="Get a script of the API documentation",
    responses=_document_text("The script.", "text/javascript"),
    response_class=Response,
)
async def get_documentation_script(request: Request, script: str, actor: ThirdParty) -> Response:
    """Return a script of the interactive documentation."""
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
"""Paths to start from, by name."""


class ServerOut(BaseModel):
    """A description of this server, with links to start from."""

    name: str = Field(description="Name of the publication.")
    site: str = Field(description="Address of the publication's own site.")
    software: str = Field(description="`Broadsheet`.")
    version: str = Field(description="Version of the API.")
    links: dict[str, str] = Field(description="URI references of this server, by name.")


def _reply_server(request: Request) -> Response:
    config, app = settings(request), request.app
    row = {"name": config.site_name, "site": config.site_url, "software": app.title, "version": app.version}
    return reply(request, dump_json(ServerOut, {**row, "links": LINKS}), groups=("openapi",))


@operation_router.get("/", summary="Describe this server", response_model=ServerOut)
async def get_root(request: Request, actor: ThirdParty) -> Response:
    """Describe this server: the publication, the version of the API, and links to start from."""
    return _reply_server(request)


@operation_router.get("/v1", summary="Describe version 1 of the API", response_model=ServerOut)
async def get_version(request: Request, actor: Public) -> Response:
    """Describe this server, as `/` does."""
    return _reply_server(request)


@operation_router.get(
    "/robots.txt",
    summary="Get the rules for crawlers",
    responses=_document_text("Rules for crawlers."),
    response_class=Response,
)
async def get_robots(request: Request, actor: ThirdParty) -> Response:
    """Return the rules for crawlers (RFC 9309): all that is public, except links from mails, and the sitemaps.

    Search engines read it before they render pages that load articles from this API in the browser.
    """
    api = settings(request).api
    lines = ["User-agent: *", "Disallow: /v1/unsubscribe/", ""]
    lines += [f"Sitemap: {api}/sitemap.xml", f"Sitemap: {api}/sitemap-news.xml", ""]
    return reply(request, "\n".join(lines).encode(), groups=("openapi",), media_type="text/plain; charset=utf-8")


def _describe_problem(kind: type[Problem]) -> ProblemKindOut:
    return ProblemKindOut(
        type=f"/problems/{kind.code}",
        code=kind.code,
        status=kind.status,
        title=kind.title,
        description=(kind.__doc__ or "").strip(),
    )


@operation_router.get("/problems", summary="List the kinds of problems", response_model=ListOut[ProblemKindOut])
async def list_problems(request: Request, actor: ThirdParty) -> Response:
    """List all kinds of problems by code, on one page."""
    kinds = [_describe_problem(kind) for _, kind in sorted(Problem.registry.items())]
    page = PageOut(next=None, limit=len(kinds), total=len(kinds))
    listed = ListOut[ProblemKindOut](data=kinds, page=page)
    return reply(request, listed.model_dump_json().encode(), groups=("problems",))


@operation_router.get("/problems/{code}", summary="Get a kind of problem", response_model=ProblemKindOut)
async def get_problem(request: Request, code: str, actor: ThirdParty) -> Response:
    """Describe a kind of problem, at the URI of its `type` (RFC 9457 §3.1.1)."""
    kind = Problem.registry.get(code)
    if kind is None:
        raise NotFound
    return reply(request, _describe_problem(kind).model_dump_json().encode(), groups=("problems",))


purging_router = Router(prefix="/v1/articles/{article}", tags=["publishing"])


@purging_router.post(
    "/purge", summary="Erase an article for good", status_code=204, responses=document_problems(WrongState)
)
async def purge_article(
    request: Request,
    article: RefPath,
    body: PurgeIn,
    versions: ExpectedVersions,
    actor: Admin,
) -> Response:
    """Erase an article for good, with its revisions, comments, passages, reports, subscriptions and former slugs.

    Unpublish or retract it first: 409 while it is public. Its URLs then answer 404, and followers of `/v1/changes` get
    `delete` with its id. The audit log keeps who did it, when and why. Pictures have to be deleted with
    `DELETE /v1/media/{medium}`. Backups and copies at other places are not erased.
    """
    return await write(request, actor, purging.purge_article, article, body, versions, status=204)


personal_router = Router(prefix="/v1", tags=["privacy"])


@personal_router.get("/me/data", summary="Get one's own data", response_model=PersonalData, responses=FORBIDDEN)
async def get_own_data(request: Request, actor: SelfService) -> Response:
    """Return everything that is stored about the caller, up to 10,000 entries of each kind.

    With a guest token: what was done with that token, since the e-mail address entered with it proves nothing. With a
    JWT of the publication's site: what that reader did. If the JWT has `email_verified`, or with the manage token of
    subscriptions: also what was done by others who confirmed that address, and all comments and reports with it.
    """
    data = await database(request).scan(personal.export_own_data, actor)
    return reply(request, dump_json(PersonalData, data), groups=(), private=True)


@personal_router.delete("/me/data", summary="Erase one's own data", status_code=204, responses=FORBIDDEN)
async def erase_own_data(request: Request, actor: Public) -> Response:
    """Erase the caller's data for good: texts, names, addresses, votes, reactions, reports and appeals; the token ends.

    Comments with replies become empty tombstones. Decisions of moderators stay in their log without texts. Bans of
    network addresses and of hashed e-mail addresses stay, as do hashes of addresses that want no mail.
    """
    services, emails = OperationServices.of(request), list[str | None]()

    def erase(session: Session, caller: Actor) -> None:
        emails.append(personal.erase_own_data(session, caller, services.forget_imported))

    response = await write(request, actor, erase, status=204)
    services.callers.forget_guest(actor.id)
    for email in filter(None, emails):
        await services.forget_mails(email)
    return response


def _name(request: Request, body: PersonIn) -> Named:
    """Return whom a request names, with a pseudonym for the audit log: a hash with the server's secret."""
    known = f"person:{body.person_id}" if body.email is None else f"email:{body.email}"
    return Named(body.email, body.person_id, OperationServices.of(request).vault.public_id(known))


@personal_router.post("/persons/export", summary="Export a person's data", response_model=PersonalData)
async def export_person(request: Request, body: PersonIn, actor: Admin) -> Response:
    """Export everything that is stored about an e-mail address, to answer a person's request.

    It is what `GET /v1/me/data` returns to somebody who has confirmed the address, and for somebody of the staff the
    account and what they did. Make sure first that it belongs to the person. The address is in the body because URLs
    are logged on their way; the audit log has a pseudonym of it.
    """
    named = _name(request, body)
    await database(request).write(lambda session: personal.record_export(session, actor, named))
    data = await database(request).scan(personal.export_data_of, named)
    return reply(request, dump_json(PersonalData, data), groups=(), private=True)


@personal_router.post(
    "/persons/erase", summary="Erase a person's data", status_code=204, responses=document_problems(LastAdmin)
)
async def erase_person(request: Request, body: PersonIn, actor: Admin) -> Response:
    """Erase everything that is stored about an e-mail address, to answer a person's request.

    It does what `DELETE /v1/me/data` does for somebody who has confirmed the address: comments with replies become
    tombstones, bans and suppressions stay as hashes. 204 also if nothing was stored.

    The account of somebody of the staff is deleted. Their texts, notes and decisions stay under their id, without the
    name. 409 for the only administrator.
    """
    services, named, erased = OperationServices.of(request), _name(request, body), list[Person]()

    def erase(session: Session, caller: Actor) -> None:
        erased.append(personal.erase_person(session, caller, services.forget_imported, named))

    response = await write(request, actor, erase, status=204)
    for person in erased:
        for participant_id in person.ids:
            services.callers.forget_guest(participant_id)
        if person.email is not None:
            await services.forget_mails(person.email)
    return response
