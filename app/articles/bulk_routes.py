"""Routes that change many articles: bulk operations, and merges of terms."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from app.articles import merging
from app.articles.bulk import run_operation
from app.articles.bulk_schemas import AnyBulkOp, ArticleBulkIn, ArticleBulkOut, BulkPatch
from app.articles.editing import PreparedBody
from app.articles.editorial_routes import send_with_body
from app.articles.editorial_schemas import MergeIn, MergeOut
from app.articles.services import ArticleServices
from app.core.ids import IdPath
from app.core.problems import NotFound, Problem, document_problems
from app.db.rows import JsonObject
from app.events.log import find_last_position
from app.identity.access import POLICY_BY_KIND, ExpectedVersions, Publisher, enforce_limit, require_scope
from app.identity.idempotency import IdempotencyKeyReused
from app.identity.schemas import Actor
from app.identity.writes import write, write_part
from app.publication.merges import MergeRunning
from app.publication.terms import find_merge
from app.web.fields import dump_json
from app.web.problem_responses import problem_from_exception
from app.web.responses import PRIVATE_CACHE_CONTROL, database, reply_private
from app.web.routing import ReadParameters, RouteOptions, Router

bulk_router = Router(prefix="/v1/articles", tags=["editing"])
BulkEditor = Annotated[Actor, require_scope("content:write", "content:approve")]
RESULT_MEMBERS = ("code", "detail", "errors", "retry_after", "id", "version", "etag")


@bulk_router.post(
    "/bulk",
    summary="Change many articles",
    response_model=ArticleBulkOut,
    responses=document_problems(IdempotencyKeyReused),
)
async def change_articles(request: Request, body: ArticleBulkIn, actor: BulkEditor) -> Response:
    """Run up to 100 operations on articles in order, and return a result for each.

    Each operation is checked for scope, section and version like its single route, and succeeds or fails on its own: a
    refused operation changes nothing and does not stop the others. Each counts as one request against the rate limits.
    When a request is repeated with its `Idempotency-Key`, only operations that were not carried out are run.
    """
    results, headers = [], {"Cache-Control": PRIVATE_CACHE_CONTROL}
    for number, op in enumerate(body.operations):
        try:
            if number:
                await enforce_limit(request, POLICY_BY_KIND[actor.kind], actor)
            result, position = await _run_operation(request, actor, number, op)
            headers["Broadsheet-Position"] = position
        except IdempotencyKeyReused:
            raise
        except (Problem, DBAPIError) as error:
            result = {"op": op.op, **_present_refusal(problem_from_exception(error))}
        results.append({**dict.fromkeys(RESULT_MEMBERS), **result})
    if "Broadsheet-Position" not in headers:  # nothing was changed
        headers["Broadsheet-Position"] = str(await database(request).read(find_last_position))
    return Response(dump_json(ArticleBulkOut, {"data": results}), 200, headers, "application/json")


async def _run_operation(request: Request, actor: Actor, number: int, op: AnyBulkOp) -> tuple[JsonObject, str]:
    async def send(prepared: PreparedBody | None) -> tuple[JsonObject, str]:
        index_article = ArticleServices.of(request).index_article
        return await write_part(request, actor, number, run_operation, index_article, op, prepared)

    return await send_with_body(request, op.article, op.body, send) if isinstance(op, BulkPatch) else await send(None)


def _present_refusal(problem: Problem) -> JsonObject:
    headers = problem.headers or {}
    wait = headers.get("Retry-After")
    return {
        "status": problem.status,
        "version": problem.members.get("current_version"),
        "etag": headers.get("ETag"),
        "code": problem.code,
        "detail": problem.detail,
        "errors": [{"pointer": None, "parameter": None, **error} for error in problem.errors] or None,
        "retry_after": int(wait) if wait else None,
    }


merging_router = Router(prefix="/v1", tags=["merging"])
TERM_MERGE: RouteOptions = {
    "status_code": 202,
    "response_model": MergeOut,
    "responses": document_problems(MergeRunning),
}


def _get_merge(connection: sa.Connection, merge_id: str) -> JsonObject:
    row = find_merge(connection, merge_id)
    if row is None:
        raise NotFound
    return {**row, "source": {"id": row["source_id"], "slug": row["source_slug"]}, "into": row["target_id"]}


async def _merge_terms(
    request: Request, actor: Actor, kind: str, ref: str, body: MergeIn, versions: ExpectedVersions
) -> Response:
    args = (ArticleServices.of(request).index_article, kind, ref, body.into, versions)
    location = "/v1/merges/{id}"
    return await write(
        request, actor, merging.merge_terms, *args, render=_get_merge, model=MergeOut, status=202, location=location
    )


@merging_router.post("/tags/{tag}/merge", summary="Merge a tag into another", **TERM_MERGE)
async def merge_tag(
    request: Request, tag: str, body: MergeIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Merge a tag into another one; `into: null` removes it from its articles.

    Merges of many articles continue after the response; `GET /v1/merges/{id}` returns the progress. Each article has
    exactly one of the two tags at any time. When the merge is done, the tag is deleted, its slug redirects to the
    target, and old revisions show the target.
    """
    return await _merge_terms(request, actor, "tag", tag, body, versions)


@merging_router.post("/authors/{author}/merge", summary="Merge an author into another", **TERM_MERGE)
async def merge_author(
    request: Request, author: str, body: MergeIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Merge an author into another one, like `POST …/tags/{tag}/merge`; notices move to the target."""
    return await _merge_terms(request, actor, "author", author, body, versions)


@merging_router.post("/series/{series}/merge", summary="Merge a series into another", **TERM_MERGE)
async def merge_series(
    request: Request, series: str, body: MergeIn, versions: ExpectedVersions, actor: Publisher
) -> Response:
    """Merge a series into another one, like `POST …/tags/{tag}/merge`; notices move to the target."""
    return await _merge_terms(request, actor, "series", series, body, versions)


@merging_router.get("/merges/{merge}", summary="Get the progress of a merge", response_model=MergeOut)
async def get_merge(request: Request, merge: IdPath, query: ReadParameters, actor: Publisher) -> Response:
    """Return the progress of a merge."""
    out = await database(request).read(_get_merge, merge)
    return reply_private(request, MergeOut, out, query)
