"""A mirror that starts with an export and follows the change feed equals the public state.

`EDITS=10000 FOLLOW_KILLS=40 pytest tests/changes/test_followers.py` does more than the suite does.
"""

import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.changes.follower import Follower, public_state
from tests.effort import effort
from tests.feeds.editors import Editor, shared
from tests.served import serving

pytestmark = pytest.mark.long
Headers = dict[str, str]
EDITS = effort("EDITS", 20, long=1000)
KILLS = effort("FOLLOW_KILLS", 1, long=10)
WRITERS = 3


def test_every_moment_is_a_good_one_to_begin(client: TestClient, make_key: Callable[..., Headers]) -> None:
    """Followers that start at different times reach the same state; in one thread, so that the test is repeatable."""
    seed = random.randrange(10**6)
    editor = Editor(client, make_key("admin"), seed, shared())
    followers = []
    for number in range(EDITS):
        if number % (EDITS // 4) == 0:
            followers.append(Follower(client))
            followers[-1].begin()
        editor.step()
        if number % 7 == 0:
            followers[0].catch_up()
    wanted = public_state(client)
    for follower in followers:
        follower.catch_up()
        assert follower.held == wanted, f"seed {seed}"
    assert followers[0].told > len(wanted["article"])


def test_writers_kills_and_restarts(
    database_url: str, tmp_path: Path, make_key: Callable[..., Headers], capsys: pytest.CaptureFixture[str]
) -> None:
    """Several clients write while the server is killed repeatedly, and the follower starts from an export meanwhile."""
    ids, key = shared(), make_key("admin")
    done: list[int] = []
    mirror = Follower(None)
    failures: list[BaseException] = []

    def write(url: str, seed: int, most: int) -> None:
        with httpx2.Client(base_url=url, timeout=30) as http:
            editor = Editor(http, key, seed, ids)
            try:
                while len(done) < most:
                    editor.step()
                    done.append(seed)
            except httpx2.TransportError:
                return  # killed
            except BaseException as error:
                failures.append(error)

    def follow(url: str, stop: threading.Event) -> None:
        with httpx2.Client(base_url=url, timeout=30) as http:
            mirror.http = http
            try:
                while not stop.is_set():
                    if not mirror.cursor:
                        mirror.begin()
                    mirror.follow()
            except httpx2.TransportError:
                return
            except BaseException as error:
                failures.append(error)

    for turn in range(KILLS + 1):
        with serving(database_url, tmp_path / "data") as server:
            stop = threading.Event()
            most = EDITS * (turn + 1) // (KILLS + 1)
            seeds = [random.randrange(10**6) for _ in range(WRITERS)]
            writers = [threading.Thread(target=write, args=(server.url, seed, most)) for seed in seeds]
            follower = threading.Thread(target=follow, args=(server.url, stop))
            for thread in (*writers, follower):
                thread.start()
            if turn < KILLS:
                writers[0].join()  # there is enough by now, and the others are in the middle of something
                server.kill()
            for thread in writers:
                thread.join()
            stop.set()
            follower.join()
            assert not failures, failures
    with serving(database_url, tmp_path / "data") as server, httpx2.Client(base_url=server.url) as http:
        mirror.http = http
        if not mirror.cursor:
            mirror.begin()
        mirror.catch_up()
        wanted = public_state(http)
        assert mirror.held == wanted
    sizes = {kind: len(rows) for kind, rows in wanted.items()}
    with capsys.disabled():
        sys.stdout.write(f" {len(done)} edits, {KILLS} kills, {mirror.told} changes, {sizes} ")
