"""The OpenAPI 3.1 document: FastAPI's, completed with what all operations have in common, and shortened.

`build_document` adds parameters, responses and headers that routes do not repeat, `name_types` names schemas that occur
in many places, and `share_components` moves common parameters and responses into components.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from starlette.routing import BaseRoute
from typing_extensions import TypeForm

from app.core.models import ignore_unused_aliases
from app.core.problems import (
    MEDIA_TYPE,
    BadRequest,
    BodyTooLarge,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionRequired,
    Problem,
    ProblemOut,
    StaleVersion,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from app.web.paging import POSITION_PATTERN

Node = dict[str, Any]  # an object of the document
SCHEMAS = "#/components/schemas/"
IDEMPOTENCY_KEY_LENGTH = 255
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Send the same key again to get the same answer again: the request is carried out once. "
    "Kept for 48 hours. With another body: 422 `idempotency_key_reused`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH, "pattern": r"^[\x20-\x7E]+$"},
}
# Problems that any operation may answer with are in its `default` response and are not repeated.
_ALWAYS: tuple[type[Problem], ...] = (BadRequest, Unauthorized, TooManyRequests, Unavailable)
_WITH_AUTHENTICATION: tuple[type[Problem], ...] = (Forbidden,)
_WITH_BODY: tuple[type[Problem], ...] = (BodyTooLarge, UnsupportedMediaType, Invalid)
_WITH_PRECONDITION: tuple[type[Problem], ...] = (StaleVersion, PreconditionRequired)
_MAY_ANSWER = ", ".join(f"`{kind.code}` ({kind.status})" for kind in (*_ALWAYS, *_WITH_AUTHENTICATION, *_WITH_BODY))
_DEFAULT = f"""\
A problem that is not listed. Every operation may answer {_MAY_ANSWER} or `internal_error` (500); one whose
path names something also `not_found` (404), for what is not there and for what the caller may not see; one that takes
`If-Match` also `precondition_required` (428) without it, or `stale_version` (412), which tells the current version and
its `ETag`; one that takes an `Idempotency-Key` also `request_in_progress` (409), as long as the first request is not
answered, or `idempotency_key_reused` (422), if the key came with another body or address before."""
_MIN_POSITION = {
    "name": "min_position",
    "in": "query",
    "description": "Wait (≤ 2 s) until this `Broadsheet-Position` is visible, else 503.",
    "schema": {"type": "string", "maxLength": 40, "pattern": POSITION_PATTERN},
}
_WITHOUT_NUL = r"^[^\x00]*$"  # the pattern of any query parameter
_CLOSED = {"$ref", "anyOf", "const", "enum"}  # a schema with one of these takes null only beside another
_LIMITED = {"const", "enum", "format"}  # a schema with one of these needs no pattern
_CHANGES_NOTHING = {
    "acceptInvitation",
    "beginSignIn",
    "endAccountSessions",
    "exportPerson",
    "finishSignIn",
    "getInvitationOptions",
    "getPasskeyOptions",
    "getRegistrationOptions",
    "refreshSession",
    "signInWithPasskey",
    "signInWithPassword",
    "unsubscribeAddress",
}
"""Writes without a position."""
# Reads without a key that no cache keeps: they differ by caller, never end, are measurements, or are immutable files.
_UNCACHED = {
    *("checkHealth", "checkReadiness", "exportContent", "followArticle", "getCaller", "getDecision", "getMediaFile"),
    *("getMetrics", "getOwnData", "getOwnVotes", "getUnsubscribe", "listChanges", "listSubscriptions"),
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_PRECONDITIONS = {"if-match", "if-none-match"}
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}ProblemOut"}}}
_NOTES = {"title", "description", "default", "example", "examples", "x-enum-varnames"}  # do not validate anything


CACHE_GROUP_HEADERS = ("Cache-Groups", "Cache-Tag", "Surrogate-Key")
"""Headers with the cache groups of an answer, of which the document describes the second for all."""
HEADERS: dict[str, Node] = {
    "Broadsheet-Position": {
        "description": "Of writes: their place in the log, for `min_position`.",
        "schema": {"type": "string", "pattern": POSITION_PATTERN},
    },
    "Cache-Tag": {
        "description": "Of public reads: cache groups that the answer depends on, comma-separated; also in "
        "`Surrogate-Key`, separated by spaces, and in `Cache-Groups` (RFC 9875).",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Version of the resource, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Address of the resource.", "schema": {"type": "string"}},
    "RateLimit": {"description": "What is left of the rate limit.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Of 429 and 503: seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "Of 401: how to authenticate.", "schema": {"type": "string"}},
    "X-Request-ID": {
        "description": "Id of the request, as in the server's log.",
        "required": True,
        "schema": {"type": "string"},
    },
}


def _header_name(name: str) -> str:
    """Return the name of a header's component, which is short because it is written for each response."""
    return name.removeprefix("Broadsheet-")


def name_operation(function: str) -> str:
    """Return the operation id of a route: its function in camel case, such as `listTags` for `list_tags`."""
    first, *others = function.split("_")
    return first + "".join(map(str.capitalize, others))


def iter_operations(document: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield every operation with its path and method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _iter_nodes(part: object) -> Iterator[Node]:
    """Yield every object in a part of the document, inner ones first, so that each may be changed in place."""
    if isinstance(part, list):
        for item in part:
            yield from _iter_nodes(item)
    elif isinstance(part, dict):
        for item in part.values():
            yield from _iter_nodes(item)
        yield part


def _without_null(schema: Node) -> Node:
    """Return a schema without null, for parameters and form fields, which may be absent but not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if not kinds:
        return schema
    more = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
    return {**kinds[0], **more} if len(kinds) == 1 else {"anyOf": kinds, **more}


def _complete_parameters(path: str, method: str, operation: Node) -> None:
    parameters = operation.setdefault("parameters", [])
    names = {parameter["name"] for parameter in parameters}
    if method == "post":
        parameters.append(copy.deepcopy(_IDEMPOTENCY_KEY))
    if method == "get" and path.startswith("/v1") and "min_position" not in names:
        parameters.append(copy.deepcopy(_MIN_POSITION))
    for parameter in parameters:
        schema = parameter["schema"] = _without_null(parameter["schema"])
        is_text = schema.get("type") == "string" and not schema.keys() & _LIMITED
        if parameter["in"] == "query" and is_text:
            schema.setdefault("pattern", _WITHOUT_NUL)
        if schema.get("description") == parameter.get("description"):
            schema.pop("description", None)
    preconditions = [parameter for parameter in parameters if parameter["name"].lower() in _PRECONDITIONS]
    if len(preconditions) == 1 and preconditions[0]["name"] == "If-Match":  # of two, one or the other is needed
        preconditions[0]["required"] = True


def _describe(kind: type[Problem]) -> str:
    return f"`{kind.code}`: {kind.__doc__}"


def _complete_responses(method: str, operation: Node) -> None:
    """Leave to `default` the problems of all operations, of all with a key, and of all with a body."""
    common = list(_ALWAYS)
    if "requestBody" in operation:
        common += _WITH_BODY
    if method != "get" or {} not in operation.get("security", [{}]):  # a publishable key only reads
        common += _WITH_AUTHENTICATION
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        common.append(NotFound)
    if any(parameter["name"] == "If-Match" for parameter in operation["parameters"]):
        common += _WITH_PRECONDITION
    usual = {str(kind.status): _describe(kind) for kind in common}
    responses = operation["responses"]
    if NotFound not in common and any(parameter["name"] == "release" for parameter in operation["parameters"]):
        responses.setdefault("404", {"description": _describe(NotFound)})
    for status, answer in list(responses.items()):
        text = usual.get(status, "")
        if answer["description"] in (text, "Validation Error"):  # the latter is FastAPI's, for 400 and 422
            del responses[status]
        elif text and text not in answer["description"]:
            answer["description"] = f"{text}; {answer['description']}"
    responses["default"] = {"description": _DEFAULT}
    for status, answer in responses.items():
        if status >= "400":
            answer["content"] = copy.deepcopy(_PROBLEM)
        elif answer["description"] == "Successful Response":
            answer["description"] = HTTPStatus(int(status)).phrase


def _set_headers(method: str, operation: Node, is_changeable: bool) -> None:
    """Add the headers that clients and caches use: ETags for `If-Match`, positions of writes, and cache groups."""
    is_write = method != "get" and operation["operationId"] not in _CHANGES_NOTHING
    is_cached = method == "get" and {} in operation.get("security", [{}]) and operation["operationId"] not in _UNCACHED
    for status, response in operation["responses"].items():
        names = []
        if status == "301":
            names = ["Location", "Cache-Tag"]
        elif status == "default":
            names = ["RateLimit", "Retry-After", "WWW-Authenticate", "X-Request-ID"]
        elif status == "200" and is_cached:
            names = [*(["ETag"] if is_changeable else []), "Cache-Tag"]
        elif response["description"] == HTTPStatus(int(status)).phrase and (is_write or is_changeable):
            names = ["Broadsheet-Position", "ETag"] if "content" in response else ["Broadsheet-Position"]
        if names:
            response["headers"] = {name: {"$ref": f"#/components/headers/{_header_name(name)}"} for name in names}


def _iter_bodies(document: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield the named schemas of bodies, each with its method and media type."""
    schemas = document["components"]["schemas"]
    for _, method, operation in iter_operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if reference := content["schema"].get("$ref"):
                yield method, media_type, schemas[reference.rpartition("/")[2]]


def _complete_bodies(document: Node) -> None:
    """Remove defaults from PATCH bodies, where generated clients would send them, and null from forms."""
    for method, media_type, schema in _iter_bodies(document):
        properties = schema.get("properties", {})
        for name, each in properties.items():
            if method == "patch":
                each.pop("default", None)
            if media_type in _FORMS:
                properties[name] = _without_null(each)


def _make_key_optional(document: Node, routes: Sequence[BaseRoute]) -> None:
    """Make the key optional in operations whose scope is None; FastAPI always requires it."""
    for route in routes:
        if isinstance(route, APIRoute) and any(
            getattr(d.call, "scope", "") is None for d in route.dependant.dependencies
        ):
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["security"] = [{}, *operation["security"]]


def _shorten(document: Node) -> None:
    """Remove titles, which repeat names, and `required: false`; write limits of integers as such."""
    for node in [*_iter_nodes(document["components"]["schemas"]), *_iter_nodes(document["paths"])]:
        if isinstance(node.get("title"), str):
            del node["title"]
        if node.get("required") is False:
            del node["required"]
        for limit in ("minimum", "maximum"):
            if isinstance(value := node.get(limit), float) and value.is_integer():
                node[limit] = int(value)


def merge_null(document: Node) -> None:
    """Write `anyOf` of a plain type and null as a list of types."""
    for node in [*_iter_nodes(document["components"]["schemas"]), *_iter_nodes(document["paths"])]:
        kinds = node.get("anyOf", [])
        if len(kinds) == 2 and kinds[1] == {"type": "null"} and not kinds[0].keys() & {*_CLOSED, *node}:
            del node["anyOf"]
            node |= {**kinds[0], "type": [kinds[0]["type"], "null"]}


def _rename_schemas(document: Node) -> None:
    """Rename FastAPI's `ListOut_TagOut_` to `TagList`, and the schema of the form of `putTag` to `PutTagForm`."""
    schemas, names = document["components"]["schemas"], {}
    for name in schemas:
        if match := re.fullmatch(r"ListOut_(\w+)_", name):
            names[name] = f"{match[1]}List"
            schemas[name]["description"] = f"A page of `{match[1]}`."
    for _, _, operation in iter_operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name, operation_id = content["schema"].get("$ref", "").rpartition("/")[2], operation["operationId"]
            if name.startswith("Body_"):
                names[name] = f"{operation_id[0].upper()}{operation_id[1:]}Form"
                schemas[name]["description"] = f"Fields of the form of `{operation_id}`."
    for old, new in names.items():
        schemas[new] = schemas.pop(old)
    targets = {SCHEMAS + old: SCHEMAS + new for old, new in names.items()}
    for node in _iter_nodes(document):
        if node.get("$ref") in targets:
            node["$ref"] = targets[node["$ref"]]


def build_document(app: FastAPI) -> Node:
    """Build the document of an app's routes, completed with what all operations have in common."""
    with ignore_unused_aliases():
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _make_key_optional(document, app.routes)
    add_model(document, ProblemOut)  # which routes refer to by name: a model each would be built a thousand times
    for path, method, operation in iter_operations(document):
        _complete_parameters(path, method, operation)
        _complete_responses(method, operation)
        _set_headers(method, operation, not document["paths"][path].keys().isdisjoint({"patch", "put"}))
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no response has
        document["components"]["schemas"].pop(name, None)
    document["components"]["headers"] = {_header_name(name): copy.deepcopy(part) for name, part in HEADERS.items()}
    _complete_bodies(document)
    _shorten(document)
    _rename_schemas(document)
    return document


def schema_of(kind: TypeForm[object]) -> Node:
    """Return the schema of a type, with references to models in the components."""
    schema = TypeAdapter(kind).json_schema(ref_template=f"{SCHEMAS}{{model}}")
    return {name: part for name, part in schema.items() if name not in {"$defs", "title"}}


def add_model(document: Node, model: type[BaseModel]) -> None:
    """Add a model that no route names, with all models that it refers to."""
    schema = TypeAdapter(model).json_schema(ref_template=f"{SCHEMAS}{{model}}", mode="serialization")
    for name, part in {**schema.pop("$defs", {}), model.__name__: schema}.items():
        for node in _iter_nodes(part):
            if isinstance(node.get("title"), str):
                del node["title"]
            if node.get("default", ...) is None:  # which FastAPI leaves out, too
                del node["default"]
        document["components"]["schemas"].setdefault(name, part)


def _strip_notes(schema: Node) -> Node:
    """Return a schema without descriptions and defaults."""
    return {name: value for name, value in schema.items() if name not in _NOTES}


def name_types(document: Node, types: Mapping[str, tuple[TypeForm[object], str | None]]) -> None:
    """Name types: replace each schema that is equal to that of a named type by a reference.

    `types` maps a name to the type and the description of its schema; without a description, that of the type is used,
    and only schemas with the same one are replaced.
    """
    schemas = document["components"]["schemas"]
    names: list[tuple[Node, str]] = []
    named: dict[str, Node] = {}
    for name, (kind, text) in types.items():
        schema = schema_of(kind)
        names.append((_strip_notes(schema) if text else schema, name))
        named[name] = {"description": text, **schema} if text else schema
    for node in [*_iter_nodes(schemas), *_iter_nodes(document["paths"])]:
        core = _strip_notes(node)
        if reference := next((name for known, name in names if known in (core, node)), None):
            notes = {key: value for key, value in node.items() if key in _NOTES and value != named[reference].get(key)}
            link = {"$ref": f"{SCHEMAS}{reference}"}
            node.clear()  # generators read a default next to `allOf`, but not next to a reference
            node.update({"allOf": [link], **notes} if "default" in notes else {**link, **notes})
    schemas.update(named)


def _is_extension(schema: Node, base: Node) -> bool:
    """Whether a schema has all fields of another one, and more."""
    own, fields = schema["properties"], base["properties"]
    is_wider = len(own) > len(fields) and all(own.get(name) == field for name, field in fields.items())
    return is_wider and set(base.get("required", ())) <= set(schema.get("required", ()))


def extend_schemas(document: Node, fewest: int = 6) -> None:
    """Write objects that have all fields of another one, at least `fewest`, as extensions of it."""
    schemas = document["components"]["schemas"]
    plain = {
        name: schema
        for name, schema in schemas.items()
        if schema.keys() <= {"type", "description", "properties", "required"}
        and len(schema.get("properties", ())) >= fewest
    }
    for name, schema in plain.items():
        bases = [other for other, base in plain.items() if _is_extension(schema, base)]
        if not bases:
            continue
        closest = max(bases, key=lambda base: len(plain[base]["properties"]))
        base = plain[closest]
        own = {field: part for field, part in schema["properties"].items() if field not in base["properties"]}
        more: Node = {"type": "object", "properties": own}
        if required := [field for field in schema.get("required", ()) if field not in base.get("required", ())]:
            more["required"] = required
        parts = [{"$ref": f"{SCHEMAS}{closest}"}, more]
        schemas[name] = {"description": schema["description"], "allOf": parts}


def _parameter_name(parameter: Node) -> str:
    name = _pascal(parameter["name"])
    return f"{name}Path" if parameter["in"] == "path" else name


def _pascal(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text))


def _response_name(response: Node) -> str:
    if response["description"] == _DEFAULT:
        return "Problem"
    if codes := re.findall(r"`([a-z_]+)`: ", response["description"]):
        return "Or".join("".join(map(str.title, code.split("_"))) for code in codes)
    content = response.get("content")
    if not content:
        return "Moved" if "`Location`" in response["description"] else _pascal(response["description"])
    media_type = next(iter(content))
    reference = content[media_type].get("schema", {}).get("$ref")
    if not reference:
        return _pascal(media_type.partition("/")[2])
    return str(reference).rpartition("/")[2]


def _text(part: object) -> str:
    return json.dumps(part, sort_keys=True)


def _share(document: Node, section: str, places: list[tuple[Any, Any]], name_of: Callable[[Node], str]) -> None:
    """Move parts that occur several times into a section of the components; two with one name are an error."""
    times = Counter(_text(holder[key]) for holder, key in places)
    components = document["components"].setdefault(section, {})
    for holder, key in places:
        part = holder[key]
        if times[_text(part)] > 1 and (name := name_of(part)):
            if _text(components.setdefault(name, part)) != _text(part):
                raise ValueError(f"two {section} would be called {name}")
            holder[key] = {"$ref": f"#/components/{section}/{name}"}


def unify_answers(document: Node) -> None:
    """Describe answers with the same content alike, with all headers that any of them has, so that they are shared."""
    usual = {HTTPStatus(status).phrase for status in (200, 201, 202)}
    answers: dict[str, list[Node]] = {}
    for _, _, operation in iter_operations(document):
        for response in operation["responses"].values():
            if "content" in response and response["description"] in usual:
                answers.setdefault(_text(response["content"]), []).append(response)
    for alike in answers.values():
        headers = {name: part for response in alike for name, part in response.get("headers", {}).items()}
        if len(alike) > 1 and headers:
            for response in alike:
                response |= {"description": "Success", "headers": dict(sorted(headers.items()))}


def share_security(document: Node) -> None:
    """Declare once for the document that a key is needed, and in operations only exceptions."""
    document["security"] = [{"ApiKey": []}]
    for _, _, operation in iter_operations(document):
        if operation["security"] == document["security"]:
            del operation["security"]


def share_components(document: Node) -> None:
    """Move parameters and problem responses of several operations into components."""
    operations = [operation for _, _, operation in iter_operations(document)]
    parameters = [(each["parameters"], at) for each in operations for at in range(len(each["parameters"]))]
    _share(document, "parameters", parameters, _parameter_name)
    _share(
        document,
        "responses",
        [(each["responses"], key) for each in operations for key in each["responses"]],
        _response_name,
    )
