"""JSON Schema for rules between the fields of a body, and for parameters that contain a list.

They document the rules in OpenAPI; other code checks them.

A rule between fields lists the conditions that break it, under `if` with `then: {not: {}}`. Generators of clients
ignore `if`, while they would make classes of `oneOf`, `anyOf` and `not`.
"""

import re
from collections.abc import Iterable
from typing import Any

Rule = dict[str, Any]
NOT_BLANK: Rule = {"pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}
"""A text with a character other than white space."""
FIELD_NAMES: Rule = {"pattern": r"^\s*\w+(?:\.\w+)*\s*(?:,\s*\w+(?:\.\w+)*\s*)*$"}
"""Names of fields, with dots between those of nested ones; each route has others."""


def _given(*names: str) -> Rule:
    """Match where all of these fields are there and not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def _absent(*names: str) -> Rule:
    """Match where each of these fields is missing or null."""
    return {"properties": {name: {"type": "null"} for name in names}}


def _all_of(first: Rule, second: Rule) -> Rule:
    """Match where both conditions do; they are about different fields."""
    required = [*first.get("required", ()), *second.get("required", ())]
    properties = {**first.get("properties", {}), **second.get("properties", {})}
    return {"required": required, "properties": properties}


def _none_of(*faults: Rule) -> Rule:
    """Require that none of these conditions matches."""
    return {"if": faults[0] if len(faults) == 1 else {"anyOf": list(faults)}, "then": {"not": {}}}


def _faults(rule: Rule) -> list[Rule]:
    """Return the conditions that break a rule."""
    fault: Rule = rule["if"]
    return list(fault["anyOf"]) if fault.keys() == {"anyOf"} else [fault]


def given(*names: str) -> Rule:
    """Require these fields."""
    return _none_of(*(_absent(name) for name in names))


def absent(*names: str) -> Rule:
    """Forbid these fields."""
    return _none_of(*(_given(name) for name in names))


def exactly_one(*names: str) -> Rule:
    """Require exactly one of these fields."""
    return _none_of({"not": {"oneOf": [_given(name) for name in names]}})


def at_most_one(*names: str) -> Rule:
    """Require one of these fields, or none."""
    return _none_of({"not": {"oneOf": [_absent(*names), *(_given(name) for name in names)]}})


def not_together(*names: str) -> Rule:
    """Forbid all of these fields together."""
    return _none_of(_given(*names))


def all_or_none(*names: str) -> Rule:
    """Require all of these fields or none."""
    return _none_of(*(_all_of(_given(one), _absent(other)) for one in names for other in names if one != other))


def matching(name: str, pattern: str) -> Rule:
    """Require that a field, if it is a text, matches a pattern."""
    return _none_of({"required": [name], "properties": {name: {"not": {"pattern": pattern}}}})


def not_with(name: str, values: str, value: str) -> Rule:
    """Forbid a field where another, a list, contains this value."""
    holds = {"required": [values], "properties": {values: {"contains": {"const": value}}}}
    return _none_of(_all_of(holds, _given(name)))


def alone(values: str, value: str) -> Rule:
    """Forbid this value in a list with others."""
    return _none_of({"required": [values], "properties": {values: {"contains": {"const": value}, "minItems": 2}}})


def both(*rules: Rule) -> Rule:
    """Require all of these rules."""
    return _none_of(*(fault for rule in rules for fault in _faults(rule)))


def where(name: str, values: list[str], rule: Rule) -> Rule:
    """Require a rule where a field has one of these values."""
    applies = {"required": [name], "properties": {name: {"enum": values}}}
    return _none_of({**applies, "anyOf": _faults(rule)})


def any_of(names: Iterable[str], *, instead: Iterable[str] = (), spaces: bool = True) -> Rule:
    """Match some of these names with commas between them, or one of `instead`; `spaces` allows white space."""
    space = r"\s*" if spaces else ""
    name = f"(?:{'|'.join(map(re.escape, names))})"
    some = f"{name}(?:{space},{space}{name})*"
    if instead:
        some = f"(?:{'|'.join(instead)}|{some})"
    return {"pattern": f"^{space}{some}{space}$"}


def references(max_items: int, max_length: int | None = None) -> Rule:
    """Match up to `max_items` ids or slugs with commas between them, each of up to `max_length` characters."""
    reference = rf"\s*[^\x00\s,]{_up_to(max_length)}"
    return {"pattern": f"^{reference}(?:,{reference}){{0,{max_items - 1}}}$"}


def filter_values(max_items: int, value: str) -> Rule:
    """Match up to `max_items` values of a filter with commas between them; a leading `-` excludes values."""
    more = f"{{0,{max_items - 1}}}"
    return {"pattern": rf"^\s*(?:{value}(?:,\s*{value}){more}|-{value}(?:,\s*-?{value}){more})$"}


def _up_to(max_length: int | None) -> str:
    return f"[^\\x00,]{{0,{max_length - 1}}}" if max_length else r"[^\x00,]*"
