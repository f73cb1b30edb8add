"""How a route gets its arguments: JSON read strictly, and a short way for what most routes take.

FastAPI's solver takes a third of the time of a read here. Nearly all routes take the same few kinds of arguments: the
request, parts of the path, one model of query parameters, one of the body, and who calls. Those are found directly,
with FastAPI's own fields and the same errors; any other route is left to FastAPI. The OpenAPI document is FastAPI's
either way. Who calls is asked before the body is read: a stranger has no megabytes taken from them.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pydantic_core
from fastapi import Request
from fastapi.dependencies.utils import request_body_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body
from fastapi.routing import APIRoute
from fastapi.routing import request_response as with_exit_stacks
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import request_response

from app.kit.fields import is_list
from app.kit.problems import BadRequest

Handler = Callable[[Request], Awaitable[Response]]


def _parsed(body: bytes) -> Any:
    """JSON as RFC 8259 has it: no NaN, no lone surrogates, no bottomless nesting; ValueError for anything else."""
    return pydantic_core.from_json(body, allow_inf_nan=False)


class _StrictRequest(Request):
    """A request whose JSON is read so, for the routes that are left to FastAPI."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = _parsed(body)
            except ValueError as error:
                raise json.JSONDecodeError("not JSON", "", 0) from error
        return self._json


class _Query:
    """The one model of query parameters that a route takes."""

    def __init__(self, name: str, model: type[BaseModel]) -> None:
        self.name, self.model = name, model
        self.lists = {key for key, info in model.model_fields.items() if is_list(info.annotation)}
        required = any(info.is_required() for info in model.model_fields.values())
        self.empty = None if required else model()

    def read(self, request: Request) -> BaseModel:
        """The parameters of a request; RequestValidationError where they do not fit."""
        if self.empty is not None and not request.scope["query_string"]:
            return self.empty
        values: dict[str, Any] = {}
        for key, value in request.query_params.multi_items():
            if key in self.lists:
                values.setdefault(key, []).append(value)
            elif key in self.model.model_fields:
                values[key] = value
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**entry, "loc": ("query", *entry["loc"])} for entry in errors]) from None


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _read_body(request: Request, field: Any) -> Any:
    """The body of a request; RequestValidationError where it is not JSON or does not fit."""
    try:
        sent: Any = await request.body() or pydantic_core.PydanticUndefined
    except ClientDisconnect:
        raise BadRequest("The body did not arrive.") from None
    if sent is not pydantic_core.PydanticUndefined and _is_json(request.headers.get("content-type", "")):
        try:
            sent = _parsed(sent)
        except ValueError as error:
            entry = {"type": "json_invalid", "loc": ("body", 0), "msg": "JSON decode error", "input": {}}
            raise RequestValidationError([entry]) from error
    values, errors = await request_body_to_args([field], sent, embed_body_fields=False)
    if errors:
        raise RequestValidationError(errors, body=sent)  # which tells whether it was JSON at all
    return values[field.name]


def _short(route: APIRoute) -> Handler | None:
    """A handler without FastAPI's solver, if the route takes only what most routes take."""
    needs = route.dependant
    call: Callable[..., Awaitable[Response]] = route.endpoint
    models = [field.field_info.annotation for field in needs.query_params]
    callers = [(inner.name, inner.call) for inner in needs.dependencies]
    if (
        (needs.header_params or needs.cookie_params)
        or len(needs.body_params) > 1
        or not all(type(field.field_info) is Body and not field.field_info.embed for field in needs.body_params)
        or len(models) > 1
        or not all(isinstance(model, type) and issubclass(model, BaseModel) for model in models)
        or not all(isinstance(check, SecurityBase) for _, check in callers)
    ):
        return None
    query = _Query(needs.query_params[0].name, models[0]) if models else None  # type: ignore[arg-type]
    request_name, parts = needs.request_param_name, needs.path_params
    body = needs.body_params[0] if needs.body_params else None

    async def handle(request: Request) -> Response:
        values: dict[str, Any] = {request_name: request} if request_name else {}
        for name, check in callers:
            values[name or ""] = await check(request)  # type: ignore[misc]
        for part in parts:
            value, errors = part.validate(request.path_params[part.alias], values, loc=("path", part.alias))
            if errors:
                raise RequestValidationError(errors)
            values[part.name] = value
        if query is not None:
            values[query.name] = query.read(request)
        if body is not None:
            values[body.name] = await _read_body(request, body)
        return await call(**values)

    return handle


def prepare(route: APIRoute) -> None:
    """Give a route its handler, once: the apps of one process share their routes."""
    if vars(route).get("is_prepared"):
        return
    vars(route)["is_prepared"] = True
    if short := _short(route):
        route.app = request_response(short)
        return
    handle = route.get_route_handler()

    async def strict(request: Request) -> Response:
        return await handle(_StrictRequest(request.scope, request.receive))

    route.app = with_exit_stacks(strict)
