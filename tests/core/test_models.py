"""Models are built at their first use: a process starts without the many that it never needs."""

import sys
from collections.abc import Iterator

import pydantic

import app.main  # noqa: F401  imports every room
from app.core.settings import Settings


def iterate_models(model: type[pydantic.BaseModel]) -> Iterator[type[pydantic.BaseModel]]:
    """Iterate over the models of the app that derive from a model, tables among them, except the settings."""
    for derived in model.__subclasses__():
        if derived is not Settings:
            if derived.__module__.startswith("app.") and derived.__module__ in sys.modules:  # not those of tests
                yield derived
            yield from iterate_models(derived)


def test_every_model_is_built_at_its_first_use() -> None:
    models = list(iterate_models(pydantic.BaseModel))
    assert len(models) > 300
    assert [model for model in models if not model.model_config.get("defer_build")] == []
