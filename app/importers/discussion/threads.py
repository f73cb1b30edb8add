"""The threads of imported comments."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from app.importers.discussion.comments import SourceComment

_ALLOWED_PARENT_STATES: Final = {
    "published": {"published", "removed"},
    "removed": {"published", "removed"},
    "pending": {"published", "removed", "pending"},
    "rejected": {"published", "removed", "pending", "rejected"},
    "spam": {"published", "removed", "pending", "rejected", "spam"},
}
"""States that the parent of a comment may have, by the comment's state: a public comment needs a public parent."""


def can_be_under(state: str, parent_state: str) -> bool:
    """Tell whether a comment may have a parent in a state."""
    return parent_state in _ALLOWED_PARENT_STATES[state]


def find_visible_parents(
    comments: Iterable[SourceComment], states: Mapping[str, str], absent: Mapping[str, str]
) -> dict[str, str]:
    """Find the key of the parent of each comment: its own, or the nearest ancestor that may be one; empty at the top.

    `states` are those of all stored and imported comments, by key; cycles are broken.
    """
    comments = list(comments)
    parents = {**absent, **{comment.key: comment.parent for comment in comments}}
    _break_cycles(parents)
    chosen = {}
    for comment in comments:
        allowed, above = _ALLOWED_PARENT_STATES[states[comment.key]], parents[comment.key]
        while above and states.get(above) not in allowed:
            above = parents.get(above, "")
        chosen[comment.key] = above
    return chosen


def _break_cycles(parents: dict[str, str]) -> None:
    done: set[str] = set()
    for key in parents:
        path: set[str] = set()
        while key in parents and key not in done:
            if parents[key] in path or parents[key] == key:
                parents[key] = ""
            path.add(key)
            key = parents[key]
        done |= path


def sort_parents_first(comments: Iterable[SourceComment], parents: Mapping[str, str]) -> list[SourceComment]:
    """Sort comments level by level, keeping their order within each level."""
    under: dict[str, list[SourceComment]] = defaultdict(list)
    comments = list(comments)
    keys = {comment.key for comment in comments}
    for comment in comments:
        under[parents[comment.key] if parents[comment.key] in keys else ""].append(comment)
    ordered, waiting = list[SourceComment](), deque(under[""])
    while waiting:
        comment = waiting.popleft()
        ordered.append(comment)
        waiting.extend(under.get(comment.key, ()))
    return ordered
