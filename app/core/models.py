"""The base of all models of what comes in and goes out."""

import warnings
from contextlib import AbstractContextManager

import pydantic
from pydantic.warnings import UnsupportedFieldAttributeWarning


class BaseModel(pydantic.BaseModel):
    """A model that is validated with what is built at its first use, not at its import.

    A process uses few of some 300 models, and to build them all takes a third of its start and of its memory.
    """

    model_config = pydantic.ConfigDict(defer_build=True)


class InputModel(BaseModel):
    """A model of what clients send: unknown members are errors."""

    model_config = pydantic.ConfigDict(extra="forbid")


def ignore_unused_aliases() -> AbstractContextManager[object]:
    """Let Pydantic not warn of the aliases that FastAPI gives to models, which are built later than it expects."""
    return warnings.catch_warnings(action="ignore", category=UnsupportedFieldAttributeWarning)
