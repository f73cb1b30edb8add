"""Sending: once, in order, again, or not at all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.db import Database
from app.deliveries import claims, courier
from app.deliveries.claims import EndedAttempt, claim_deliveries, finish_deliveries, release_deliveries
from app.deliveries.lanes import DELIVERY, LANE, MAX_PARALLEL
from app.deliveries.outbox import cancel_deliveries, enqueue_deliveries, prune_deliveries, resend_deliveries
from app.deliveries.schemas import ClaimedDelivery, NewDelivery, Outcome
from app.events.schemas import Position
from tests.deliveries.conftest import DELIVERED, FAILED, START, Noted, add, at, lane, rows, sending

pytestmark = pytest.mark.portable

LEASES = {"test": 30.0}


def claimed(db: Database, room: int = 100) -> list[ClaimedDelivery]:
    with db.transaction() as session:
        return claim_deliveries(session, LEASES, room)


def new(endpoint: str, event: str, topic: str | None = None, seq: int = 0) -> NewDelivery:
    return NewDelivery(
        channel="test", endpoint=endpoint, event=event, what="x", content={}, topic=topic, position=Position(0, seq)
    )


def test_what_is_asked_for_twice_is_sent_once(db: Database) -> None:
    channel = Noted()
    add(db, "a", "1", "1", "2")
    add(db, "b", "1")
    with db.transaction() as session:
        assert enqueue_deliveries(session, [new("a", "2"), new("c", "1"), new("c", "1")]) == 1
    sending(db, channel)
    add(db, "a", "1")
    sending(db, channel)
    assert sorted(channel.tried) == [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]
    assert set(rows(db, "state", "attempts", "due_at", "token")) == {("delivered", 1, None, None)}


def test_a_topic_keeps_its_order_and_holds_up_nothing_else(db: Database) -> None:
    broken = {"t2"}
    channel = Noted(lambda piece: Outcome("retry", 500, at_fault=False) if piece.event in broken else DELIVERED)
    with db.transaction() as session:
        enqueue_deliveries(session, [new("a", f"t{n}", "topic", n) for n in (3, 1, 2)])
        enqueue_deliveries(session, [new("a", "other", "b"), new("a", "none"), new("b", "t9", "topic", 9)])
    sending(db, channel)
    mine = [event for endpoint, event in channel.tried if endpoint == "a"]
    assert [event for event in mine if event.startswith("t")] == ["t1", "t2"]
    assert {"other", "none"} <= set(mine)
    assert ("b", "t9") in channel.tried
    broken.clear()
    with at(seconds=10):
        sending(db, channel)
    assert [event for endpoint, event in channel.tried if endpoint == "a"][-2:] == ["t2", "t3"]


def test_what_dies_lets_the_next_of_its_topic_go(db: Database) -> None:
    channel = Noted(lambda piece: Outcome("dead", 400, at_fault=False) if piece.event == "1" else DELIVERED)
    add(db, "a", "1", "2", topic="t")
    sending(db, channel)
    assert rows(db, "event", "state") == [("1", "dead"), ("2", "delivered")]


def test_a_failure_is_tried_again_by_the_schedule_until_it_dies(db: Database) -> None:
    channel = Noted(lambda _: FAILED._replace(answer="no" * 2000))
    add(db, "a", "1")
    moments = []
    with at() as _:
        sending(db, channel)
    for step in Noted.schedule:
        (due,) = rows(db, "due_at")
        moments.append(due)
        with at(seconds=(due - START).total_seconds() - 0.001):
            before = len(channel.tried)
            sending(db, channel)
            assert len(channel.tried) == before
        previous = moments[-2] if len(moments) > 1 else START
        assert step <= (due - previous).total_seconds() <= step * 1.1, "a step is never shorter than it says"
        with at(seconds=(due - START).total_seconds()):
            sending(db, channel)
    assert rows(db, "state", "attempts", "status", "error", "due_at") == [("dead", 4, 500, "status 500", None)]
    assert len(rows(db, "answer")[0]) == 1024


def test_retry_after_is_obeyed_within_bounds(db: Database) -> None:
    channel = Noted(lambda _: FAILED._replace(retry_after=float(waits.pop())))
    waits = [10**9, 60]
    add(db, "a", "1")
    sending(db, channel)
    assert rows(db, "due_at") == [START + timedelta(seconds=60)]
    assert lane(db).resumes_at == START + timedelta(seconds=60), "whatever else waits for it is left alone, too"
    with at(seconds=60):
        sending(db, channel)
    assert rows(db, "due_at") == [START + timedelta(hours=24, seconds=60)]


def test_what_raises_is_tried_again_and_does_not_block_its_neighbours(db: Database) -> None:
    def answer(piece: ClaimedDelivery) -> Outcome:
        return 1 / 0 if piece.event == "poison" else DELIVERED  # type: ignore[return-value]

    channel = Noted(answer)
    add(db, "a", "1", "poison", "2", "3")
    add(db, "b", "1")
    sending(db, channel)
    assert rows(db, "event", "state", "error") == [
        ("1", "delivered", ""),
        ("1", "delivered", ""),
        ("2", "delivered", ""),
        ("3", "delivered", ""),
        ("poison", "waiting", "ZeroDivisionError"),
    ]
    with db.connect() as connection:
        assert set(connection.execute(sa.select(LANE.c.failures)).scalars()) == {0}, "the receiver is not to blame"


def test_outcomes_of_a_moment_are_recorded_together(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, record = list[int](), claims.finish_deliveries

    def note(session: Session, attempts: Sequence[EndedAttempt]) -> Any:
        sizes.append(len(attempts))
        return record(session, attempts)

    monkeypatch.setattr(courier, "finish_deliveries", note)
    add(db, "a", *map(str, range(8)))
    add(db, "b", "1")
    sending(db, Noted(lambda piece: FAILED if piece.event in "123" else DELIVERED))
    assert (sum(sizes), len(sizes) < 9) == (9, True), sizes
    assert sorted(rows(db, "state")) == ["delivered"] * 5 + ["waiting"] * 4


def test_an_outcome_that_cannot_be_recorded_keeps_no_other_from_it(db: Database) -> None:
    add(db, "a", "1", "2", "3", "huge")
    sent = sending(db, Noted(lambda piece: DELIVERED._replace(status=2**70) if piece.event == "huge" else DELIVERED))
    found = rows(db, "event", "state")
    assert found == [("1", "delivered"), ("2", "delivered"), ("3", "delivered"), ("huge", "running")], "its lease ends"
    assert sent.done == {("test", "delivered"): 3}


def test_a_lease_that_runs_out_is_anybodys_and_its_first_holder_is_not_heard(db: Database) -> None:
    add(db, "a", "1")
    (first,) = claimed(db)
    with at(seconds=29):
        assert claimed(db) == []
    with at(seconds=31):
        (second,) = claimed(db)
        assert (second.id, second.event, second.attempts) == (first.id, "1", 2)
        with db.transaction() as session:
            assert finish_deliveries(session, [EndedAttempt(first, FAILED, now())]) == [None]
        assert rows(db, "state") == ["running"]
        with db.transaction() as session:
            assert finish_deliveries(session, [EndedAttempt(second, DELIVERED)]) != [None]
            assert finish_deliveries(session, [EndedAttempt(first, Outcome("dead"))]) == [None]
    assert rows(db, "state") == ["delivered"]


def test_what_is_given_back_was_never_taken(db: Database) -> None:
    add(db, "a", "1", "2", topic="t")
    pieces = claimed(db)
    with db.transaction() as session:
        release_deliveries(session, pieces)
    assert rows(db, "state", "attempts") == [("waiting", 0), ("waiting", 0)]
    assert [piece.event for piece in claimed(db)] == ["1"]


def test_what_is_cancelled_is_not_sent(db: Database) -> None:
    channel = Noted()
    add(db, "a", "1", "2", "3", topic="t")
    add(db, "b", "1", "2")
    with db.transaction() as session:
        assert cancel_deliveries(session, channel="test", endpoint="a", events=["1", "2"]) == 2
        assert cancel_deliveries(session, channel="test", endpoint="b") == 2
        assert cancel_deliveries(session, channel="other") == 0
    sending(db, channel)
    assert channel.tried == [("a", "3")]
    assert sorted(rows(db, "state")) == ["cancelled"] * 4 + ["delivered"]
    with db.transaction() as session:
        assert cancel_deliveries(session, channel="test") == 0


def test_cancelling_what_runs_is_left_to_its_channel(db: Database) -> None:
    add(db, "a", "1")
    (piece,) = claimed(db)
    with db.transaction() as session:
        assert cancel_deliveries(session, channel="test") == 0
        finish_deliveries(session, [EndedAttempt(piece, Outcome("cancelled"))])
    assert rows(db, "state") == ["cancelled"]
    assert (lane(db).failures, lane(db).due_at, lane(db).succeeded_at) == (0, None, None)


def test_a_finished_delivery_is_sent_again_when_asked(db: Database) -> None:
    channel = Noted()
    add(db, "a", "1", "2", topic="t")
    add(db, "a", "3")
    sending(db, channel)
    with db.connect() as connection:
        ids = list(connection.execute(sa.select(DELIVERY.c.id)).scalars())
    with db.transaction() as session:
        assert resend_deliveries(session, channel="test", endpoint="other", ids=ids) == 0
        assert resend_deliveries(session, channel="test", endpoint="a", ids=ids) == 3
    channel.tried.clear()
    sending(db, channel)
    assert sorted(channel.tried) == [("a", "1"), ("a", "2"), ("a", "3")]
    assert [event for _, event in channel.tried if event != "3"] == ["1", "2"]


def test_a_lane_is_as_wide_as_it_is_and_others_do_not_wait_for_it(db: Database) -> None:
    with db.transaction() as session:
        enqueue_deliveries(session, [new("long", f"{n:04}") for n in range(100)])
    with at(seconds=1):
        add(db, "short", "1")
    with at(seconds=2):
        taken = claimed(db, 8)
        assert [piece.endpoint for piece in taken].count("short") == 1, "an equal share for each"
        assert len(taken) == 5
        more = claimed(db)
        assert len(taken) + len(more) == MAX_PARALLEL + 1
        assert claimed(db) == []
    channel = Noted()
    with at(seconds=60):
        sending(db, channel)
    assert channel.most["long"] <= MAX_PARALLEL
    assert len(set(channel.tried)) == 101


@pytest.mark.both
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_claim_walks_the_turns_and_reads_no_other_lane(db: Database) -> None:
    seen: list[tuple[str, Any]] = []
    with db.transaction() as session:
        enqueue_deliveries(session, [new(f"{number}", "1") for number in range(500)])
    engine = db.engines()[1]
    sa.event.listen(engine, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])))
    with db.transaction() as session:
        assert len(claim_deliveries(session, {"other": 30.0, **LEASES}, 4)) == 4
    statement, values = next(one for one in seen if "FROM delivery_lane" in one[0])
    with db.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert plan == ["SEARCH delivery_lane USING INDEX ix_delivery_lane_due (due_at<?)"]


def test_lanes_take_turns(db: Database) -> None:
    for number, name in enumerate("abc"):
        with at(milliseconds=number), db.transaction() as session:
            enqueue_deliveries(session, [new(name, f"{n}") for n in range(5)])
    with at(seconds=1):
        assert [claimed(db, 1)[0].endpoint for _ in "abc"] == ["a", "b", "c"]
    with at(seconds=2):
        assert {claimed(db, 1)[0].endpoint for _ in "abc"} == {"a", "b", "c"}


def test_a_lane_may_be_shared(db: Database) -> None:
    channel = Noted(lambda _: FAILED)
    for n in range(MAX_PARALLEL + 2):
        add(db, f"reader{n}", "1", lane="smtp")
    sending(db, channel)
    assert lane(db).name == "smtp"
    assert len(channel.tried) <= MAX_PARALLEL, "the breaker is that of the server behind which all of them are"


def test_old_rows_are_forgotten_dead_ones_later(db: Database) -> None:
    add(db, "a", "1")
    sending(db, Noted())
    add(db, "b", "2")
    sending(db, Noted(lambda _: Outcome("dead", at_fault=False)))
    add(db, "c", "3")
    for days, left in ((13, ["1", "2", "3"]), (15, ["2", "3"]), (89, ["2", "3"]), (91, ["3"])):
        with at(days=days), db.transaction() as session:
            prune_deliveries(session)
        assert rows(db, "event") == left
    assert lane(db).name == "c"


def test_topics_have_no_times(db: Database) -> None:
    with pytest.raises(ValueError, match="topic"):
        add(db, "a", "1", topic="t", due_at=START)


def test_what_is_due_earlier_goes_first(db: Database) -> None:
    channel = Noted()
    add(db, "a", *"12345678", lane="smtp")
    add(db, "b", "urgent", lane="smtp", due_at=START - timedelta(hours=1))
    add(db, "c", "later", lane="smtp", due_at=START + timedelta(hours=1))
    assert [piece.event for piece in claimed(db, 1)] == ["urgent"]
    sending(db, channel)
    assert len(channel.tried) == 8
    with at(hours=1):
        sending(db, channel)
    assert ("c", "later") in channel.tried


def test_stopping_records_what_was_sent(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.deliveries.courier.STOP_SECONDS", 0.1)
    monkeypatch.setattr("app.deliveries.courier.RECORD_SECONDS", 60.0)

    async def story(own: courier.Courier) -> None:
        await own.run_once()
        await own.stop()

    add(db, "a", "1")
    sending(db, Noted(), story=story)
    assert rows(db, "state", "attempts", "token") == [("delivered", 1, None)]


def test_stopping_gives_back_what_is_under_way(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.deliveries.courier.STOP_SECONDS", 0.01)

    class Slow(Noted):
        async def send(self, db: Database, piece: ClaimedDelivery) -> Outcome:
            await asyncio.Event().wait()
            raise AssertionError("it never comes")

    async def story(own: courier.Courier) -> None:
        await own.run_once()
        await asyncio.sleep(0)
        await own.stop()

    add(db, "a", "1")
    sending(db, Slow(), story=story)
    assert rows(db, "state", "attempts", "token") == [("waiting", 0, None)]
