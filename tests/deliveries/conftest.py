"""Couriers with a clock that tests set, and channels that record deliveries and answer as tests say."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from sqlmodel import Session

from app.core.clock import now
from app.db import Database, open_database
from app.deliveries.courier import Courier
from app.deliveries.lanes import DELIVERY, LANE
from app.deliveries.outbox import enqueue
from app.deliveries.schemas import ClaimedDelivery, NewDelivery, Outcome

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
DELIVERED = Outcome("delivered", 200)
FAILED = Outcome("retry", 500, "status 500")
Answer = Callable[[ClaimedDelivery], Outcome]


class Noted:
    """A channel that records deliveries instead of sending them."""

    name = "test"
    schedule = (5.0, 300.0, 3600.0)
    timeout = 10.0
    patience: timedelta | None = timedelta(days=5)

    def __init__(self, answer: Answer = lambda _: DELIVERED) -> None:
        self.answer = answer
        self.tried: list[tuple[str, str]] = []
        self.times: dict[tuple[str, str], datetime] = {}  # of what was delivered
        self.given_up: list[tuple[str, str]] = []
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def send(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Answer as the test says."""
        self.under_way[piece.endpoint] += 1
        self.most[piece.endpoint] = max(self.most[piece.endpoint], self.under_way[piece.endpoint])
        try:
            await asyncio.sleep(0)
            self.tried.append((piece.endpoint, piece.event))
            outcome = self.answer(piece)
            if outcome.result == "delivered":
                self.times[piece.endpoint, piece.event] = now()
            return outcome
        finally:
            self.under_way[piece.endpoint] -= 1

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Record that an endpoint was given up."""
        self.given_up.append((endpoint, why))

    async def stop(self) -> None:
        """Do nothing."""


def add(db: Database, endpoint: str, *events: str, **more: Any) -> None:
    """Enqueue events, each in a transaction of its own."""
    for event in events:
        with db.transaction() as session:
            enqueue(session, NewDelivery(channel="test", endpoint=endpoint, event=event, what="x", content={}, **more))


def rows(db: Database, *columns: str) -> list[Any]:
    """Return columns of all deliveries, by event."""
    with db.connect() as connection:
        found = connection.execute(sa.select(*(DELIVERY.c[name] for name in columns)).order_by(DELIVERY.c.event)).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


def lane(db: Database) -> Any:
    """Return the only lane."""
    with db.connect() as connection:
        return connection.execute(sa.select(LANE)).one()


async def drained(courier: Courier) -> None:
    """Send everything that is due now, and everything that becomes due by it."""
    while True:
        busy = await courier.run_once()
        await courier.wait_until_idle()
        if not busy:
            return


def sending(db: Database, *channels: Noted, story: Callable[[Courier], Awaitable[None]] = drained) -> Courier:
    """Run a courier until nothing more is due."""

    async def tell() -> Courier:
        own = open_database(db.engines()[1].url.render_as_string(hide_password=False))
        await own.start()
        courier = Courier(own, channels, random.Random(1))
        try:
            await story(courier)
        finally:
            await own.stop()
        return courier

    return asyncio.run(tell())


@contextmanager
def at(**later: float) -> Iterator[None]:
    """Set the clock to this time after the start."""
    with time_machine.travel(START + timedelta(**later), tick=False):
        yield


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock; tests set it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
