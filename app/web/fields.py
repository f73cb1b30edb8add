"""`fields=title,authors.name`: exactly those, from an allow-list that is the public model itself."""

from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from app.core.problems import InvalidParameter, printable_name

Included = tuple[tuple[str, type[BaseModel]], ...]


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `Model | None` or `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _find_model(part))), None)


def is_list(annotation: Any) -> bool:
    """Whether a field holds a list, `None` or not."""
    return get_origin(annotation) is list or any(map(is_list, get_args(annotation)))


def _add_path(
    tree: dict[str, Any], model: type[BaseModel], path: list[str], shown: str, included: Included = ()
) -> None:
    name, *rest = path
    info = model.model_fields.get(name)
    if info is None:
        raise InvalidParameter("fields", f"fields: there is no field {shown}.")
    if not rest:
        tree[name] = True
        return
    inner = dict(included).get(name) or _find_model(info.annotation)
    if inner is None:
        raise InvalidParameter("fields", f"fields: there is no field {shown}.")
    many = is_list(info.annotation)
    branch = tree.setdefault(name, {"__all__": {}} if many else {})
    if branch is not True:
        _add_path(branch["__all__"] if many else branch, inner, rest, shown)


@lru_cache(1024)
def parse_fields(model: type[BaseModel], fields: str | None, included: Included = ()) -> dict[str, Any] | None:
    """What Pydantic calls `include` for a `fields` parameter; None, for all, without one. 400 for unknown names.

    `included` gives the models of fields that this model knows as JSON only.
    """
    if fields is None:
        return None
    tree: dict[str, Any] = {}
    for field in fields.split(","):
        name = field.strip()
        if name.startswith("-"):
            raise InvalidParameter("fields", "fields: name the fields to give; `-` cannot leave fields out.")
        _add_path(tree, model, name.split("."), printable_name(name), included)
    return tree


def pick_fields(value: Any, tree: Any) -> Any:
    """The chosen fields of plain data: what `chosen` gives, for JSON that is not made from a model."""
    if tree is True or value is None:
        return value
    if isinstance(value, list):
        return [pick_fields(item, tree["__all__"]) for item in value]
    return {name: pick_fields(item, tree[name]) for name, item in value.items() if name in tree}
