"""Exceptions as problem+json, which never echoes input."""

import re
from collections.abc import Mapping, Sequence

from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.core.logs import get_logger
from app.core.problems import (
    MEDIA_TYPE,
    BadRequest,
    BodyTooLarge,
    Conflict,
    Forbidden,
    Invalid,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    Problem,
    RequestTimeout,
    StorageFull,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    printable_name,
)
from app.db import QueueFull, is_damaged, is_full, is_read_only, is_unavailable

# Instead of messages of Pydantic that would contain input, or that use terms of Python.
_MESSAGES = {
    "union_tag_invalid": "Input does not name a known kind",
    "union_tag_not_found": "Input does not name its kind",
    "uuid_parsing": "Input should be a valid UUID",
    "url_parsing": "Input should be a valid URL",
    "none_required": "Input should be null",
    **dict.fromkeys(("list_type", "set_type", "frozen_set_type", "tuple_type"), "Input should be an array"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "Input should be an object"),
}
_QUOTED_INPUT = re.compile(r"(?:: | \().*", re.DOTALL)  # the part of a reason that cites an e-mail address
_NOTHING = object()
DAMAGED_RETRY_SECONDS = 60  # until somebody has restored the database
log = get_logger("broadsheet.problems")


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


def problem_response(problem: Problem, request_id: str) -> JSONResponse:
    """Return the response of a problem, which caches must not store."""
    content: dict[str, object] = {
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
        headers["Connection"] = "close"  # the rest of the body is discarded
    return JSONResponse(content, problem.status, headers, MEDIA_TYPE)


def problem_from_database_error(error: DBAPIError) -> Problem:
    """Return 503 if the database is unreachable, busy or damaged, 507 if it is full, else 500; log the cause."""
    if isinstance(error, IntegrityError):
        log.warning("a constraint refused a write", error=type(error.orig).__name__)
        return Conflict("A resource named here was changed or taken at the same moment; read it and try again.")
    if is_full(error):
        return StorageFull()
    if is_damaged(error):
        log.critical("the database is damaged; see `broadsheet doctor`", error=type(error.orig).__name__)
        return Unavailable("The database is damaged.", retry_after=DAMAGED_RETRY_SECONDS)
    if is_read_only(error):
        log.error("the database is read-only", error=type(error.orig).__name__)
        return Unavailable("The database is read-only now: nothing can be changed.")
    if isinstance(error, QueueFull):
        log.info("more was asked than is taken on", reason=str(error.orig))
        return Unavailable("The database is busy.")
    is_temporary = is_unavailable(error)
    log.error("database failed", error=type(error.orig).__name__, exc_info=None if is_temporary else error)
    return Unavailable("The database cannot be reached or is busy.") if is_temporary else Problem()


def _json_pointer(path: Sequence[str | int], kind: str, body: object) -> str:
    """Return the JSON pointer of a place in the body. Pydantic's path also names members of unions, which it omits."""
    pointer, node = "", body
    for at, part in enumerate(path):
        inner = _NOTHING
        if isinstance(node, Mapping):
            inner = node.get(part, _NOTHING)
        elif isinstance(node, list) and isinstance(part, int):
            inner = node[part]
        is_missing = kind == "missing" and at == len(path) - 1
        if inner is not _NOTHING or is_missing or body is None:
            pointer += f"/{printable_name(str(part))}"
        if inner is not _NOTHING:
            node = inner
    return pointer


def _message(entry: ErrorDetails) -> str:
    """Return the message of a validation error, without the value."""
    if message := _MESSAGES.get(entry["type"]):
        return message
    if reason := entry.get("ctx", {}).get("reason") if entry["type"] == "value_error" else None:
        return f"must be a valid e-mail address: {_QUOTED_INPUT.sub('', reason).removesuffix('.')}"
    return str(entry["msg"]).removeprefix("Value error, ")


def _problem_from_validation(error: RequestValidationError) -> Problem:
    errors = error.errors()
    details: list[Mapping[str, object]] = []
    in_body = True
    for entry in errors[:20]:
        place, *path = entry["loc"]
        detail: dict[str, object] = {"code": entry["type"], "detail": _message(entry)}
        if place == "body":
            detail["pointer"] = _json_pointer(path, entry["type"], error.body)
        else:
            in_body, detail["parameter"] = False, printable_name(str(path[0])) if path else str(place)
        details.append(detail)
    first = details[0]
    where = first.get("parameter") or first.get("pointer") or "body"
    summary = f"{where}: {first['detail']}"
    if in_body:
        return Invalid(summary, errors=details)
    problem = InvalidParameter(str(where), summary)
    problem.errors = details
    return problem


def problem_from_exception(error: Exception) -> Problem:
    """Return the problem for any exception."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _problem_from_validation(error)
    if isinstance(error, DBAPIError):
        return problem_from_database_error(error)
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, Problem):  # raised while the body was read
            return error.__cause__
        problem = _BY_STATUS.get(error.status_code, Problem)()
        problem.headers = {**(problem.headers or {}), **(error.headers or {})}
        return problem
    log.error("request failed", exc_info=error)
    return Problem()
