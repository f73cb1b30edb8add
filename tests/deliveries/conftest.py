"""Couriers with a clock that tests move, and channels that note what they send and answer as they are told."""

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
    """A channel that sends nothing and notes everything."""

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
        """Note it."""
        self.given_up.append((endpoint, why))

    async def stop(self) -> None:
        """Nothing is open."""


def add(db: Database, endpoint: str, *events: str, **more: Any) -> None:
    """Enqueue events, each in a transaction of its own."""
    for event in events:
        with db.transaction() as session:
            enqueue(session, NewDelivery(channel="test", endpoint=endpoint, event=event, what="x", content={}, **more))


def rows(db: Database, *columns: str) -> list[Any]:
    """Columns of all deliveries by event."""
    with db.connect() as connection:
        found = connection.execute(sa.select(*(DELIVERY.c[name] for name in columns)).order_by(DELIVERY.c.event)).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


def lane(db: Database) -> Any:
    """The only lane."""
    with db.connect() as connection:
        return connection.execute(sa.select(LANE)).one()


async def drained(courier: Courier) -> None:
    """Send everything that is due at this moment, and what that makes due."""
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
    """Let it be so long after the start."""
    with time_machine.travel(START + timedelta(**later), tick=False):
        yield


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands still until a test moves it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
