"""What is to be sent, what became of it, and what a channel is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Protocol

from sqlmodel import Session

from app.db import Database
from app.events.schemas import START, Position

Result = Literal["delivered", "retry", "dead", "cancelled"]
State = Literal["waiting", "running", "delivered", "dead", "cancelled"]
MAX_ANSWER_LENGTH: Final = 1024  # characters of an answer that are kept
MAX_ERROR_LENGTH: Final = 300  # the same of an error


@dataclass(frozen=True, kw_only=True)
class NewDelivery:
    """Something to send. `channel`, `endpoint` and `event` are unique together: it is sent once, however often asked.

    `topic` keeps order: of one endpoint and topic, what stands earlier in the log goes first, and holds back the rest
    for as long as it is tried. `due_at` is the earliest time, for what has no topic; of what waits in a lane the
    earliest goes first. `lane` names what fails as a whole, if that is not the endpoint: `smtp` for all mail.
    `content` holds ids, and nothing that belongs to a person.
    """

    channel: str
    endpoint: str
    event: str
    what: str
    content: dict[str, Any]
    topic: str | None = None
    position: Position = START
    due_at: datetime | None = None
    lane: str | None = None


class ClaimedDelivery(NamedTuple):
    """A delivery that this process has to send, and that nobody else sends while its lease lasts."""

    id: str
    token: str
    lane_id: str
    channel: str
    endpoint: str
    event: str
    what: str
    topic: str | None
    content: dict[str, Any]
    attempts: int  # this one included
    created_at: datetime
    position: Position


class Outcome(NamedTuple):
    """What became of an attempt. `retry_after` is in seconds; `disable`: the receiver wants nothing any more.

    `at_fault` says that it was the receiver, so that its breaker counts it, and not this one delivery.
    """

    result: Result
    status: int | None = None
    error: str = ""
    answer: str = ""
    retry_after: float | None = None
    disable: bool = False
    at_fault: bool = True


class Channel(Protocol):
    """A way to send: mail, webhooks, WebSub. Made by `wiring.channels`."""

    @property
    def name(self) -> str:
        """As deliveries name it."""

    @property
    def schedule(self) -> Sequence[float]:
        """Seconds from each failure to the next attempt; after the last it is dead."""

    @property
    def timeout(self) -> float:
        """Seconds that one attempt may take."""

    @property
    def patience(self) -> timedelta | None:
        """An endpoint that only fails for so long is given up; None: never."""

    async def send(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Send outside of any transaction, unless it should no longer be sent: then the outcome is `cancelled`.

        What it raises, a timeout too, counts as a failure of this one delivery and is tried again.
        """

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Note that an endpoint was given up; what waited for it is dead already."""

    async def stop(self) -> None:
        """Close what is open."""
