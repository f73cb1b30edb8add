"""`broadsheet deliveries`: what waits, fails and is dead, and sending it again."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.core.clock import now
from app.db import Database, open_database
from app.deliveries.claims import EndedAttempt, claim_deliveries, finish_deliveries
from app.deliveries.lanes import BREAKER_THRESHOLD, LANE, MAX_PARALLEL
from app.deliveries.outbox import enqueue
from app.deliveries.schemas import NewDelivery, Outcome
from tests.cli.conftest import Broadsheet

pytestmark = pytest.mark.portable


@pytest.fixture
def store_db(store: str) -> Iterator[Database]:
    """The store of the commands."""
    db = open_database(store)
    yield db
    for engine in db.engines():
        engine.dispose()


def test_how_deliveries_stand(broadsheet: Broadsheet, store_db: Database) -> None:
    with store_db.transaction() as session:
        for event in "123":
            enqueue(
                session, NewDelivery(channel="mail", endpoint=event, event=event, what="x", content={}, lane="smtp")
            )
            enqueue(
                session, NewDelivery(channel="webhook", endpoint="hook", event=event, what="x", content={}, topic="t")
            )
    with store_db.transaction() as session:
        for piece in claim_deliveries(session, {"webhook": 30.0}, 10):
            finish_deliveries(session, [EndedAttempt(piece, Outcome("dead", 400, "status 400"))])
        session.execute(
            sa.update(LANE).where(LANE.c.name == "hook").values(failures=BREAKER_THRESHOLD, failing_since=now())
        )
    told = broadsheet("deliveries")
    assert told.status == 0
    lines = {line.split()[1]: line.split() for line in told.out.splitlines()}
    assert lines["smtp"][:5] == ["mail", "smtp", "3", "0", "0"]
    assert lines["hook"][:5] == ["webhook", "hook", "2", "0", "1"]
    assert "(rarely tried)" in told.out

    dead = broadsheet("deliveries", "--dead")
    ((delivery_id, *rest),) = [line.split() for line in dead.out.splitlines()[1:] if line.strip()]
    assert rest[:7] == ["webhook", "hook", "x", "1", "400", "status", "400"]

    assert broadsheet("deliveries", "retry").status == 2
    assert broadsheet("deliveries", "retry", delivery_id, "--all").status == 2
    assert broadsheet("deliveries", "retry", "nonsense").status == 1
    again = broadsheet("deliveries", "retry", delivery_id)
    assert (again.status, again.err.strip()) == (0, "1 will be sent again.")
    assert broadsheet("deliveries", "retry", delivery_id).status == 1
    assert broadsheet("deliveries", "retry", "--all").err.strip() == "0 will be sent again."
    assert [line for line in broadsheet("deliveries", "--dead").out.splitlines()[1:] if line.strip()] == []


def test_all_that_died_is_sent_again(broadsheet: Broadsheet, store_db: Database) -> None:
    with store_db.transaction() as session:
        for number in range(2 * MAX_PARALLEL + 4):
            enqueue(
                session,
                NewDelivery(channel="webhook", endpoint=f"h{number % 2}", event=f"{number}", what="x", content={}),
            )
        session.execute(sa.text("UPDATE delivery SET state = 'dead', due_at = NULL, finished_at = created_at"))
    assert broadsheet("deliveries", "retry", "--all").err.strip() == f"{2 * MAX_PARALLEL + 4} will be sent again."
    with store_db.transaction() as session:
        assert len(claim_deliveries(session, {"webhook": 30.0}, 100)) == 2 * MAX_PARALLEL
        waiting = session.execute(sa.text("SELECT count(*) FROM delivery WHERE state = 'waiting'")).scalar()
    assert waiting == 4
