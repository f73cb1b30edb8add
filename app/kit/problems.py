"""Errors as RFC 9457 problem+json: one class per error, one handler, and never a word of what was sent."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Route

from app.kit.db import is_full, is_unavailable

MEDIA_TYPE = "application/problem+json"
_SAFE = re.compile(r"[\w.\-\[\]$]{1,64}", re.ASCII)
# Messages of Pydantic that would repeat what was sent.
_ECHOES = {
    "union_tag_invalid": "Input does not name a known kind",
    "uuid_parsing": "Input should be a valid UUID",
    "url_parsing": "Input should be a valid URL",
}
log = structlog.get_logger("broadsheet.problems")


class ErrorDetail(BaseModel):
    """One place in the request that is wrong."""

    pointer: str | None = Field(None, description="RFC 6901 JSON pointer into the body, or null.")
    parameter: str | None = Field(None, description="Name of the query, path or header parameter, or null.")
    code: str = Field(description="Stable code of what is wrong.")
    detail: str = Field(description="The same for people; never what was sent.")


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="URI reference that names the problem and tells of it: `/problems/{code}`.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, documented code.")
    request_id: str = Field(description="The `X-Request-ID` of this answer.")
    errors: list[ErrorDetail] | None = None


class Problem(Exception):
    """An answer other than success; a subclass for each `code`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "The server failed"
    registry: ClassVar[dict[str, type["Problem"]]] = {}

    def __init_subclass__(cls) -> None:
        Problem.registry[cls.code] = cls

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Iterable[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail, self.headers, self.members = detail or self.title, headers, members
        self.errors: list[Mapping[str, Any]] = list(errors)


Problem.registry[Problem.code] = Problem


class BadRequest(Problem):
    """A parameter, header or body that cannot be read."""

    status, code, title = 400, "bad_request", "The request cannot be read"


class InvalidParameter(Problem):
    """A query or path parameter is unknown, or its value is."""

    status, code, title = 400, "invalid_parameter", "A parameter is unknown or has an unknown value"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail, errors=[{"parameter": parameter, "code": "invalid", "detail": detail}])


class InvalidJson(Problem):
    """The body is no JSON as RFC 8259 has it."""

    status, code, title = 400, "invalid_json", "The body is not valid JSON"


class Unauthorized(Problem):
    """No key, or one that is unknown, expired or revoked."""

    status, code, title = 401, "unauthorized", "A valid key is needed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="broadsheet"'})


class Forbidden(Problem):
    """The key lacks the scope, or is limited to other sections."""

    status, code, title = 403, "forbidden", "The key may not do this"


class NotFound(Problem):
    """Nothing here, or nothing that the caller may see: the same bytes for both."""

    status, code, title = 404, "not_found", "Nothing is here"


class MethodNotAllowed(Problem):
    """The address exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class RequestTimeout(Problem):
    """The body did not arrive in time."""

    status, code, title = 408, "request_timeout", "The request did not arrive in time"


class Conflict(Problem):
    """The state of the resource does not allow this."""

    status, code, title = 409, "conflict", "The resource is not in a state that allows this"


class Gone(Problem):
    """It was here, was withdrawn for good, and the reason is public."""

    status, code, title = 410, "gone", "Withdrawn"


class StaleVersion(Problem):
    """`If-Match` names another version than the current one (RFC 9110 §13.1.1)."""

    status, code, title = 412, "stale_version", "The resource has changed since it was read"


class BodyTooLarge(Problem):
    """The body is larger than this address takes."""

    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(Problem):
    """The body's media type is none that this address takes."""

    status, code, title = 415, "unsupported_media_type", "This address does not take that media type"


class Invalid(Problem):
    """The body is JSON, but not what this address takes."""

    status, code, title = 422, "invalid_body", "The body does not fit"

    def __init__(self, detail: str = "", *, pointer: str | None = None, code: str = "invalid", **more: Any) -> None:
        errors = more.pop("errors", None) or ([{"pointer": pointer, "code": code, "detail": detail}] if pointer else [])
        super().__init__(detail, errors=errors, **more)


class PreconditionRequired(Problem):
    """An editorial write came without `If-Match` (RFC 6585 §3)."""

    status, code, title = 428, "precondition_required", "If-Match is needed"


class TooManyRequests(Problem):
    """The rate limit is used up (RFC 6585 §4)."""

    status, code, title = 429, "rate_limited", "Too many requests"


class Unavailable(Problem):
    """The store cannot be reached, or is too busy; the same request may succeed soon."""

    status, code, title = 503, "unavailable", "Not available right now"

    def __init__(self, detail: str = "", *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class StorageFull(Problem):
    """There is no room left to write (RFC 4918 §11.5)."""

    status, code, title = 507, "storage_full", "No room is left to store this"


_BY_STATUS: dict[int, type[Problem]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    408: RequestTimeout,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: these problems, and those that any route can have."""
    found: dict[int | str, dict[str, Any]] = {}
    everywhere: list[type[Problem]] = [*problems, BadRequest, TooManyRequests, Unavailable]
    for problem in everywhere:
        entry = found.setdefault(problem.status, {"model": ProblemOut, "description": ""})
        entry["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
        entry["description"] = "; ".join(filter(None, [entry["description"], f"`{problem.code}`: {problem.__doc__}"]))
    return found


def answer(problem: Problem, request_id: str) -> JSONResponse:
    """The problem as a response that no cache keeps."""
    content: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.members,
    }
    if problem.errors:
        content["errors"] = problem.errors
    headers = {"Cache-Control": "no-store", **(problem.headers or {})}
    if problem.status in {408, 413}:
        headers["Connection"] = "close"  # the rest of the body is not waited for
    return JSONResponse(content, problem.status, headers, MEDIA_TYPE)


def from_database(error: DBAPIError) -> Problem:
    """503 where the store is away or busy, 507 where it is full, else 500; the cause goes to the log alone."""
    if isinstance(error, IntegrityError):
        return Conflict("Something that this names was changed or taken at the same moment; read it and try again.")
    if is_full(error):
        return StorageFull()
    away = is_unavailable(error)
    log.error("database failed", error=type(error.orig).__name__, exc_info=None if away else error)
    return Unavailable("The store cannot be reached or is busy.") if away else Problem()


def _name(part: object) -> str:
    """A name as the client sent it, if it is harmless; names are told, values never."""
    text = str(part)
    return text if _SAFE.fullmatch(text) else "(not shown)"


def _from_validation(error: RequestValidationError) -> Problem:
    errors = error.errors()
    if any(entry["type"] == "json_invalid" for entry in errors):
        return InvalidJson("The body is not valid JSON (RFC 8259).")
    if isinstance(error.body, bytes):  # FastAPI leaves a body unread that does not say it is JSON
        return UnsupportedMediaType("Send the body as application/json.")
    details: list[Mapping[str, Any]] = []
    in_body = True
    for entry in errors[:20]:
        place, *path = entry["loc"]
        message = _ECHOES.get(entry["type"]) or str(entry["msg"]).removeprefix("Value error, ")
        detail: dict[str, Any] = {"code": entry["type"], "detail": message}
        if place == "body":
            detail["pointer"] = "".join(f"/{_name(part)}" for part in path)
        else:
            in_body, detail["parameter"] = False, _name(path[0]) if path else str(place)
        details.append(detail)
    first = details[0]
    where = first.get("parameter") or first.get("pointer") or "body"
    summary = f"{where}: {first['detail']}"
    if in_body:
        return Invalid(summary, errors=details)
    problem = InvalidParameter(str(where), summary)
    problem.errors = details
    return problem


def from_exception(error: Exception) -> Problem:
    """The problem that tells of any exception at all."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _from_validation(error)
    if isinstance(error, DBAPIError):
        return from_database(error)
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, Problem):  # raised while the body was read
            return error.__cause__
        problem = _BY_STATUS.get(error.status_code, Problem)()
        problem.headers = {**(problem.headers or {}), **(error.headers or {})}
        return problem
    log.error("request failed", exc_info=error)
    return Problem()


async def handle(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's exception handler for everything."""
    problem = from_exception(error)
    if isinstance(problem, MethodNotAllowed):
        problem.headers = {"Allow": ", ".join(_methods(request))}
    return answer(problem, request.scope.get("request_id", ""))


def _methods(request: Request) -> list[str]:
    """The methods that any route at this address takes: the framework names those of one route alone."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE:
            found |= route.methods or set()
    return sorted(found | {"HEAD"} if "GET" in found else found)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    for kind in (Problem, RequestValidationError, DBAPIError, HTTPException):
        app.add_exception_handler(kind, handle)
