"""The parameter `fields`: `title,authors.name` selects exactly these fields of the public model."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias, get_args, get_origin

from pydantic import BaseModel

from app.core.problems import InvalidParameter, printable_name

Included = tuple[tuple[str, type[BaseModel]], ...]
FieldTree: TypeAlias = Mapping[str, "bool | FieldTree"]
"""Selected fields as Pydantic takes them for `include`; `__all__` stands for the items of a list."""
_Branch: TypeAlias = dict[str, "bool | _Branch"]


def _find_model(annotation: object) -> type[BaseModel] | None:
    """Return the model inside `Model`, `Model | None` or `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _find_model(part))), None)


def is_list(annotation: object) -> bool:
    """Whether a field contains a list, possibly `None`."""
    return get_origin(annotation) is list or any(map(is_list, get_args(annotation)))


def _add_path(tree: _Branch, model: type[BaseModel], path: list[str], shown: str, included: Included = ()) -> None:
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
    branch = tree.setdefault(name, {})
    if is_list(info.annotation) and isinstance(branch, dict):
        branch = branch.setdefault("__all__", {})
    if isinstance(branch, dict):  # else the whole field is selected
        _add_path(branch, inner, rest, shown)


@lru_cache(1024)
def parse_fields(model: type[BaseModel], fields: str | None, included: Included = ()) -> FieldTree | None:
    """Parse a `fields` parameter; None without one, for all fields. 400 for unknown names.

    `included` gives the models of fields that this model knows as JSON only.
    """
    if fields is None:
        return None
    tree: _Branch = {}
    for field in fields.split(","):
        name = field.strip()
        if name.startswith("-"):
            raise InvalidParameter("fields", "fields: name the fields to give; `-` cannot leave fields out.")
        _add_path(tree, model, name.split("."), printable_name(name), included)
    return tree


def parse_row_fields(list_model: type[BaseModel], fields: str | None) -> FieldTree | None:
    """Parse a `fields` parameter of a list, which selects fields of each row in its `data`."""
    model = _find_model(list_model.model_fields["data"].annotation)
    assert model is not None, "a list has rows of a model"
    return parse_fields(model, fields)


def pick_fields(value: object, tree: bool | FieldTree) -> object:
    """Return the selected fields of plain data, as `include` of Pydantic selects those of a model."""
    if isinstance(tree, bool) or value is None:
        return value
    if isinstance(value, list):
        return [pick_fields(item, tree["__all__"]) for item in value]
    assert isinstance(value, dict), "fields are selected of objects"
    return {name: pick_fields(item, tree[name]) for name, item in value.items() if name in tree}


def dump_json(model: type[BaseModel], value: object, include: FieldTree | None = None) -> bytes:
    """Validate a row against the public model and write it as JSON; `include` limits it to selected fields.

    Fields that the row does not have are absent, not null.
    """
    checked = model.model_validate(value)
    return checked.__pydantic_serializer__.to_json(checked, include=include, exclude_unset=True)
