"""Requests to the hub, and the topics that it has."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator

from app.feeds.entries import FORMATS
from app.feeds.schemas import Publication
from app.text.inputs import clean_text

Mode = Literal["subscribe", "unsubscribe"]
Kind = Literal["site", "section", "tag", "author", "comments"]
TERMS: Final = ("section", "tag", "author")
LEASE: Final = 864_000  # seconds: ten days, what the specification suggests
LEASES: Final = (3600, 2_592_000)  # the shortest and the longest
CALLBACK: Final = 1500  # characters: it is asked with the topic and the challenge in its query
SECRET: Final = 200  # bytes, which it must be shorter than (WebSub §5.1)
_FORMS = "|".join(FORMATS)
_TOPIC: Final = re.compile(
    rf"/feeds/(?:site|(?P<kind>sections|tags|authors)/(?P<term>[^/?#]+)|articles/(?P<article>[^/?#]+)/comments)"
    rf"\.(?P<form>{_FORMS})"
)


def _short(secret: str) -> str:
    if clean_text(secret) != secret or len(secret.encode()) >= SECRET:
        raise ValueError(f"must be shorter than {SECRET} bytes, in NFC and without control characters")
    return secret


def _absent(value: object) -> object:
    """What older clients leave empty is not there."""
    return None if value == "" else value


Absent = BeforeValidator(_absent)
Secret = Annotated[str, AfterValidator(_short)]


class Topic(NamedTuple):
    """A feed, as its address names it."""

    kind: Kind
    ref: str
    form: str


class Feeds(NamedTuple):
    """The feeds of one thing in every format, or without a target, of all things of a kind."""

    kind: Kind
    target_id: str | None = None

    @property
    def name(self) -> str:
        """What they are called in deliveries."""
        return f"{self.kind}:{self.target_id}" if self.target_id else self.kind

    @classmethod
    def of(cls, name: str) -> "Feeds":
        """Those of a name."""
        kind, _, target_id = name.partition(":")
        return cls(kind, target_id or None)  # type: ignore[arg-type]  # names are only made here


def name_of(hub: str) -> str:
    """What another hub is called in deliveries."""
    return f"hub-{sha256(hub.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class Wish:
    """What a subscriber asks for."""

    mode: Mode
    topic: str
    callback: str
    lease_seconds: int = LEASE
    secret: str | None = None

    @property
    def lease(self) -> int:
        """As long as it asks for, within bounds; the callback is told."""
        return min(max(self.lease_seconds, LEASES[0]), LEASES[1])


def topic_of(url: str, here: Publication) -> Topic | None:
    """The feed at an address of this server; archives never change, so nobody is told of them."""
    found = _TOPIC.fullmatch(url.removeprefix(here.api)) if url.startswith(f"{here.api}/") else None
    if found is None:
        return None
    kinds: dict[str | None, Kind] = {"sections": "section", "tags": "tag", "authors": "author", None: "site"}
    kind: Kind = "comments" if found["article"] else kinds[found["kind"]]
    return Topic(kind, unquote(found["article"] or found["term"] or ""), found["form"])
