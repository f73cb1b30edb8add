"""Who answers whom: pure reckoning on the keys of a file."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from app.importers.discussion.remarks import Remark

_HOSTS: Final = {
    "published": {"published", "removed"},
    "removed": {"published", "removed"},
    "pending": {"published", "removed", "pending"},
    "rejected": {"published", "removed", "pending", "rejected"},
    "spam": {"published", "removed", "pending", "rejected", "spam"},
}
"""Under what a comment may stand, by its state: what is public needs a public place in its thread."""


def may_stand(state: str, *, under: str) -> bool:
    """Whether a comment of one state may answer one of another."""
    return under in _HOSTS[state]


def hosts(remarks: Iterable[Remark], states: Mapping[str, str], absent: Mapping[str, str]) -> dict[str, str]:
    """The key that each remark stands under, empty at the top: its parent, or the nearest above it that can be one.

    `states` has all that is here or comes now, by key; what answers itself in a circle begins at the top.
    """
    remarks = list(remarks)
    parents = {**absent, **{remark.key: remark.parent for remark in remarks}}
    _break_circles(parents)
    found = {}
    for remark in remarks:
        allowed, above = _HOSTS[states[remark.key]], parents[remark.key]
        while above and states.get(above) not in allowed:
            above = parents.get(above, "")
        found[remark.key] = above
    return found


def _break_circles(parents: dict[str, str]) -> None:
    done: set[str] = set()
    for key in parents:
        path: set[str] = set()
        while key in parents and key not in done:
            if parents[key] in path or parents[key] == key:
                parents[key] = ""
            path.add(key)
            key = parents[key]
        done |= path


def parents_first(remarks: Iterable[Remark], host: Mapping[str, str]) -> list[Remark]:
    """The remarks level by level, in their own order within each."""
    under: dict[str, list[Remark]] = defaultdict(list)
    remarks = list(remarks)
    keys = {remark.key for remark in remarks}
    for remark in remarks:
        under[host[remark.key] if host[remark.key] in keys else ""].append(remark)
    ordered, waiting = list[Remark](), deque(under[""])
    while waiting:
        remark = waiting.popleft()
        ordered.append(remark)
        waiting.extend(under.get(remark.key, ()))
    return ordered
