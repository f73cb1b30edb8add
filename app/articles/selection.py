"""Selecting parts of articles: `fields` and `formats` combined, so that everything requested is returned."""

from collections.abc import Iterator
from typing import Any

from app.articles.reading import can_read_drafts, parse_formats
from app.articles.schemas import TEXT_FORMATS
from app.core.problems import Forbidden, InvalidParameter, Unauthorized
from app.identity.schemas import ANONYMOUS, Actor

FieldTree = dict[str, Any] | None
"""The `fields` parameter as `parse_fields` returns it; None: all fields."""


def resolve_formats(formats: str | None, *trees: Any, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the text formats that `formats` names or that selected fields need: `fields=body.html` needs HTML."""
    names = set(parse_formats(formats, default))
    for tree in trees:
        body = tree.get("body") if isinstance(tree, dict) else None
        if isinstance(body, dict):
            names |= body.keys()
        elif body and not names:
            names.add("html")
    return tuple(name for name in TEXT_FORMATS if name in names)


def subtree_of(tree: Any, *path: str) -> Any:
    """Return the selected fields of a part of an answer; None for all or none of it."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
        if isinstance(tree, dict) and "__all__" in tree:
            tree = tree["__all__"]
    return tree


def _iterate_names(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield name
            yield from _iterate_names(inner)


def refuse_fields(tree: Any, *names: str) -> None:
    """Answer 400 for selected fields that this answer does not have."""
    for name in names:
        if name in _iterate_names(tree):
            raise InvalidParameter(
                "fields", f"fields: {name} is not part of this response. Request the article itself."
            )


def check_editing(tree: FieldTree, actor: Actor) -> None:
    """Answer 401 or 403 for `fields=editing` by a caller who may not read it."""
    if tree and "editing" in tree and not can_read_drafts(actor):
        raise (Unauthorized if actor is ANONYMOUS else Forbidden)(
            "editing needs a key with the scope content:read or content:write."
        )
