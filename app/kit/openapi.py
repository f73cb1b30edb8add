"""The OpenAPI 3.1 document, with what every operation has and no route repeats."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.kit.http import POSITION_PATTERN
from app.kit.problems import MEDIA_TYPE, BodyTooLarge, UnsupportedMediaType

IDEMPOTENCY_KEY_LENGTH = 255
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Send the same key again to get the same answer again: the request is carried out once. "
    "Kept for 48 hours. With another body: 422 `idempotency_key_reused`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH, "pattern": r"^[\x20-\x7E]+$"},
}
_REPLAYED = {
    "409": "`request_in_progress`: The first request with this `Idempotency-Key` has not been answered yet.",
    "422": "`idempotency_key_reused`: The `Idempotency-Key` came with another body or address before.",
}
_WITH_BODY = (BodyTooLarge, UnsupportedMediaType)  # what any body can lead to
_MIN_POSITION = {
    "name": "min_position",
    "in": "query",
    "required": False,
    "description": "Wait (at most 2 s) until this `Broadsheet-Position` is visible, else 503.",
    "schema": {"type": "string", "maxLength": 40, "pattern": POSITION_PATTERN},
}
_WITHOUT_NUL = r"^[^\x00]*$"  # what any query parameter may hold
_LIMITED = {"const", "enum", "format"}  # a schema with one of these needs no pattern
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_PRECONDITIONS = {"if-match", "if-none-match"}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that is absent or given: parameters and form fields cannot be null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return {**schema, "anyOf": kinds} if kinds else schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name != "anyOf" and value is not None}}


def _complete_parameters(method: str, operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    names = {parameter["name"] for parameter in parameters}
    if method == "post":
        parameters.append(_IDEMPOTENCY_KEY)
    if method == "get" and "min_position" not in names:
        parameters.append(_MIN_POSITION)
    for parameter in parameters:
        schema = parameter["schema"] = _without_null(parameter["schema"])
        is_text = schema.get("type") == "string" and not schema.keys() & _LIMITED
        if parameter["in"] == "query" and is_text:
            schema.setdefault("pattern", _WITHOUT_NUL)
    preconditions = [parameter for parameter in parameters if parameter["name"].lower() in _PRECONDITIONS]
    if len(preconditions) == 1 and "428" in operation["responses"]:  # of two, one or the other is needed
        preconditions[0]["required"] = True


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    for path in document["paths"].values():
        for method, operation in path.items():
            responses = operation["responses"]
            # Unknown or unreadable parameters are 400 here; FastAPI assumes 422 for everything.
            if "requestBody" not in operation:
                responses.pop("422", None)
            if method == "post":
                for status, text in _REPLAYED.items():
                    answer = responses.setdefault(status, {"description": ""})
                    answer["description"] = "; ".join(filter(None, [answer["description"], text]))
            for kind in _WITH_BODY if "requestBody" in operation else ():
                responses.setdefault(str(kind.status), {"description": f"`{kind.code}`: {kind.__doc__}"})
            for status, answer in responses.items():
                if status >= "400":
                    answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
            _complete_parameters(method, operation)
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no answer has
        document["components"]["schemas"].pop(name, None)
    return document


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The named schemas of bodies, each with its method and media type."""
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        for method, operation in path.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if reference := content["schema"].get("$ref"):
                    yield method, media_type, schemas[reference.rpartition("/")[2]]


def _complete_bodies(document: dict[str, Any]) -> None:
    """Say what leaving a field out means: in a change nothing, where a generated client would send the default."""
    for method, media_type, schema in _bodies(document):
        properties = schema.get("properties", {})
        for name, each in properties.items():
            if method == "patch":
                each.pop("default", None)
            if media_type in _FORMS:
                properties[name] = _without_null(each)


def _open_without_key(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """A key is possible but not needed where a route's scope is None; FastAPI knows needed alone."""
    for route in routes:
        if isinstance(route, APIRoute) and any(
            getattr(d.call, "scope", "") is None for d in route.dependant.dependencies
        ):
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["security"] = [{}, *operation["security"]]


def describe(app: FastAPI) -> None:
    """Give the app its document, made once."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            document = _complete(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
            _complete_bodies(document)
            _open_without_key(document, app.routes)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
