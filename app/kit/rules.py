"""Rules between the fields of a body as JSON Schema says them: for the OpenAPI document, the checks stand elsewhere."""

from typing import Any

Rule = dict[str, Any]


def given(*names: str) -> Rule:
    """These fields are there, and not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def absent(*names: str) -> Rule:
    """These fields are not there, or null."""
    return {"properties": {name: {"type": "null"} for name in names}}


def exactly_one(*names: str) -> Rule:
    """One of these fields is given, and no other."""
    return {"oneOf": [given(name) for name in names]}


def not_together(*names: str) -> Rule:
    """These fields are not all given."""
    return {"not": given(*names)}


def all_or_none(*names: str) -> Rule:
    """These fields are given together or not at all."""
    return {"anyOf": [given(*names), absent(*names)]}


def both(*rules: Rule) -> Rule:
    """All of these rules hold."""
    return {"allOf": list(rules)}


def where(name: str, values: list[str], rule: Rule) -> Rule:
    """Where a field has one of these values, a rule holds."""
    return {"anyOf": [{"properties": {name: {"not": {"enum": values}}}}, rule]}
