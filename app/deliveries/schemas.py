"""Deliveries as they are enqueued, claimed and finished, and the protocol of channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, Protocol

from sqlmodel import Session

from app.db import Database
from app.db.rows import JsonObject
from app.events.schemas import START, Position

Result = Literal["delivered", "retry", "dead", "cancelled"]
State = Literal["waiting", "running", "delivered", "dead", "cancelled"]
MAX_ANSWER_LENGTH: Final = 1024  # characters of an answer that are kept
MAX_ERROR_LENGTH: Final = 300  # characters of an error that are kept


@dataclass(frozen=True, kw_only=True)
class NewDelivery:
    """A message to enqueue. `channel`, `endpoint` and `event` identify it: it is enqueued once.

    `topic` keeps order: deliveries of one endpoint and topic are sent by their position in the log, and a later one
    waits while an earlier one is retried. Without a topic `due_at` is the earliest time; the earliest delivery of a
    lane is sent first. `lane` names what fails as a whole if that is not the endpoint, such as `smtp` for all mail.
    `content` is JSON for the channel: ids, and nothing that belongs to a person.
    """

    channel: str
    endpoint: str
    event: str
    what: str
    content: Mapping[str, object]
    topic: str | None = None
    position: Position = START
    due_at: datetime | None = None
    lane: str | None = None


class ClaimedDelivery(NamedTuple):
    """A delivery that this process has to send; no other process sends it during its lease."""

    id: str
    token: str
    lane_id: str
    channel: str
    endpoint: str
    event: str
    what: str
    topic: str | None
    content: JsonObject
    attempts: int  # including this one
    created_at: datetime
    position: Position


class Outcome(NamedTuple):
    """The outcome of an attempt. `retry_after` is in seconds; `disable`: the receiver wants no more deliveries.

    `at_fault` tells whether a failure is the receiver's, which its circuit breaker counts, or this delivery's.
    """

    result: Result
    status: int | None = None
    error: str = ""
    answer: str = ""
    retry_after: float | None = None
    disable: bool = False
    at_fault: bool = True


class Channel(Protocol):
    """Sends deliveries of one kind: mail, webhooks or WebSub."""

    @property
    def name(self) -> str:
        """The channel of its deliveries."""

    @property
    def schedule(self) -> Sequence[float]:
        """Seconds from each failure to the next attempt; after the last of them a delivery is dead."""

    @property
    def timeout(self) -> float:
        """Seconds that one attempt may take."""

    @property
    def patience(self) -> timedelta | None:
        """Time without a success after which a failing endpoint is given up; None: never."""

    async def send(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Attempt a delivery outside of any transaction; `cancelled` if it should no longer be sent.

        An exception counts as a failure of this delivery, which is retried; a timeout as one of the receiver.
        """

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """React to an endpoint that was given up; its waiting deliveries are dead already."""

    async def stop(self) -> None:
        """Close connections."""
