"""The arguments of routes: first the caller, then headers, path and query, and the body last.

FastAPI's solver reads the body before it authenticates the caller, and would take a third of the time of a read. So
each route gets a handler that solves the few kinds of arguments that routes have with FastAPI's own fields and errors:
the request, the caller, dependencies on headers, path and query parameters, and one JSON body or form. A route that
needs anything else has no handler. The OpenAPI document is FastAPI's.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Annotated, Any, Final, TypedDict, cast

import jiter
import pydantic_core
from fastapi import APIRouter, Query, Request
from fastapi._compat import ModelField
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body, Depends, Form
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, compile_path

from app.core.models import ignore_unused_aliases
from app.core.problems import BadRequest, InvalidJson, Responses, UnsupportedMediaType
from app.web.dispatch import HANDLER, Handler
from app.web.fields import is_list
from app.web.openapi import name_operation
from app.web.paging import PageQuery, PreviewedQuery, PreviewedReadQuery, ReadQuery
from app.web.previews import keep_private, open_preview
from app.web.problem_responses import problem_from_exception
from app.web.responses import offload

ReadParameters = Annotated[ReadQuery, Query()]
PageParameters = Annotated[PageQuery, Query()]
PreviewedParameters = Annotated[PreviewedReadQuery, Query()]
ReleaseParameters = Annotated[PreviewedQuery, Query()]
"""For standard formats, which have no other parameters."""
MAX_FORM_BYTES = 64_000
MAX_INLINE_JSON_BYTES: Final = 32_000
"""Larger JSON is not parsed on the event loop: this size takes up to a millisecond, and 4 MB half a second."""
MAX_EMPTY_BYTES = 64  # of a body without content: `{}` with white space around it
_UNDEFINED = pydantic_core.PydanticUndefined
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_PARSE_ERROR = re.compile(r"(.*) at line (\d+) column (\d+)", re.DOTALL)
_PATH_VARIABLE = re.compile(r"{\w+(?::\w+)?}")
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")  # in the regular expression of a path


class BodyNotTaken(BadRequest, code="body_not_taken", title="This request takes no body"):
    """The request has a body but the route takes none. An empty body, `{}` and `null` count as none."""


def parse_json(body: bytes) -> object:
    """Parse JSON (RFC 8259), or raise a problem with the position of the error and nothing of the content.

    NaN, lone surrogates, excessive nesting, and objects with duplicate names (RFC 8259 §4), which parsers read
    differently, are refused.
    """
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        match = _PARSE_ERROR.fullmatch(str(error))
        fault, line, column = match.groups() if match else ("it cannot be parsed", "1", "1")
        if fault.startswith("Detected duplicate key"):  # the message would contain the key
            fault = "an object has a duplicate name"
        detail = f"The body is not valid JSON (RFC 8259): {fault} at line {line}, column {column}."
        raise InvalidJson(detail) from None


class _QueryModel:
    """The model of a route's query parameters."""

    def __init__(self, name: str, model: type[BaseModel]) -> None:
        self.name, self.model = name, model
        self.lists = {key for key, info in model.model_fields.items() if is_list(info.annotation)}
        required = any(info.is_required() for info in model.model_fields.values())
        self.empty = None if required else model()
        self.previews = issubclass(model, PreviewedQuery)

    def read(self, request: Request) -> Mapping[str, object]:
        """Return the parameters of a request; raise RequestValidationError if they are invalid."""
        if self.empty is not None and not request.scope["query_string"]:
            return {self.name: self.empty}
        values: dict[str, str | list[str]] = {}
        lists: dict[str, list[str]] = {}
        for key, value in request.query_params.multi_items():
            if key in self.lists:
                values[key] = lists.setdefault(key, [])
                lists[key].append(value)
            elif key in self.model.model_fields:
                values[key] = value
        try:
            return {self.name: self.model.model_validate(values)}
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**entry, "loc": ("query", *entry["loc"])} for entry in errors]) from None


class _Parameters:
    """Single headers or query parameters of a route."""

    def __init__(self, fields: list[ModelField], source: Callable[[Request], Headers | QueryParams]) -> None:
        self.fields, self.source = fields, source

    def read(self, request: Request) -> Mapping[str, object]:
        """Return their values; raise RequestValidationError if they are invalid."""
        values, errors = request_params_to_args(self.fields, self.source(request))
        if errors:
            raise RequestValidationError(errors)
        return values


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _read_body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise BadRequest("The body did not arrive.") from None


@cache
def _adapter(kind: type) -> TypeAdapter[object]:
    return TypeAdapter(kind)


def parse_long_json(body: bytes, kind: type) -> object:
    """Parse and validate a long body, in a query process: exceptions must pickle."""
    content = parse_json(body)
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        located = [{**entry, "loc": ("body", *entry["loc"])} for entry in errors]
        raise problem_from_exception(RequestValidationError(located, body=content)) from None


async def _read_json(request: Request, fields: list[ModelField]) -> Mapping[str, object]:
    """Return the JSON body of a request; a problem if it is not JSON, RequestValidationError if it is invalid."""
    body = await _read_body(request)
    if not body or (body.isspace() and not fields[0].field_info.is_required()):
        content: object = _UNDEFINED
    elif not _is_json(_media_type(request)):
        raise UnsupportedMediaType("Send the body as application/json.")
    elif len(body) > MAX_INLINE_JSON_BYTES:
        kind = cast(type, fields[0].field_info.annotation)
        return {fields[0].name: await offload(request).run(parse_long_json, body, kind)}
    else:
        content = parse_json(body)
    values, errors = await request_body_to_args(fields, content, embed_body_fields=False)
    if errors:
        raise RequestValidationError(errors, body=content)
    return values


async def _read_form(request: Request, fields: list[ModelField]) -> Mapping[str, object]:
    """Return the fields of a form; unknown ones are ignored, as usual for forms."""
    body = await _read_body(request)  # as a whole, for idempotency keys
    if body and _media_type(request) not in _FORM_TYPES:
        raise UnsupportedMediaType("Send the body as application/x-www-form-urlencoded.")
    async with request.form(max_files=0) as form:
        values, errors = await request_body_to_args(fields, form, embed_body_fields=True)
    if errors:
        raise RequestValidationError(errors)
    return values


async def _refuse_body(request: Request) -> None:
    """Refuse a body that the route would ignore.

    Many clients send `{}` with every POST; it counts as no body.
    """
    content_length = 0
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit():
            content_length = int(value)
        elif name == b"transfer-encoding":
            content_length = 1
    if not content_length:
        return
    body = b""
    try:
        if content_length <= MAX_EMPTY_BYTES:
            async for part in request.stream():
                body += part
                if len(body) > MAX_EMPTY_BYTES:
                    break
    except ClientDisconnect:
        raise BadRequest("The body did not arrive.") from None
    if content_length > MAX_EMPTY_BYTES or b"".join(body.split()) not in (b"", b"{}", b"null"):
        raise BodyNotTaken("This request takes no body: send it without one, or with {}.")
    request._body = b""  # so that an idempotency key knows the request with and without it


def _find_unsupported(route: APIRoute) -> str | None:
    """Return which kind of argument of the route handlers do not support, or None."""
    dependant = route.dependant
    callers = [inner for inner in dependant.dependencies if isinstance(inner.call, SecurityBase)]
    others = [inner for inner in dependant.dependencies if not isinstance(inner.call, SecurityBase)]
    models = [field for field in dependant.query_params if _is_model(field)]
    if dependant.cookie_params or dependant.header_params:
        return "cookies, or headers without a dependency that reads them"
    if any(inner.dependencies for inner in callers + others):
        return "dependencies of dependencies"
    for inner in others:
        if not inspect.iscoroutinefunction(inner.call) or inner.request_param_name or not inner.header_params:
            return "a dependency that is not a coroutine function of headers"
        if inner.query_params or inner.path_params or inner.body_params or inner.cookie_params:
            return "a dependency on more than headers"
    if models and len(dependant.query_params) > 1:
        return "a model of query parameters with others beside it"
    kinds = {type(field.field_info) for field in dependant.body_params}
    if kinds - {Body, Form} or len(kinds) > 1 or (Body in kinds and len(dependant.body_params) > 1):
        return "a body that is neither one JSON value nor a form"
    return None


def _is_model(field: ModelField) -> bool:
    kind = field.field_info.annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _build_handler(route: APIRoute) -> Handler:
    """Build the request handler of a route."""
    if unsupported := _find_unsupported(route):
        raise RuntimeError(f"{route.path} takes {unsupported}")
    dependant = route.dependant
    call: Callable[..., Awaitable[Response]] = route.endpoint
    callers: list[tuple[str, Callable[[Request], Awaitable[object]]]] = []
    checks: list[tuple[str, Callable[..., Awaitable[object]], _Parameters]] = []
    for inner in dependant.dependencies:
        if isinstance(inner.call, SecurityBase):
            callers.append((inner.name or "", inner.call))
        elif inner.call is not None:
            checks.append(
                (inner.name or "", inner.call, _Parameters(inner.header_params, lambda request: request.headers))
            )
    query: _QueryModel | _Parameters | None = None
    if dependant.query_params and _is_model(field := dependant.query_params[0]):
        query = _QueryModel(field.name, field.field_info.annotation)  # type: ignore[arg-type]
    elif dependant.query_params:
        query = _Parameters(dependant.query_params, lambda request: request.query_params)
    request_name, parts, body = dependant.request_param_name, dependant.path_params, dependant.body_params
    is_form = bool(body) and isinstance(body[0].field_info, Form)
    previews = query.name if isinstance(query, _QueryModel) and query.previews else None
    with ignore_unused_aliases():
        for field in body:
            field._type_adapter.rebuild()
    refuses_body = not body and "requestBody" not in (route.openapi_extra or {}) and _is_strict(route)

    async def handle(request: Request) -> Response:
        values: dict[str, object] = {request_name: request} if request_name else {}
        for name, check in callers:
            values[name] = await check(request)
        for name, check, headers in checks:
            values[name] = await check(**headers.read(request))
        for part in parts:
            value, errors = part.validate(request.path_params[part.alias], values, loc=("path", part.alias))
            if errors:
                raise RequestValidationError(errors)
            values[part.name] = value
        if query is not None:
            values |= query.read(request)
        if previews and (token := cast(PreviewedQuery, values[previews]).release) is not None:
            await open_preview(request, token)
            return keep_private(await call(**values))
        if body:
            values |= await (_read_form if is_form else _read_json)(request, body)
        elif refuses_body:
            await _refuse_body(request)
        return await call(**values)

    return handle


def separate_paths(routes: Sequence[BaseRoute]) -> None:
    """Let each URL match one path alone, as in OpenAPI: paths without variables precede those with variables.

    Otherwise a method that `/v1/articles/bulk` lacks would be looked up at `/v1/articles/{article}`. This is done once,
    since the apps of one process share their routes.
    """
    if all(vars(route).get("is_apart") for route in routes if isinstance(route, APIRoute)):
        return
    paths = {route.path: route for route in routes if isinstance(route, APIRoute)}
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, APIRoute):
            methods.setdefault(route.path, set()).update(route.methods or ())
    shadowed_by = {
        path: [
            _NAMED_GROUP.sub("(?:", other.path_regex.pattern.removeprefix("^"))
            for other in paths.values()
            if other.path != path
            and methods[path] - methods[other.path]
            and paths[path].path_regex.match(_PATH_VARIABLE.sub("x", other.path))
        ]
        for path in paths
    }
    for route in routes:
        if not isinstance(route, APIRoute) or vars(route).get("is_apart"):
            continue
        vars(route)["is_apart"] = True
        if others := shadowed_by[route.path]:
            own = route.path_regex.pattern.removeprefix("^")
            route.path_regex = re.compile(f"^(?!{'|'.join(others)}){own}")


def _is_strict(route: APIRoute) -> bool:
    """Whether a route refuses unknown input; routes for other software that adds its own do not."""
    return all(getattr(inner.call, "strict", True) for inner in route.dependant.dependencies)


def install_handler(route: APIRoute) -> Handler:
    """Install the handler of a route, with the limits of its body, and return it."""
    handler = vars(route)[HANDLER] = _build_handler(route)
    for inner in route.dependant.dependencies:
        if max_bytes := getattr(inner.call, "max_bytes", None):
            vars(route)["max_public_size"] = max_bytes
    if any(isinstance(field.field_info, Form) for field in route.dependant.body_params):
        vars(route).setdefault("max_body_size", None)
        route.max_body_size = route.max_body_size or MAX_FORM_BYTES
    return handler


class LazyRoute(APIRoute):
    """A route that FastAPI reads when it is first requested or documented.

    To build the validators of all routes and their models takes longer than the rest of a start, and a process has
    requests for a few of them. The app and its route share what is built.
    """

    def __init__(self, path: str, endpoint: Callable[..., object], **options: Any) -> None:
        """Keep what `APIRoute` takes; `path`, `methods` and `name` are there at once."""
        self.path, self.endpoint, self.name = path, endpoint, endpoint.__name__
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = set(options["methods"] or ("GET",))
        self._options = options

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or "_options" not in vars(self):
            raise AttributeError(name)
        path_regex, options = self.path_regex, vars(self).pop("_options")
        options["operation_id"] = options["operation_id"] or name_operation(self.name)
        super().__init__(self.path, self.endpoint, **options)
        self.path_regex = path_regex  # may have been changed by `separate_paths`
        return getattr(self, name)

    @cached_property
    def handler(self) -> Handler:
        """The handler, built for the first request."""
        return install_handler(self)

    @cached_property
    def dependency_calls(self) -> list[object]:
        """The dependencies of the endpoint's parameters, read from its annotations without building the route."""
        annotations = inspect.get_annotations(self.endpoint).values()
        markers = [marker for kind in annotations for marker in getattr(kind, "__metadata__", ())]
        return [marker.dependency for marker in markers if isinstance(marker, Depends)]


class RouteOptions(TypedDict, total=False):
    """Declarations that several routes share."""

    status_code: int
    response_model: type[BaseModel]
    responses: Responses


def specialize(
    endpoint: Callable[..., Awaitable[Response]], name: str, **types: object
) -> Callable[..., Awaitable[Response]]:
    """Name an endpoint that a generic function made, and give its parameters these types in place of type variables.

    mypy checks the endpoint with its type variables; FastAPI reads the types.
    """
    endpoint.__name__ = name
    endpoint.__annotations__ = {**inspect.get_annotations(endpoint), **types}
    return endpoint


class Router(APIRouter):
    """A router of `LazyRoute`."""

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: Sequence[str] = (),
        default_response_class: type[Response] = JSONResponse,
    ) -> None:
        super().__init__(
            prefix=prefix, tags=[*tags], default_response_class=default_response_class, route_class=LazyRoute
        )
