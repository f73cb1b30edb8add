"""Texts in requests: what the OpenAPI document says is too long or has another form, the server refuses as well."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
from pydantic import BaseModel, ValidationError

from app.core.settings import Settings
from app.main import create_app

MAX_TRIED_LENGTH = 10_000  # longer limits stand on the same type
SAMPLES = ["a", "ab", "/a", "https://a.example/", "a@b.example", "a.example", "10%", "2026-11-30", "DE", "noindex"]
SAMPLES += ["2026-11-30T10:00:00Z", "0199aaaa-0000-7000-8000-000000000000"]
PATTERNS = jsonschema_rs.FancyRegexOptions(size_limit=100_000_000)
Place = Callable[[str], Any]


def find_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type is made of, without those of their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from find_models(part)


def list_models(types: Iterable[Any]) -> list[type[BaseModel]]:
    """List the models that types are made of, also those of their fields."""
    waiting = [model for each in types for model in find_models(each)]
    models: set[type[BaseModel]] = set()
    while waiting:
        model = waiting.pop()
        if model not in models:
            models.add(model)
            waiting += (inner for info in model.model_fields.values() for inner in find_models(info.annotation))
    return sorted(models, key=lambda model: model.__qualname__)


def find_texts(schema: dict[str, Any]) -> Iterator[tuple[int, Place]]:
    """Yield the maximal lengths of the texts in a schema, each with a function that puts a text in its place."""
    if schema.get("type") == "string":
        yield schema.get("maxLength", MAX_TRIED_LENGTH + 1), lambda text: text
    elif schema.get("type") == "array":
        yield from ((length, lambda text, put=put: [put(text)]) for length, put in find_texts(schema["items"]))
    for option in schema.get("anyOf", ()):
        yield from find_texts(option)


def find_faults(model: type[BaseModel], tried: set[str], *, is_query: bool) -> Iterator[str]:
    """Yield what a model accepts and its schema does not, of texts that differ from others in what is cleaned away.

    Of queries it is what is too long: routes check the form of lists, cursors and positions themselves.
    """
    schema = model.model_json_schema()
    names = {
        str(info.alias or name): repr((info.annotation, info.metadata)) for name, info in model.model_fields.items()
    }
    for name, part in schema.get("properties", {}).items():
        if names[name] in tried:
            continue
        tried.add(names[name])
        whole: Any = None
        for longest, put in find_texts(part):
            whole = whole or jsonschema_rs.validator_for(
                {**part, "$defs": schema.get("$defs", {})}, pattern_options=PATTERNS
            )
            samples = SAMPLES
            if longest <= MAX_TRIED_LENGTH:
                samples = [start + "x" * (longest - len(start)) for start in ("", "/", "https://a.example/")] + SAMPLES
            for sample in samples:
                if whole.is_valid(put(sample)):
                    for text in vary(sample):
                        is_tried = len(text) > longest or not is_query
                        if is_tried and not whole.is_valid(put(text)) and accepts(model, name, put(text)):
                            yield f"{model.__name__}.{name} ({len(text)}): {text[:30]!a}"


def vary(text: str) -> list[str]:
    """List texts that are the given one, or one of its length, once they are cleaned."""
    return [f" {text}", f"{text}\u3000", f"{text}\r\n", f"\u200b{text}", f"{text[:-1]}e\u0301", text.upper()]


def accepts(model: type[BaseModel], name: str, value: Any) -> bool:
    """Tell whether a model finds no fault with one field."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return all(fault["loc"][:1] != (name,) for fault in error.errors(include_input=False, include_context=False))
    return True


def test_what_the_document_forbids_is_refused(all_settings: Settings, tmp_path: Path) -> None:
    routes = create_app(all_settings.model_copy(update={"data_dir": tmp_path}), with_worker=False).routes
    dependants = [route.dependant for route in routes if hasattr(route, "dependant")]
    bodies = list_models(field.field_info.annotation for each in dependants for field in each.body_params)
    queries = list_models(field.field_info.annotation for each in dependants for field in each.query_params)
    assert min(len(bodies), len(queries)) > 20
    tried: set[str] = set()
    faults = [fault for model in bodies for fault in find_faults(model, tried, is_query=False)]
    faults += [fault for model in queries for fault in find_faults(model, tried, is_query=True)]
    assert not faults, "\n".join(faults)
