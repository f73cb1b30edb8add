"""Rules as JSON Schema says them, between the fields of a body or within a parameter that holds a list.

They are for the OpenAPI document; the checks stand elsewhere.
"""

import re
from collections.abc import Iterable
from typing import Any

Rule = dict[str, Any]
NOT_BLANK: Rule = {"pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}
"""Something beside white space."""
FIELD_NAMES: Rule = {"pattern": r"^\s*\w+(?:\.\w+)*\s*(?:,\s*\w+(?:\.\w+)*\s*)*$"}
"""Names of fields and of fields inside them; which ones there are differs from answer to answer."""


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


def any_of(names: Iterable[str], *, instead: Iterable[str] = (), spaces: bool = True) -> Rule:
    """Some of these names with commas between them, and with spaces if need be, or one of those that stand alone."""
    space = r"\s*" if spaces else ""
    name = f"(?:{'|'.join(map(re.escape, names))})"
    some = f"{name}(?:{space},{space}{name})*"
    if instead:
        some = f"(?:{'|'.join(instead)}|{some})"
    return {"pattern": f"^{space}{some}{space}$"}


def references(most: int, longest: int | None = None) -> Rule:
    """At most so many ids or slugs with commas between them, each of so many characters at most."""
    one = rf"\s*[^\x00\s,]{_up_to(longest)}"
    return {"pattern": f"^{one}(?:,{one}){{0,{most - 1}}}$"}


def filter_values(most: int, value: str) -> Rule:
    """At most so many values of a filter: any of them, or none of them if the first has a leading `-`."""
    more = f"{{0,{most - 1}}}"
    return {"pattern": rf"^\s*(?:{value}(?:,\s*{value}){more}|-{value}(?:,\s*-?{value}){more})$"}


def _up_to(longest: int | None) -> str:
    return f"[^\\x00,]{{0,{longest - 1}}}" if longest else r"[^\x00,]*"
