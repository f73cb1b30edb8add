"""Requests to the hub, and its topics."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Literal, NamedTuple, cast
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator

from app.feeds.entries import FORMATS
from app.feeds.schemas import Publication
from app.text.inputs import clean_text

Mode = Literal["subscribe", "unsubscribe"]
Kind = Literal["site", "section", "tag", "author", "comments"]
TERMS: Final = ("section", "tag", "author")
DEFAULT_LEASE_SECONDS: Final = 864_000  # ten days, as WebSub §5.1 suggests
LEASE_SECONDS_RANGE: Final = (3600, 2_592_000)  # shortest and longest
MAX_CALLBACK_LENGTH: Final = 1500  # leaves room for the topic and the challenge in its query
MAX_SECRET_BYTES: Final = 200  # a secret must be shorter (WebSub §5.1)
_FORMS = "|".join(FORMATS)
_TOPIC: Final = re.compile(
    rf"/feeds/(?:site|(?P<kind>sections|tags|authors)/(?P<term>[^/?#]+)|articles/(?P<article>[^/?#]+)/comments)"
    rf"\.(?P<form>{_FORMS})"
)


def _check_secret(secret: str) -> str:
    if clean_text(secret) != secret or len(secret.encode()) >= MAX_SECRET_BYTES:
        raise ValueError(f"must be shorter than {MAX_SECRET_BYTES} bytes, in NFC and without control characters")
    return secret


def _drop_empty(value: object) -> object:
    """Treat empty fields, which older clients send, as absent."""
    return None if value == "" else value


Absent = BeforeValidator(_drop_empty)
Secret = Annotated[str, AfterValidator(_check_secret)]


class Topic(NamedTuple):
    """A feed as its URL names it."""

    kind: Kind
    ref: str
    form: str


class Feeds(NamedTuple):
    """The feeds, in all formats, of the site or of one target; without a target, of all targets of a kind."""

    kind: Kind
    target_id: str | None = None

    @property
    def name(self) -> str:
        """Their name in deliveries."""
        return f"{self.kind}:{self.target_id}" if self.target_id else self.kind

    @classmethod
    def from_name(cls, name: str) -> "Feeds":
        """Return the feeds with this name."""
        kind, _, target_id = name.partition(":")
        return cls(cast(Kind, kind), target_id or None)


def hub_endpoint(hub: str) -> str:
    """Return the endpoint of another hub in deliveries."""
    return f"hub-{sha256(hub.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class HubRequestIn:
    """A request of a subscriber."""

    mode: Mode
    topic: str
    callback: str
    lease_seconds: int = DEFAULT_LEASE_SECONDS
    secret: str | None = None

    @property
    def lease(self) -> int:
        """The requested lease in seconds, within `LEASE_SECONDS_RANGE`; the callback is sent this one."""
        return min(max(self.lease_seconds, LEASE_SECONDS_RANGE[0]), LEASE_SECONDS_RANGE[1])


def parse_topic(url: str, publication: Publication) -> Topic | None:
    """Return the feed at a URL of this server, or None; archives are no topics, since they do not change."""
    match = _TOPIC.fullmatch(url.removeprefix(publication.api)) if url.startswith(f"{publication.api}/") else None
    if match is None:
        return None
    kinds: dict[str | None, Kind] = {"sections": "section", "tags": "tag", "authors": "author", None: "site"}
    kind: Kind = "comments" if match["article"] else kinds[match["kind"]]
    return Topic(kind, unquote(match["article"] or match["term"] or ""), match["form"])
