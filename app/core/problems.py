"""Problem details (RFC 9457): one class for each problem code."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from app.core.models import BaseModel

MEDIA_TYPE = "application/problem+json"
_NAME = re.compile(r"[!#-%(-;=?-_a-~]{1,64}", re.ASCII)  # printable, without quotes and characters that HTML reserves


def printable_name(text: str) -> str:
    """Return a name from a request if it is short and printable, else `(not shown)`. Errors never show values."""
    return text if _NAME.fullmatch(text) else "(not shown)"


class ErrorDetail(BaseModel):
    """An error at one place of the request."""

    pointer: str | None = Field(None, description="RFC 6901 JSON pointer into the body, or null.")
    parameter: str | None = Field(None, description="Name of the query, path or header parameter, or null.")
    code: str = Field(description="Stable code of what is wrong.")
    detail: str = Field(description="Explanation for people; never repeats what was sent.")


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
    """The request could not be answered because of a fault of the server; its log has the cause by the `request_id`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal server error"
    registry: ClassVar[dict[str, type["Problem"]]] = {}

    def __init_subclass__(cls, *, code: str, title: str, status: int | None = None) -> None:
        """Register the class under its own code; the status is by default that of the class above."""
        if code in Problem.registry:
            raise TypeError(f"two problems have the code {code}")
        cls.code, cls.title, cls.status = code, title, status or cls.status
        Problem.registry[code] = cls

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Iterable[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail, self.headers, self.members = detail or self.title, headers, members
        self.errors = list(errors)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the attributes: subclasses have constructors with other arguments than this class."""
        return _unpickle, (type(self), self.args, self.__dict__)


def _unpickle(kind: type[Problem], args: tuple[object, ...], state: dict[str, object]) -> Problem:
    problem = kind.__new__(kind, *args)
    problem.__dict__.update(state)
    return problem


Problem.registry[Problem.code] = Problem


class BadRequest(Problem, status=400, code="bad_request", title="The request cannot be read"):
    """A parameter, header or body that cannot be read."""


class InvalidParameter(
    Problem, status=400, code="invalid_parameter", title="A parameter is unknown or has an unknown value"
):
    """A query or path parameter is unknown, or its value is."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail, errors=[{"parameter": parameter, "code": "invalid", "detail": detail}])


class InvalidJson(Problem, status=400, code="invalid_json", title="The body is not valid JSON"):
    """The body is not valid JSON (RFC 8259)."""


class Unauthorized(Problem, status=401, code="unauthorized", title="A valid key is needed"):
    """No key or token came with the request, or one that is unknown, expired or revoked."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="broadsheet"'})


class Forbidden(Problem, status=403, code="forbidden", title="The caller may not do this"):
    """The caller lacks the scope, or has it in other sections only."""


class NotFound(Problem, status=404, code="not_found", title="Not found"):
    """The resource does not exist, or the caller may not see it: both answers are identical."""


class MethodNotAllowed(Problem, status=405, code="method_not_allowed", title="Method not allowed"):
    """The route exists but does not support the method."""


class RequestTimeout(Problem, status=408, code="request_timeout", title="The request did not arrive in time"):
    """The body did not arrive in time."""


class Conflict(Problem, status=409, code="conflict", title="The resource is not in a state that allows this"):
    """The state of the resource does not allow this."""


class Gone(Problem, status=410, code="gone", title="Withdrawn"):
    """The resource was withdrawn for good, for a public reason."""


class StaleVersion(Problem, status=412, code="stale_version", title="The resource has changed since it was read"):
    """`If-Match` names another version than the current one (RFC 9110 §13.1.1)."""

    def __init__(self, *, current_version: int, fields: Iterable[str] = ()) -> None:
        """Tell the current version, also as an `ETag` that the next `If-Match` may name, and the fields that differ."""
        super().__init__(
            "Another change came first. Look at it, then send If-Match with the ETag of this answer.",
            headers={"ETag": f'"v{current_version}"'},
            current_version=current_version,
            fields=sorted(fields),
        )


class BodyTooLarge(Problem, status=413, code="body_too_large", title="The body is too large"):
    """The body is larger than the route accepts."""


class UnsupportedMediaType(Problem, status=415, code="unsupported_media_type", title="Unsupported media type"):
    """The route does not accept the media type of the body."""


class Invalid(Problem, status=422, code="invalid_body", title="The request body is invalid"):
    """The body is valid JSON but breaks the rules of the request."""

    def __init__(
        self,
        detail: str = "",
        *,
        pointer: str | None = None,
        code: str = "invalid",
        errors: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Name one place of the body by its pointer, or many with `errors`."""
        super().__init__(
            detail, errors=errors or ([{"pointer": pointer, "code": code, "detail": detail}] if pointer else [])
        )


class PreconditionRequired(Problem, status=428, code="precondition_required", title="If-Match is needed"):
    """An editorial write came without `If-Match` (RFC 6585 §3)."""


class TooManyRequests(Problem, status=429, code="rate_limited", title="Too many requests"):
    """The rate limit is used up (RFC 6585 §4)."""


class Unavailable(Problem, status=503, code="unavailable", title="Not available right now"):
    """The store cannot be reached, or is too busy; the same request may succeed soon."""

    def __init__(self, detail: str = "", *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class StorageFull(Problem, status=507, code="storage_full", title="No room is left to store this"):
    """There is no room left to write (RFC 4918 §11.5)."""


Responses = dict[int | str, dict[str, Any]]
"""The `responses=` of a route: OpenAPI response objects by status."""


def document_problems(*problems: type[Problem]) -> Responses:
    """Return the `responses=` of a route with problems of its own; the document adds those that its kind of route has.

    Those are, by rules of `web/openapi.py`, the problems of every route, of authentication, of bodies, of paths and of
    versions.
    """
    descriptions: dict[int, list[str]] = {}
    for problem in dict.fromkeys(problems):
        descriptions.setdefault(problem.status, []).append(f"`{problem.code}`: {problem.__doc__}")
    return {
        status: {
            "description": "; ".join(texts),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
        }
        for status, texts in descriptions.items()
    }


FORBIDDEN: Responses = document_problems(Forbidden)
"""The `responses=` of a route that may answer 403 for reasons of its own."""
