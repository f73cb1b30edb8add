"""Processes beside this one: who answers, and what happens when one ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from app.core.problems import InvalidParameter
from app.db import Overloaded, QueryProcesses, open_database, query_process, yield_cpu
from tests.web.asked import Untold, counted, fail, fail_untold, much, never, refuse, slowly, who

PATIENCE = 60.0  # seconds


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A store for what has nothing to do with its kind."""
    return f"sqlite:///{tmp_path / 'aside.db'}"


async def begun(beside: QueryProcesses, processes: int = 1) -> None:
    """Ask until as many stand ready."""
    until = time.monotonic() + PATIENCE
    while len(beside._processes) < processes:
        assert await beside.scan(who) in {os.getpid(), *(one._process.pid for one in beside._processes)}
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


def run(url: str, story: Callable[[QueryProcesses], Awaitable[None]], processes: int = 1) -> None:
    """A story with a store and with processes beside this one."""

    async def all_of_it() -> None:
        db = open_database(url)
        await db.start()
        beside = QueryProcesses(db, partial(open_database, url), processes)
        try:
            await story(beside)
        finally:
            await beside.stop()
            await db.stop()

    asyncio.run(all_of_it())


def is_there(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_thread_answers_until_another_process_can(database_url: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        assert await beside.scan(who) == os.getpid()
        await begun(beside)
        pid = await beside.scan(who)
        assert pid != os.getpid()
        assert await beside.scan(who) == pid
        assert await beside.scan(much) == bytes(3_000_000)
        await beside.stop()
        assert not is_there(pid)

    run(database_url, story)


def test_idle_processes_end_and_others_start(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        pid = await beside.scan(who)
        slow = asyncio.create_task(beside.scan(slowly))
        await asyncio.sleep(0)
        beside._stop_idle()
        assert beside._processes  # it is not idle
        await slow
        beside._stop_idle()
        assert beside._stopping
        await beside._stopping
        assert not is_there(pid)
        monkeypatch.setattr(beside, "_not_before", 0.0)
        await begun(beside)
        assert await beside.scan(who) not in {pid, os.getpid()}

    run(file, story)


def test_errors_come_as_they_are(database_url: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        with pytest.raises(InvalidParameter) as refused:
            await beside.scan(refuse)
        assert refused.value.errors == [{"parameter": "cursor", "code": "invalid", "detail": "It is of another list."}]
        with pytest.raises(DBAPIError) as failed:
            await beside.scan(fail)
        assert "nowhere" in str(failed.value)
        assert await beside.scan(who) != os.getpid(), "neither ended the process"

    run(database_url, story)


def test_what_cannot_be_told_is_met_again_in_a_thread(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        with pytest.raises(Untold):
            await beside.scan(fail_untold)

    run(file, story)
    assert "Untold" in capfd.readouterr().err


def test_a_killed_process_costs_no_answer_and_is_replaced(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_process, "RESTART_SECONDS", 0.0)

    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        first = await beside.scan(who)
        waiting = [asyncio.create_task(beside.scan(query)) for query in (never, who, who)]
        await asyncio.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        assert await asyncio.gather(*waiting) == [os.getpid()] * 3
        await begun(beside)
        assert await beside.scan(who) not in {first, os.getpid()}

    with structlog.testing.capture_logs() as told:
        run(file, story)
    assert [line["event"] for line in told] == ["a query process has ended; another will be started"]


def test_what_does_not_begin_is_left_for_a_while(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    async def story(beside: QueryProcesses) -> None:
        broken = QueryProcesses(beside._db, partial(open_database, "nonsense://"), 1)
        assert await broken.scan(who) == os.getpid()
        assert broken._starting
        await broken._starting
        assert await broken.scan(who) == os.getpid()
        assert broken._starting is None

    with structlog.testing.capture_logs() as told:
        run(file, story)
    assert [line["event"] for line in told] == ["a query process could not be started"]
    assert "DATABASE_URL" in capfd.readouterr().err


def test_a_caller_who_goes_away_leaves_the_answers_in_order(file: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        gone = asyncio.create_task(beside.scan(much))
        await asyncio.sleep(0)
        gone.cancel()
        assert isinstance(await beside.scan(who), int)

    run(file, story)


def test_questions_of_those_who_went_away_are_not_asked(file: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        callers = [asyncio.create_task(beside.scan(counted)) for _ in range(6)]
        await asyncio.sleep(0.05)
        for caller in callers:
            caller.cancel()
        assert await beside.scan(counted) == 2, "the one that was begun, and this"
        assert beside._processes[0].waiting == 0

    run(file, story)


def test_a_process_that_hangs_is_given_up(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_process, "RESTART_SECONDS", 0.0)

    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        pid = await beside.scan(who)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Overloaded):
            await beside._processes[0].run(who, 0.2)
        assert await beside.scan(who) == os.getpid()
        await begun(beside)
        assert await beside.scan(who) not in {pid, os.getpid()}

    run(file, story)


def test_a_process_that_hangs_does_not_keep_this_one(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_process, "STOP_SECONDS", 0.2)

    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        pid = await beside.scan(who)
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(beside.scan(who))
        await asyncio.sleep(0.05)
        await beside.stop()
        assert await asked == os.getpid(), "a thread has answered"
        assert not is_there(pid)

    run(file, story)


def test_several_answer_side_by_side(file: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside, 2)
        assert len(set(await asyncio.gather(beside.scan(slowly), beside.scan(slowly)))) == 2

    run(file, story, processes=2)


def test_too_many_queries_are_refused(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        monkeypatch.setattr(query_process, "MAX_WAITING_QUERIES", 1)
        first = asyncio.create_task(beside.scan(slowly))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await beside.scan(who)
        await first

    run(file, story)


def test_there_may_be_none(file: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        assert await beside.scan(who) == os.getpid()
        assert beside._starting is None

    run(file, story, processes=0)


def test_stopping_waits_for_what_is_asked(file: str) -> None:
    async def story(beside: QueryProcesses) -> None:
        await begun(beside)
        asked = asyncio.create_task(beside.scan(slowly))
        await asyncio.sleep(0.1)
        await beside.stop()
        assert await asked != os.getpid()

    run(file, story)


PARENT = """
import asyncio, sys
from functools import partial
from app.db import QueryProcesses, open_database
from tests.web.asked import who

async def main(url):
    db = open_database(url)
    await db.start()
    beside = QueryProcesses(db, partial(open_database, url), 1)
    await beside.scan(who)
    await beside._starting
    print(await beside.scan(who), flush=True)
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[1]))
"""


def test_it_ends_with_a_parent_that_is_killed_and_not_at_a_signal_before(file: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, file], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGTERM)
        time.sleep(0.2)
        assert is_there(child), "requests may still wait for it"
        parent.kill()
    until = time.monotonic() + PATIENCE
    while is_there(child):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_only_a_process_beside_another_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    assert list(yield_cpu("ab")) == ["a", "b"]
    monkeypatch.setattr(query_process, "_YIELDS", [lambda: given.append(1)])
    assert list(yield_cpu("ab")) == ["a", "b"]
    assert given == [1, 1]


def test_sqlite_pauses_in_the_midst_of_a_query(file: str) -> None:
    db, paused = open_database(file), list[int]()
    db.on_progress = lambda: paused.append(1)
    count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT count(*) FROM n"
    assert db.run_query(lambda connection: connection.execute(sa.text(count)).scalar_one()) == 10_000
    assert len(paused) > 100
    asyncio.run(db.stop())
