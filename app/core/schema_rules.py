"""Rules as JSON Schema says them, between the fields of a body or within a parameter that holds a list.

They are for the OpenAPI document; the checks stand elsewhere.

A rule between fields names faults: a body keeps it if none of them fits. Written with `if` alone, rules do not change
what generators make of a body, while of `oneOf`, `anyOf` and `not` they make classes of their own.
"""

import re
from collections.abc import Iterable
from typing import Any

Rule = dict[str, Any]
NOT_BLANK: Rule = {"pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}
"""Something beside white space."""
FIELD_NAMES: Rule = {"pattern": r"^\s*\w+(?:\.\w+)*\s*(?:,\s*\w+(?:\.\w+)*\s*)*$"}
"""Names of fields and of fields inside them; which ones there are differs from answer to answer."""


def _given(*names: str) -> Rule:
    """These fields are there, and not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def _absent(*names: str) -> Rule:
    """These fields are not there, or null."""
    return {"properties": {name: {"type": "null"} for name in names}}


def _all_of(first: Rule, second: Rule) -> Rule:
    """Both hold, which speak of different fields."""
    required = [*first.get("required", ()), *second.get("required", ())]
    properties = {**first.get("properties", {}), **second.get("properties", {})}
    return {"required": required, "properties": properties}


def _none_of(*faults: Rule) -> Rule:
    return {"if": faults[0] if len(faults) == 1 else {"anyOf": list(faults)}, "then": {"not": {}}}


def _faults(rule: Rule) -> list[Rule]:
    fault: Rule = rule["if"]
    return list(fault["anyOf"]) if "anyOf" in fault else [fault]


def given(*names: str) -> Rule:
    """These fields are given."""
    return _none_of(*(_absent(name) for name in names))


def absent(*names: str) -> Rule:
    """These fields are not given."""
    return _none_of(*(_given(name) for name in names))


def exactly_one(*names: str) -> Rule:
    """One of these fields is given, and no other."""
    pairs = [_given(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    return _none_of(_absent(*names), *pairs)


def not_together(*names: str) -> Rule:
    """These fields are not all given."""
    return _none_of(_given(*names))


def all_or_none(*names: str) -> Rule:
    """These fields are given together or not at all."""
    return _none_of(*(_all_of(_given(one), _absent(other)) for one in names for other in names if one != other))


def matching(name: str, pattern: str) -> Rule:
    """A field, if it is a text, matches a pattern."""
    return _none_of({"required": [name], "properties": {name: {"not": {"pattern": pattern}}}})


def not_with(name: str, values: str, value: str) -> Rule:
    """A field is not given where another, a list, has this value."""
    holds = {"required": [values], "properties": {values: {"contains": {"const": value}}}}
    return _none_of(_all_of(holds, _given(name)))


def both(*rules: Rule) -> Rule:
    """All of these rules hold."""
    return _none_of(*(fault for rule in rules for fault in _faults(rule)))


def where(name: str, values: list[str], rule: Rule) -> Rule:
    """Where a field has one of these values, a rule holds."""
    applies = {"required": [name], "properties": {name: {"enum": values}}}
    return _none_of(*(_all_of(applies, fault) for fault in _faults(rule)))


def any_of(names: Iterable[str], *, instead: Iterable[str] = (), spaces: bool = True) -> Rule:
    """Some of these names with commas between them, and with spaces if need be, or one of those that stand alone."""
    space = r"\s*" if spaces else ""
    name = f"(?:{'|'.join(map(re.escape, names))})"
    some = f"{name}(?:{space},{space}{name})*"
    if instead:
        some = f"(?:{'|'.join(instead)}|{some})"
    return {"pattern": f"^{space}{some}{space}$"}


def references(max_items: int, max_length: int | None = None) -> Rule:
    """At most so many ids or slugs with commas between them, each of so many characters at most."""
    reference = rf"\s*[^\x00\s,]{_up_to(max_length)}"
    return {"pattern": f"^{reference}(?:,{reference}){{0,{max_items - 1}}}$"}


def filter_values(max_items: int, value: str) -> Rule:
    """At most so many values of a filter: any of them, or none of them if the first has a leading `-`."""
    more = f"{{0,{max_items - 1}}}"
    return {"pattern": rf"^\s*(?:{value}(?:,\s*{value}){more}|-{value}(?:,\s*-?{value}){more})$"}


def _up_to(max_length: int | None) -> str:
    return f"[^\\x00,]{{0,{max_length - 1}}}" if max_length else r"[^\x00,]*"
