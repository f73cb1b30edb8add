"""The OpenAPI 3.1 document, with what every operation has and no route repeats."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.kit.problems import MEDIA_TYPE, BodyTooLarge, UnsupportedMediaType

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Send the same key again to get the same answer again: the request is carried out once. "
    "Kept for 48 hours. With another body: 422 `idempotency_key_reused`.",
    "schema": {"type": "string", "maxLength": 255},
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
    "schema": {"type": "string", "maxLength": 40},
}


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    for path in document["paths"].values():
        for method, operation in path.items():
            parameters = operation.setdefault("parameters", [])
            names = {parameter["name"] for parameter in parameters}
            responses = operation["responses"]
            # Unknown or unreadable parameters are 400 here; FastAPI assumes 422 for everything.
            if "requestBody" not in operation:
                responses.pop("422", None)
            if method == "post":
                parameters.append(_IDEMPOTENCY_KEY)
                for status, text in _REPLAYED.items():
                    answer = responses.setdefault(status, {"description": ""})
                    answer["description"] = "; ".join(filter(None, [answer["description"], text]))
            for kind in _WITH_BODY if "requestBody" in operation else ():
                responses.setdefault(str(kind.status), {"description": f"`{kind.code}`: {kind.__doc__}"})
            for status, answer in responses.items():
                if status >= "400":
                    answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
            if method == "get" and "min_position" not in names:
                parameters.append(_MIN_POSITION)
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no answer has
        document["components"]["schemas"].pop(name, None)
    return document


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
            _open_without_key(document, app.routes)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
