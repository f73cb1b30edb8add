"""Requests to the hub, and the topics that it has."""

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from app.syndication.formats.entries import FORMATS
from app.syndication.schemas import Publication

Mode = Literal["subscribe", "unsubscribe"]
Kind = Literal["site", "section", "tag", "author", "comments"]
LEASE: Final = 864_000  # seconds: ten days, what the specification suggests
LEASES: Final = (3600, 2_592_000)  # the shortest and the longest
_FORMS = "|".join(FORMATS)
_TOPIC: Final = re.compile(
    rf"/feeds/(?:site|(?P<kind>sections|tags|authors)/(?P<term>[^/?#]+)|articles/(?P<article>[^/?#]+)/comments)"
    rf"\.(?P<form>{_FORMS})"
)


class Topic(NamedTuple):
    """A feed, as its address names it."""

    kind: Kind
    ref: str
    form: str


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
