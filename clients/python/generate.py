"""Write the modules of the client that are made: types from openapi.json, and the client that waits from the async one.

With `--check` nothing is written; the status is 1 if a module is not current. Needs nothing but Python.
"""

import json
import keyword
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "src/broadsheet_client"
DOCUMENT = HERE.parents[1] / "openapi.json"
WIDTH = 120

Schema = dict[str, Any]
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_COMMA_LISTS = {"articles", "exclude", "fields", "formats", "ids", "include", "state", "types"}
_OWN_PARAMETERS = {"min_position", "fields", "path"}
_NAMES = {  # of the async client, and what they are in the other one
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "AsyncListing": "Listing",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "aclose": "close",
    "aiter_lines": "iter_lines",
    "aread": "read",
    "asyncio": "time",
}


_PAGE = '''
class PageOf(TypedDict, Generic[T]):
    """A page of a list."""

    data: list[T]
    page: PageOut
'''


def make_models(document: Schema, source: str) -> str:
    """Return a module with a `TypedDict` for each object of the API, and an alias for each other schema."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    used = find_used(document, schemas)
    parts = [
        '"""Types of the API. Made from openapi.json by generate.py: do not edit."""\n',
        "from __future__ import annotations\n",
        "from typing import Generic, Literal, NotRequired, TypeAlias, TypedDict, TypeVar\n",
        'T = TypeVar("T")\n',
        _PAGE,
    ]
    for name in order_by_bases({name: schema for name, schema in schemas.items() if name in used}):
        parts.append("\n" + "\n".join(declare(name, schemas[name])) + "\n")
    for name, operation in find_queries(document, source):
        parts.append("\n" + "\n".join(declare_query(name, operation, document["components"]["parameters"])) + "\n")
    return "\n".join(parts)


def find_queries(document: Schema, source: str) -> Iterator[tuple[str, Schema]]:
    """Yield the operations with a query that the client names, as `ListArticlesQuery`, in alphabetical order."""
    operations = [item for path in document["paths"].values() for item in path.values() if "operationId" in item]
    by_name = {f"{item['operationId'][0].upper()}{item['operationId'][1:]}Query": item for item in operations}
    yield from ((name, by_name[name]) for name in sorted(set(re.findall(r"models\.(\w+Query)", source))))


def declare_query(name: str, operation: Schema, components: dict[str, Schema]) -> Iterator[str]:
    """Yield the lines that declare the query of an operation, without what the client adds itself."""
    yield f"class {name}(TypedDict, total=False):"
    yield f'    """Query of `{operation["operationId"]}`."""'
    yield ""
    for reference in operation["parameters"]:
        parameter = components[reference["$ref"].rpartition("/")[2]] if "$ref" in reference else reference
        if parameter["in"] != "query" or parameter["name"] in _OWN_PARAMETERS:
            continue
        text = annotate(parameter["schema"])
        if parameter["name"] in _COMMA_LISTS or text.startswith("list["):
            text = "str | list[str]"
        yield f"    {parameter['name']}: {text}"


def find_used(document: Schema, schemas: dict[str, Schema]) -> set[str]:
    """Return the names of the schemas that requests and answers refer to, directly or not."""
    operations = {path: item for path, item in document["paths"].items() if path.startswith("/v1/")}
    used: set[str] = set()
    components = document["components"]
    waiting: list[Any] = [operations]
    while waiting:
        text = json.dumps(waiting.pop())
        for kind, name in re.findall(r'"\$ref": "#/components/(\w+)/([\w-]+)"', text):
            if kind == "schemas" and name not in used:
                used.add(name)
                waiting.append(schemas[name])
            elif kind in ("parameters", "requestBodies", "responses"):
                waiting.append(components[kind][name])
    return used


def find_base(schema: Schema) -> str | None:
    """Return the name of the object that an object extends."""
    parts = schema.get("allOf", [])
    return parts[0]["$ref"].rpartition("/")[2] if len(parts) > 1 and "$ref" in parts[0] else None


def order_by_bases(schemas: dict[str, Schema]) -> Iterator[str]:
    """Yield names in alphabetical order, but the object that another one extends before it."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            if base := find_base(schemas[name]):
                yield from visit(base)
            yield name

    for name in sorted(schemas):
        yield from visit(name)


def declare(name: str, schema: Schema) -> Iterator[str]:
    """Yield the lines that declare a schema."""
    base = find_base(schema)
    own = schema["allOf"][1] if base else schema
    description = schema.get("description", "").partition("\n")[0].replace("\\", "\\\\")
    if "properties" not in own:
        text = annotate(schema)
        yield f"{name}: TypeAlias = {text if text.startswith('Literal') else repr(text)}"
        if description:
            yield f'"""{description}"""'
        return
    required = own.get("required", [])
    members = {
        member: annotate(value) if member in required else f"NotRequired[{annotate(value)}]"
        for member, value in own["properties"].items()
    }
    if any(keyword.iskeyword(member) or not member.isidentifier() for member in members):
        assert base is None, name
        yield f"{name} = TypedDict("
        yield f'    "{name}",'
        yield "    {"
        yield from (f'        "{member}": "{text}",' for member, text in members.items())
        yield "    },"
        yield ")"
        return
    yield f"class {name}({base or 'TypedDict'}):"
    if description:
        yield from textwrap.wrap(f'"""{description}"""', WIDTH - 4, initial_indent="    ", subsequent_indent="    ")
        yield ""
    yield from (f"    {member}: {text}" for member, text in members.items())


def annotate(schema: Schema) -> str:
    """Return the type of a value."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        values = ", ".join(repr(value) for value in schema["enum"] if value is not None)
        return f"Literal[{values}]" + (" | None" if None in schema["enum"] else "")
    for combined in ("anyOf", "oneOf", "allOf"):
        if combined in schema:
            return " | ".join(dict.fromkeys(annotate(part) for part in schema[combined]))
    kinds = schema.get("type", [])
    names = [annotate_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " | ".join(names) or "object"


def annotate_kind(kind: str, schema: Schema) -> str:
    """Return the type of a value of one JSON type."""
    if kind == "array":
        return f"list[{annotate(schema.get('items', {}))}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {annotate(values) if isinstance(values, dict) else 'object'}]"
    return _SCALARS[kind]


def make_waiting(source: str) -> str:
    """Return the module of the client that waits, from that of the async one."""
    title = "The client that waits. Made from _async.py by generate.py: do not edit."
    source = source.replace("The async client.", title, 1)
    source = re.sub(r"\basync (def|for|with)\b", r"\1", source)
    source = re.sub(r"\bawait ", "", source)
    source = re.sub(r"Awaitable\[([^\]]+)\]", r"\1", source)
    return re.sub(r"\b\w+\b", lambda match: _NAMES.get(match[0], match[0]), source)


def main() -> int:
    """Write or check the modules."""
    source = (PACKAGE / "_async.py").read_text("utf-8")
    made = {
        PACKAGE / "models.py": make_models(json.loads(DOCUMENT.read_text("utf-8")), source),
        PACKAGE / "_sync.py": make_waiting(source),
    }
    if "--check" not in sys.argv[1:]:
        for path, text in made.items():
            path.write_text(text, "utf-8")
        return 0
    stale = [path.name for path, text in made.items() if path.read_text("utf-8") != text]
    if stale:
        sys.stderr.write(f"clients/python: {', '.join(stale)}: not current, run `make openapi`\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
