"""ARCHITECTURE lists the files that three requests pass; here the requests are made, and every call is noted."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from app.core.settings import Settings
from tests import make
from tests.make import Headers

ROOT = Path(__file__).resolve().parents[1]
APP = f"{ROOT / 'app'}/"
FLOORS = {"core", "db", "edge", "events", "identity", "net", "text", "web"}  # which the rooms build upon
DECLARING = {"schemas.py", "services.py", "tables.py"}
MOST = {"GET /v1/articles/{article}": 5, "POST /v1/articles/{article}/comments": 10, "GET /v1/search": 6}
Calls = dict[str, set[str]]


def read_lists() -> dict[str, list[tuple[set[str], set[str]]]]:
    """Read, by request, the lines of the lists: files and the functions of theirs that are named."""
    section = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("## Three requests")[2]
    lists: dict[str, list[tuple[set[str], set[str]]]] = defaultdict(list)
    request = ""
    for line in section.split("```")[1].strip().splitlines():
        if entry := re.fullmatch(r"  (\S+\.py(?:, \S+\.py)*) +([\w, ]+)(: .*)?", line):
            lists[request].append((set(entry[1].split(", ")), set(entry[2].split(", "))))
        else:
            request = line
    return lists


def is_room(file: str) -> bool:
    room, _, module = file.rpartition("/")
    return bool(room) and room not in FLOORS and module not in DECLARING


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"cache_size": 0})  # a kept answer passes no room


@pytest.fixture
def trace() -> Iterator[Callable[[Callable[[], object]], Calls]]:
    """Note the functions that a call passes, by file, in all threads that begin later."""
    calls: Calls = defaultdict(set)
    is_on = False

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if is_on and event == "call" and code.co_filename.startswith(APP):
            calls[code.co_filename.removeprefix(APP)].add(code.co_name)

    def run(call: Callable[[], object]) -> Calls:
        nonlocal is_on
        is_on = True
        call()
        is_on = False
        noted = {file: set(names) for file, names in calls.items()}
        calls.clear()
        return noted

    threading.setprofile(note)
    yield run
    is_on = False
    threading.setprofile(None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_listed_files_are_those_that_the_requests_pass(
    trace: Callable[[Callable[[], object]], Calls], client: TestClient, editor: Headers, make_cards: Callable[[], None]
) -> None:
    article = make.published(client, editor, "A winter in the mountains")
    make_cards()
    guest = make.guest(client)

    def get_article() -> None:
        make.ok(client.get(f"/v1/articles/{article['slug']}"))

    def search() -> None:
        make.ok(client.get("/v1/search?q=winter"))

    def post_comment() -> None:
        make.comment(client, article, f"I agree with this, {uuid4()}.", author={"name": "Ida"}, headers=guest)

    sent = {
        "GET /v1/articles/{article}": get_article,
        "GET /v1/search": search,
        "POST /v1/articles/{article}/comments": post_comment,
    }
    lists = read_lists()
    assert lists.keys() == sent.keys()
    for request, send in sent.items():
        send()  # the first one fills what a process remembers
        traces = [trace(send) for _ in range(3)]  # of which one may see a task in the background
        passed = {file: set.intersection(*(each.get(file, set()) for each in traces)) for file in traces[0]}
        files = {file for file, names in passed.items() if names and is_room(file)}
        assert files == set().union(*(files for files, _ in lists[request])), request
        assert len(files) <= MOST[request]
        for files, names in lists[request]:
            assert names <= set().union(*(passed[file] for file in files)), f"{request}: {files}"
