"""Which of several standbys answers a request, and what counts as a delay; no server is needed for that."""

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.core.settings import Settings
from app.db import replica
from app.db.base import allow_replica, require_lsn, require_primary
from app.db.postgres import PostgresDatabase
from app.db.replica import PrimaryLog


@pytest.fixture
def database() -> Iterator[PostgresDatabase]:
    """A primary and three standbys that are not there."""
    found = PostgresDatabase("postgresql://primary/name", [f"postgresql://standby{number}/name" for number in range(3)])
    yield found
    require_primary()
    asyncio.run(found.stop())


def members(database: PostgresDatabase) -> list[replica.Replica]:
    assert database.replicas
    return database.replicas.members


def choose(database: PostgresDatabase) -> int | None:
    """Choose for a new request."""
    allow_replica()
    choice = database.choose_replica()
    return choice.number if choice else None


def test_requests_take_turns_and_each_stays_with_one(database: PostgresDatabase) -> None:
    assert [choose(database) for _ in range(4)] == [0, 1, 2, 0]
    assert [database.choose_replica() for _ in range(2)] == [(0, 0), (0, 0)]


def test_one_that_is_left_alone_has_no_turn(database: PostgresDatabase) -> None:
    members(database)[1]._leave_alone("it is dead")
    assert [choose(database) for _ in range(4)] == [0, 2, 0, 2]
    members(database)[2]._leave_alone("it is dead")
    assert database.choose_replica() is None, "another standby may lack what this one has shown"
    members(database)[0]._leave_alone("it is dead")
    assert choose(database) is None


def test_the_primary_answers_to_the_end_once_it_was_required(database: PostgresDatabase) -> None:
    assert database.choose_replica() is None, "nobody has allowed it"
    assert choose(database) == 0
    require_primary()
    assert database.choose_replica() is None


def test_a_request_tells_how_much_of_the_log_it_needs(database: PostgresDatabase) -> None:
    with require_lsn(7):
        allow_replica()
    assert database.choose_replica() == (0, 7)
    assert choose(database) == 1
    assert database.choose_replica() == (1, 0)


class Primary(PrimaryLog):
    """One whose log is where the test says."""

    def __init__(self) -> None:
        super().__init__(sa.create_engine("postgresql+psycopg://primary/name"))

    def told(self, monkeypatch: pytest.MonkeyPatch, at: float, lsn: int | None) -> None:
        """Ask it at a time; None: it cannot be asked."""

        def read(_primary: sa.Engine) -> int:
            if lsn is None:
                raise sa.exc.OperationalError("", {}, ConnectionError())
            return lsn

        with monkeypatch.context() as patch:
            patch.setattr(replica, "_read_lsn", read)
            patch.setattr(replica.time, "monotonic", lambda: at)
            asyncio.run(self.sample())


def test_a_delay_is_measured_as_long_as_the_primary_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    primary = Primary()
    assert primary.measure_delay(0) == 0.0
    for second, lsn in enumerate([100, 100, 200, 200, 300]):
        primary.told(monkeypatch, float(second), lsn)
    assert [primary.measure_delay(lsn) for lsn in (50, 100, 150, 200, 300, 400)] == [4.0, 2.0, 2.0, 0.0, 0.0, 0.0]
    primary.told(monkeypatch, 60.0, None)
    assert primary.measure_delay(150) == 2.0, "reads go on with what a standby has"
    primary.stop()


def test_a_standby_that_has_more_than_the_primary_does_not_follow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    primary = Primary()
    primary.told(monkeypatch, 0.0, 300)
    ahead = replica._Sample(1.0, 310)
    assert primary.holds(ahead), "it was asked after the primary"
    primary.told(monkeypatch, 2.0, 320)
    assert primary.holds(ahead)
    primary.told(monkeypatch, 3.0, 305)  # a standby took the primary's place, and lacks what came last
    assert not primary.holds(ahead)
    assert primary.measure_delay(305) == 0.0, "nothing is missing that the primary no longer has"
    primary.stop()


def test_replicas_are_named_in_a_list() -> None:
    one, two = "postgresql://user@one/name", "postgresql://user:a,b@/name?host=two:5432,three:5432"

    def read(text: str) -> list[str]:
        return Settings(_env_file=None, read_database_url=text).read_databases

    assert read("") == []
    assert read(one) == [one]
    assert read(f"{one},{two}") == read(f" {one} ,\n{two} ") == read(f"{one} {two}") == [one, two]
