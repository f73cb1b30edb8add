"""Many changes of articles in one request, over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from app.articles.bulk.actions import carry_out
from app.articles.bulk.schemas import AnyBulkOp, ArticleBulkIn, ArticleBulkOut, BulkPatch
from app.articles.editing.actions import PreparedBody
from app.articles.editing.routes import with_text
from app.identity.replays.actions import IdempotencyKeyReused
from app.identity.replays.routes import write_part
from app.identity.routes import POLICIES, limit, requires
from app.identity.schemas import Actor
from app.kit.http import PRIVATE, dump
from app.kit.problems import Forbidden, Invalid, Problem, Unauthorized, documented, from_exception

router = APIRouter(prefix="/v1/articles", tags=["editing"])
NOTHING = ("code", "detail", "errors", "retry_after", "id", "version", "etag")


@router.post(
    "/bulk",
    operation_id="changeArticles",
    summary="Change many articles",
    response_model=ArticleBulkOut,
    responses=documented(Unauthorized, Forbidden, Invalid, IdempotencyKeyReused),
)
async def change_many(
    request: Request, body: ArticleBulkIn, actor: Annotated[Actor, requires("content:write")]
) -> Response:
    """Carry out up to 100 operations on articles in their order, with a result for each.

    Each is checked for scope, section and version as by its single route, and stands or fails by itself: a refused one
    changes nothing and stops no other. Each counts towards the limits as a request of its own. With `Idempotency-Key`
    a repeated request carries out only what was not done before.
    """
    results, headers = [], {"Cache-Control": PRIVATE}
    for number, op in enumerate(body.operations):
        try:
            if number:
                await limit(request, POLICIES[actor.kind], actor)
            result, position = await _carry_out(request, actor, number, op)
            headers["Broadsheet-Position"] = position
        except IdempotencyKeyReused:
            raise
        except (Problem, DBAPIError) as error:
            result = {"op": op.op, **_refused(from_exception(error))}
        results.append({**dict.fromkeys(NOTHING), **result})
    return Response(dump(ArticleBulkOut, {"data": results}), 200, headers, "application/json")


async def _carry_out(request: Request, actor: Actor, number: int, op: AnyBulkOp) -> tuple[dict[str, Any], str]:
    async def send(prepared: PreparedBody | None) -> tuple[dict[str, Any], str]:
        return await write_part(request, actor, number, carry_out, op, prepared)

    return await with_text(request, op.article, op.body, send) if isinstance(op, BulkPatch) else await send(None)


def _refused(problem: Problem) -> dict[str, Any]:
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
