"""Which parts of an article an answer gives: `fields` and `formats` together, so that nothing asked for is left out."""

from collections.abc import Iterator
from typing import Any

from app.articles.reading import chosen_formats, sees_drafts
from app.articles.schemas import FORMATS
from app.core.problems import Forbidden, InvalidParameter, Unauthorized
from app.identity.schemas import ANONYMOUS, Actor

Tree = dict[str, Any] | None
"""What `kit.fields.chosen` makes of `fields`; None: all of them."""


def add_formats(formats: str | None, *trees: Any, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The formats of texts that `formats` names or that chosen fields need: `fields=body.html` needs HTML."""
    wanted = set(chosen_formats(formats, default))
    for tree in trees:
        body = tree.get("body") if isinstance(tree, dict) else None
        if isinstance(body, dict):
            wanted |= body.keys()
        elif body and not wanted:
            wanted.add("html")
    return tuple(name for name in FORMATS if name in wanted)


def branch_of(tree: Any, *path: str) -> Any:
    """The chosen fields of a part of an answer: None for all or none of it."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
        if isinstance(tree, dict) and "__all__" in tree:
            tree = tree["__all__"]
    return tree


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield name
            yield from _names(inner)


def refuse_fields(tree: Any, *names: str) -> None:
    """400 for chosen fields that this answer does not have."""
    for name in names:
        if name in _names(tree):
            raise InvalidParameter("fields", f"fields: {name} is not in this answer; read the article by itself.")


def check_editing(tree: Tree, actor: Actor) -> None:
    """401 or 403 for `fields=editing` by a caller who is not given it."""
    if tree and "editing" in tree and not sees_drafts(actor):
        raise (Unauthorized if actor is ANONYMOUS else Forbidden)(
            "editing needs a key with the scope content:read or content:write."
        )
