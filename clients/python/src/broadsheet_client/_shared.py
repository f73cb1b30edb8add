"""What both clients do alike: queries, ids, what is kept between requests, and the frames of streams."""

import json
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypedDict
from urllib.parse import quote
from uuid import UUID

import httpx

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Fields = Sequence[str]
Selected = dict[str, Any]
"""What is answered where `fields` chooses: exactly those fields."""

POSITION_SECONDS = 60  # for which reads wait for the last write: longer than any cache keeps an answer without asking
MAX_WAIT_SECONDS = 30  # that the server may ask for; beyond it the problem is raised
MAX_BACKOFF_SECONDS = 30
SILENCE_SECONDS = 40  # of a stream, to which the server sends something every 15 seconds
RETRIED_STATUSES = (429, 502, 503, 504)
# Of other parameters a list means all of the values, and is sent as several parameters.
COMMA_LISTS = {"articles", "exclude", "fields", "formats", "ids", "include", "state", "types"}


class Answer(dict[str, Any]):
    """An object that the API answered with, and the `ETag` that came with it."""

    etag: str | None = None


class HasId(TypedDict):
    """What was read and can be changed: its `ETag` is known."""

    id: str


class LiveEvent(NamedTuple):
    """An event of an article's stream.

    Its type is `comment.published`, `comment.edited`, `comment.removed`, `article.updated` or `counts`; or `reset`,
    after which everything is to be read again.
    """

    type: str
    data: Any
    id: str | None


def etag_of(answer: object) -> str | None:
    """Return the `ETag` of an answer that the client gave."""
    return getattr(answer, "etag", None)


def make_id() -> str:
    """Make a UUIDv7 (RFC 9562 §5.7), as comments that are written offline need it."""
    stamp = time.time_ns() // 1_000_000
    number = (stamp << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    return str(UUID(int=number))


def fill_path(template: str, values: Mapping[str, object]) -> str:
    """Fill in the parameters of a path: `/v1/articles/{article}`."""
    return template.format_map({name: quote(str(value), safe="") for name, value in values.items()})


def encode_query(query: Mapping[str, object]) -> httpx.QueryParams:
    """Return the parameters of a query; None is left out."""
    parameters: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, bool):
            parameters.append((name, str(value).lower()))
        elif isinstance(value, str) or not isinstance(value, Iterable):
            parameters += [(name, str(value))] if value is not None else []
        elif name in COMMA_LISTS:
            parameters.append((name, ",".join(map(str, value))))
        else:
            parameters += [(name, str(item)) for item in value]
    return httpx.QueryParams(tuple(parameters))


def get_seq(position: str) -> int:
    """Return the number by which positions of the log are ordered."""
    return int(position.partition(".")[2])


def back_off(attempt: int, scale: float = 0.3) -> float:
    """Return the seconds to wait after a failure."""
    return float(min(MAX_BACKOFF_SECONDS, scale * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311  spreads reconnects


@dataclass
class Kept:
    """What a client keeps between requests."""

    storage: MutableMapping[str, str]
    url: str
    size: int
    answers: OrderedDict[tuple[str, str], tuple[str, str]] = field(default_factory=OrderedDict)

    @property
    def guest_token(self) -> str | None:
        """The token of the guest, who is made when one is needed."""
        return self.storage.get(f"broadsheet:guest:{self.url}")

    @guest_token.setter
    def guest_token(self, token: str | None) -> None:
        if token is None:
            self.storage.pop(f"broadsheet:guest:{self.url}", None)
        else:
            self.storage[f"broadsheet:guest:{self.url}"] = token

    @property
    def position(self) -> str | None:
        """The position of the last write or event, for as long as reads wait for it."""
        position, _, until = self.storage.get(f"broadsheet:position:{self.url}", "").partition(" ")
        return position if position and float(until) > time.time() else None

    def note_position(self, position: str) -> None:
        """Note the position of a write or event."""
        last = self.position
        if last is None or get_seq(position) > get_seq(last):
            self.storage[f"broadsheet:position:{self.url}"] = f"{position} {time.time() + POSITION_SECONDS}"

    def keep(self, place: tuple[str, str], etag: str, text: str) -> None:
        """Keep an answer for conditional requests, and let go of the oldest ones."""
        self.answers.pop(place, None)
        self.answers[place] = etag, text
        while len(self.answers) > self.size:
            self.answers.popitem(last=False)


def parse_answer(text: str, media_type: str, etag: str | None) -> Any:
    """Return the JSON of an answer, its text if it is something else, or None if it is empty."""
    if not text:
        return None
    if "json" not in media_type or "ndjson" in media_type:
        return text
    answer = json.loads(text)
    if isinstance(answer, dict):
        answer = Answer(answer)
        answer.etag = etag
    return answer


@dataclass
class Frame:
    """The lines of a stream up to the next empty one (WHATWG HTML §9.2)."""

    id: str | None = None
    event: str | None = None
    data: str = ""
    retry: float | None = None  # seconds

    def take(self, line: str) -> None:
        """Take one line."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self.id = value
            case "event":
                self.event = value
            case "data":
                self.data += value
            case "retry":
                self.retry = int(value) / 1000
