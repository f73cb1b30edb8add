"""Reading the OpenAPI document in tests: what stands once for all operations is put back into each."""

import re
from collections.abc import Iterator
from typing import Any

Operation = tuple[str, str, dict[str, Any]]
COMMON = {"400": "bad_request", "401": "unauthorized", "429": "rate_limited", "503": "unavailable"}
WITH_KEY = {"403": "forbidden"}  # also where no key is needed: a publishable one changes nothing
WITH_BODY = {"413": "body_too_large", "415": "unsupported_media_type", "422": "invalid_body"}
WITH_PRECONDITION = {"412": "stale_version", "428": "precondition_required"}
REFERENCE = re.compile(r"#/components/schemas/(\w+)")
POST = {"409": "request_in_progress", "422": "idempotency_key_reused"}


def resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference to a component stands for, or the part itself."""
    while "$ref" in part and not part["$ref"].startswith("#/components/schemas/"):
        _, _, section, name = part["$ref"].split("/")
        part = document["components"][section][name]
    return part


def _common(method: str, operation: dict[str, Any], names: set[str], has_path: bool) -> dict[str, str]:
    """The problems that the `default` response promises of this operation, each with its code."""
    common = POST | COMMON if method == "POST" else COMMON
    is_open_read = method == "GET" and {} in operation.get("security", [{}])
    common = common if is_open_read else common | WITH_KEY
    common = common | WITH_PRECONDITION if "If-Match" in names else common
    common = common | {"404": "not_found"} if has_path else common
    return common | WITH_BODY if "requestBody" in operation else common


def resolved(document: dict[str, Any], method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """An operation with its own parameters and responses in place of references, and of its `default` response."""
    operation = {"security": document.get("security", [{}]), **operation}
    parameters = [resolve(document, each) for each in operation.get("parameters", [])]
    responses = {status: resolve(document, each) for status, each in operation["responses"].items()}
    for status, response in responses.items():
        if "headers" in response:
            headers = {name: resolve(document, each) for name, each in response["headers"].items()}
            responses[status] = {**response, "headers": headers}
    if default := responses.pop("default", None):
        names, has_path = {each["name"] for each in parameters}, any(each["in"] == "path" for each in parameters)
        for status, code in _common(method, operation, names, has_path).items():
            assert f"`{code}` ({status})" in default["description"]
            responses.setdefault(status, {**default, "description": f"`{code}`: {default['description']}"})
    return {**operation, "parameters": parameters, "responses": responses}


def with_schemas(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema with the components that it needs: a validator reads all that it is given, which takes long."""
    needed: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        names = set(REFERENCE.findall(repr(waiting.pop()))) - needed.keys()
        needed |= {name: schemas[name] for name in names}
        waiting += (schemas[name] for name in names)
    return {**schema, "components": {"schemas": needed}}


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Every operation, resolved, with its method and path."""
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path, operation_at(document, method, path)


def operation_at(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """One operation, resolved."""
    return resolved(document, method.upper(), document["paths"][path][method.lower()])


def expanded(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every operation resolved: it names each status that may be answered."""
    paths = {path: {m: operation_at(document, m, path) for m in methods} for path, methods in document["paths"].items()}
    return {**document, "paths": paths}
