"""What all events of the log have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self, dataclass_transform

from app.db.rows import JsonObject

_NOT_IN_PAYLOAD: Final = frozenset({"subject_id", "within"})


@dataclass_transform(frozen_default=True, kw_only_default=True)
@dataclass(frozen=True, kw_only=True)
class EventBase:
    """The base of all events: a name, the id of a subject, and in most cases an article that the event is about.

    Every class derived from it is a frozen dataclass; those with a `name` are events.
    """

    name: ClassVar[str]
    payload_names: ClassVar[tuple[str, ...]]  # the fields that a payload may have

    subject_id: str

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        if name is not None:
            cls.name = name
        dataclass(frozen=True, kw_only=True)(cls)
        cls.payload_names = tuple(each.name for each in fields(cls) if each.name not in _NOT_IN_PAYLOAD)

    @property
    def about_article(self) -> str | None:
        """The id of the article that the event is about, for the log; None where it is about several or none."""
        return None

    def cache_groups(self) -> list[str]:
        """Return the cache groups whose answers this event makes stale."""
        raise TypeError(f"{type(self).__name__} names no cache groups")

    def payload(self) -> JsonObject:
        """Return the fields other than the subject as JSON. `within` is left out: the cache groups contain it."""
        return {name: value for name, value in vars(self).items() if name not in _NOT_IN_PAYLOAD}

    @classmethod
    def from_payload(cls, subject_id: str, payload: Mapping[str, Any]) -> Self:
        """Read an event from the log. Members that former releases did not write have their defaults."""
        return cls(subject_id=subject_id, **{name: payload[name] for name in cls.payload_names if name in payload})


class OfArticle(EventBase):
    """An event whose subject is an article."""

    @property
    def about_article(self) -> str:
        """The article itself."""
        return self.subject_id
