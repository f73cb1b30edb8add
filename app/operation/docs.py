"""The page at `/docs`: the OpenAPI document as plain HTML, so that nothing is loaded from anywhere."""

from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1a1a1a;background:#fff}
summary{cursor:pointer;padding:.35rem 0}code,b.method{font-family:ui-monospace,monospace;font-size:.9em}
b.method{display:inline-block;min-width:4.5em}table{border-collapse:collapse;width:100%}
td,th{border-top:1px solid #ccc;padding:.25rem .5rem;text-align:left;vertical-align:top}
details>*:not(summary){margin-left:1rem}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}td,th{border-color:#444}a{color:#9cf}}
"""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(map(_type, choices))
    if "enum" in schema:
        return " | ".join(escape(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("type"), list):
        return " or ".join(_type({**schema, "type": kind}) for kind in schema["type"])
    return escape(str(schema.get("format") or schema.get("const") or schema.get("type") or "any"))


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(f"<tr><td><code>{escape(n)}</code><td>{kind}<td>{escape(text)}" for n, kind, text in rows)
    return f"<table>{cells}</table>" if rows else ""


def _resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference to a shared parameter or response stands for, or the part itself."""
    if "$ref" not in part:
        return part
    _, _, section, name = part["$ref"].split("/")
    found: dict[str, Any] = document["components"][section][name]
    return found


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    name = f'<b class="method">{method.upper()}</b> <code>{escape(path)}</code>'
    yield f"<details><summary>{name} {escape(operation.get('summary', ''))}</summary>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    parameters = [_resolve(document, each) for each in operation.get("parameters", [])]
    yield _table([(p["name"], _type(p["schema"]) + f" ({p['in']})", p.get("description", "")) for p in parameters])
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: {_type(content['schema'])} as <code>{escape(media)}</code></p>"
    answers: list[tuple[str, str, str]] = []
    for status, shared in operation["responses"].items():
        answer = _resolve(document, shared)
        schema: dict[str, Any] = next((content.get("schema", {}) for content in answer.get("content", {}).values()), {})
        answers.append((status, _type(schema), answer.get("description", "")))
    yield _table(answers) + "</details>"


def page(document: dict[str, Any]) -> str:
    """The whole document as one page."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Broadsheet API</title>",
        f"<style>{_STYLE}</style>",
    ]
    parts.append('<h1>Broadsheet API</h1><p>The same as data: <a href="/openapi.json">/openapi.json</a>.</p>')
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(document, path, method, operation)
    parts.append("<h2>Schemas</h2>")
    for name, schema in sorted(document["components"]["schemas"].items()):
        rows = [(n, _type(p), p.get("description", "")) for n, p in schema.get("properties", {}).items()]
        parts.append(
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_table(rows)}</details>'
        )
    return "".join(parts)
