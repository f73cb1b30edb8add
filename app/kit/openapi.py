"""The OpenAPI 3.1 document, with what every operation has and no route repeats."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Send the same key again to get the same answer again: the request is carried out once. "
    "Kept for 48 hours. With another body: 422 `idempotency_key_reused`.",
    "schema": {"type": "string", "maxLength": 255},
}
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
            if method == "post":
                parameters.append(_IDEMPOTENCY_KEY)
            if method == "get" and "min_position" not in names:
                parameters.append(_MIN_POSITION)
            # Unknown or unreadable parameters are 400 here; FastAPI assumes 422 for everything.
            if "422" in operation["responses"] and "requestBody" not in operation:
                del operation["responses"]["422"]
    return document


def describe(app: FastAPI) -> None:
    """Give the app its document, made once."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _complete(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
