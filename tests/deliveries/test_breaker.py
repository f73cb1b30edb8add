"""Circuit breakers: a failing receiver is tried ever more rarely, then caught up with, or given up."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine

from app.core.clock import now
from app.db import Database
from app.deliveries.courier import Courier
from app.deliveries.lanes import BREAKER_PAUSES_SECONDS, BREAKER_THRESHOLD, LANE
from app.deliveries.schemas import ClaimedDelivery, Outcome
from app.events.schemas import Position
from tests.deliveries.conftest import DELIVERED, FAILED, START, Noted, add, at, drained, lane, rows, sending
from tests.effort import effort

pytestmark = pytest.mark.portable

PUBLICATIONS = effort("PUBLICATIONS", 3, long=100)


class Long(Noted):
    """Use the schedule of webhooks."""

    schedule = tuple(60.0 * minutes for minutes in (5 / 60, 5, 30, 120, 300, 600, 840, 1200, 1440))  # type: ignore[assignment]


def next_turn(db: Database) -> datetime | None:
    with db.connect() as connection:
        return connection.execute(sa.select(sa.func.min(LANE.c.due_at))).scalar()


@pytest.mark.long
def test_72_hours_of_failure(db: Database, clock: time_machine.Traveller) -> None:
    """All deliveries arrive in the order of their topic, and other receivers are not delayed."""
    back = START + timedelta(hours=72)
    channel = Long(lambda piece: FAILED if piece.endpoint == "bad" and now() < back else DELIVERED)
    made: dict[str, datetime] = {}

    def publish(number: int) -> None:
        for topic in ("x", "y", f"new {number}"):
            event = f"{topic} {number:03}"
            made[event] = now()
            for endpoint in ("good", "bad"):
                add(db, endpoint, event, topic=topic, position=Position(0, number))

    async def story(courier: Courier) -> None:
        plan = [START + timedelta(hours=72 / (PUBLICATIONS - 1) * n) for n in range(PUBLICATIONS)]
        for number, moment in enumerate(plan):
            clock.move_to(moment)
            publish(number)
            await drained(courier)
            until = plan[number + 1] if number + 1 < len(plan) else START + timedelta(days=10)
            while (turn := next_turn(db)) and turn < until:
                clock.move_to(turn)
                await drained(courier)

    sending(db, channel, story=story)
    assert set(rows(db, "state")) == {"delivered"}
    delays = {event: channel.times["good", event] - moment for event, moment in made.items()}
    assert max(delays.values()) <= timedelta(seconds=1)
    for topic in "xy":
        order = [event for (endpoint, event) in channel.times if endpoint == "bad" and event[0] == topic]
        assert order == sorted(event for event in made if event[0] == topic)
    caught_up = max(moment for (endpoint, _), moment in channel.times.items() if endpoint == "bad") - back
    assert caught_up <= timedelta(seconds=Long.schedule[-1] * 1.1)


def test_a_broken_lane_is_tried_one_at_a_time_and_with_pauses(db: Database) -> None:
    channel = Noted(lambda _: FAILED)
    for number in range(20):
        add(db, "a", f"{number:02}")
    sending(db, channel)
    first = len(channel.tried)
    assert BREAKER_THRESHOLD <= first < 20
    with at(seconds=BREAKER_PAUSES_SECONDS[0] - 1):
        sending(db, channel)
        assert len(channel.tried) == first
    with at(hours=1):
        sending(db, channel)
        assert len(channel.tried) == first + 1
    channel.answer = lambda _: DELIVERED
    with at(hours=2):
        sending(db, channel)
        assert set(rows(db, "state")) == {"delivered"}, "also what was to be tried much later"
    assert (lane(db).failures, lane(db).failing_since, lane(db).resumes_at) == (0, None, None)


def test_an_endpoint_that_only_fails_is_given_up_and_its_deliveries_kept(db: Database) -> None:
    channel = Long(lambda _: FAILED)
    add(db, "a", "1", "2", topic="t")
    sending(db, channel)
    with at(days=4, hours=23):
        sending(db, channel)
        assert channel.given_up == []
    with at(days=5, hours=1):
        sending(db, channel)
    assert channel.given_up == [("a", "nothing could be delivered for 5 days")]
    assert set(rows(db, "state", "due_at")) == {("dead", None)}
    assert (lane(db).due_at, lane(db).failing_since) == (None, None), "it begins anew if it comes back"


def test_an_endpoint_that_wants_nothing_more_is_given_up_at_once(db: Database) -> None:
    def answer(piece: ClaimedDelivery) -> Outcome:
        return Outcome("dead", 410, "gone", disable=True) if piece.endpoint == "a" else DELIVERED

    channel = Noted(answer)
    add(db, "a", "1", "2", "3", topic="t")
    add(db, "b", "1")
    sending(db, channel)
    assert channel.given_up == [("a", "gone")]
    assert sorted(rows(db, "endpoint", "state")) == [("a", "dead")] * 3 + [("b", "delivered")]


def test_a_success_in_between_keeps_the_breaker_closed(db: Database) -> None:
    channel = Noted(lambda piece: FAILED if piece.event < "5" else DELIVERED)
    for event in "123456789":
        add(db, "a", event)
        sending(db, channel)
    assert lane(db).failures == 0
    assert rows(db, "state").count("waiting") == 4
