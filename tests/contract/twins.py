"""Two servers, one on SQLite and one on PostgreSQL, that hold the same and are asked the same."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.core import ids
from app.core.settings import Settings
from app.db import Database, open_database
from app.identity import keys
from app.identity.schemas import SCOPES, SYSTEM
from app.main import create_app
from app.people import sessions
from app.people.people import PERSON
from tests import make
from tests.contract.day import Checked, Headers, live, subscribe
from tests.contract.staff import bodies_of, employ

REVIVE_AFTER = 50  # requests
COMBINED = (("content:read", "content:write"), ("content:read", "content:write", "content:publish"))
NOT_COMPARED = {"date", "etag", "x-request-id", "last-modified", "content-length", "broadsheet-position", "expires"}
_MASKS = [
    (re.compile(r"\b0199\w{4}-0000-7000-8000-(\w{9})\w{3}\b"), r"ID-\1"),  # of which request; the order in it may vary
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d (GMT|\+0000)"), "TIME"),
    (re.compile(r"\b(b[a-z]|whsec)_[\w+/=-]{20,}"), "TOKEN"),
    (re.compile(r"secret=[A-Z2-7]{32}|\"(secret|challenge)\": ?\"[\w-]+\""), "CHANCE"),
    (re.compile(r"\b\d+\.\d+\b"), "POSITION"),
    (re.compile(r"\b([0-9a-f]{32}|[0-9a-f]{64})\b"), "HASH"),
    (re.compile(r"urn:uuid:[0-9a-f-]{36}"), "urn:uuid:OF-A-TIME"),
    (re.compile(r"^retry: \d+"), "retry: SOON"),
    (re.compile(r"(cursor=|\"cursor\": ?\"|\"next\": ?\")[^&\">]+"), r"\1CURSOR"),
    (re.compile(r"\"(request_id|version|etag|current_version|token|position)\": ?\"[^\"]*\""), r'"\1":"MASKED"'),
]


def masked(text: str) -> str:
    """A text without times, tokens, positions and cursors."""
    for pattern, by in _MASKS:
        text = pattern.sub(by, text)
    return text


class Numbered:
    """Ids that are the same in both servers: the nth of a request, or of what the worker does after it."""

    def __init__(self) -> None:
        self._requests: dict[str, int] = {}
        self._next = 0

    def begin_request(self, server: str) -> None:
        """Begin to count for the next request of a server."""
        self._requests[server] = self._requests.get(server, 0) + 1
        self._next = self._requests[server] << 12

    def __call__(self) -> str:
        return self._format(self._count())

    def token_hex(self, length: int) -> str:
        """What stands for chance in secrets and tokens."""
        return hashlib.shake_256(str(self._count()).encode()).hexdigest(length)

    def _count(self) -> int:
        self._next += 1
        return self._next

    @staticmethod
    def _format(number: int) -> str:
        return f"0199{number >> 48:04x}-0000-7000-8000-{number:012x}"


class Client(TestClient):
    """A client of one server, whose ids depend on the number of the request."""

    def __init__(self, app: FastAPI, name: str, numbers: Numbered) -> None:
        super().__init__(app, raise_server_exceptions=False)
        self._name, self._numbers = name, numbers

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        self._numbers.begin_request(self._name)
        return super().request(*args, **kwargs)


@dataclass
class Server:
    """One of the two."""

    name: str
    client: Client
    checked: Checked
    callers: dict[str, Headers] = field(default_factory=dict)
    things: dict[str, list[str]] = field(default_factory=dict)
    bodies: dict[str, list[Any]] = field(default_factory=dict)  # that mean something, by operation
    people: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)


class Twins:
    """Both, with what was found wrong."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers
        self.faults: dict[str, str] = {}
        self.statuses: dict[str, set[int]] = {}
        self.asked = 0

    def revive(self) -> None:
        """Restore the people and sessions that were there at first: else all callers would be signed out soon."""
        for server in self.servers:
            store: Database = server.client.app.state.services.database  # type: ignore[attr-defined]
            with store.transaction() as session:
                for person in server.people:
                    session.execute(PERSON.update().where(PERSON.c.id == person["id"]).values(person))
                known = set(session.execute(sa.select(sessions.SESSION.c.id)).scalars())
                lost = [row for row in server.sessions if row["id"] not in known]
                if lost:
                    session.execute(sessions.SESSION.insert(), lost)

    def send(self, label: str, request: requests.PreparedRequest, caller: str) -> Any:
        """Ask both, and compare what they answer with the document and with each other; the first answer."""
        method, path = label.split(" ", 1)
        operation = next(each for each in self.servers[0].checked.operations if each[:2] == (method, path))
        answers = []
        for server in self.servers:
            headers = {**request.headers, **server.callers[caller]}
            sent = {
                name: value.encode("latin-1", "replace") if isinstance(value, str) else value
                for name, value in headers.items()
            }
            answer = server.client.request(
                method, str(request.url), content=request.body or b"", headers=sent, follow_redirects=False
            )
            server.checked.compare(operation, answer)
            for fault in server.checked.faults:
                self.note(f"{server.name}: {fault}", request, caller)
            server.checked.faults.clear()
            answers.append(answer)
            if answer.status_code >= 500:
                self.note(f"{server.name}: {label} {answer.status_code}", request, caller)
        self.asked += 1
        if self.asked % REVIVE_AFTER == 0:
            self.revive()
        self.statuses.setdefault(label, set()).add(answers[0].status_code)
        for difference in differences(*answers):
            self.note(f"{label}: {difference[:300]}", request, caller)
        return answers[0]

    def note(self, fault: str, request: requests.PreparedRequest, caller: str) -> None:
        """Remember one request for each kind of fault."""
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        self.faults.setdefault(fault, f"{request.method} {request.url} {body[:500]!r} {request.headers} by {caller}")


def differences(first: Any, second: Any) -> Iterator[str]:
    """What two answers differ in, but for ids and times."""
    if first.status_code != second.status_code:
        yield f"{first.status_code} and {second.status_code}: {first.text[:120]} | {second.text[:120]}"
        return
    one, two = (
        {name: masked(value) for name, value in answer.headers.items() if name not in NOT_COMPARED}
        for answer in (first, second)
    )
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield f"{first.status_code} {name}: {one.get(name)} and {two.get(name)}"
    texts = [masked(answer.text) for answer in (first, second)]
    if texts[0] != texts[1]:
        at = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
        one_part, other_part = (text[max(0, at - 60) : at + 80] for text in texts)
        yield f"{first.status_code} body: …{one_part} and …{other_part}"


def _callers(client: TestClient, db: Database, section: str) -> dict[str, Headers]:
    """Somebody of each kind."""
    found: dict[str, Headers] = {"nobody": {}, "a guest": make.guest(client)}
    for scopes in (*((scope,) for scope in SCOPES), *COMBINED):
        with db.transaction() as session:
            found["+".join(scopes)] = make.bearer(keys.create_api_key(session, SYSTEM, "test", list(scopes))[1])
    with db.transaction() as session:
        limited = keys.create_api_key(session, SYSTEM, "limited", list(COMBINED[-1]), [section])[1]
    return found | {"limited": make.bearer(limited)}


def _populate(server: Server, db: Database) -> None:
    """A newsroom's day, and what stands in paths after it."""
    with db.transaction() as session:
        admin = make.bearer(keys.create_api_key(session, SYSTEM, "admin", ["admin"])[1])
    found = live(server.checked, admin)
    found |= subscribe(server.checked, server.client, admin, found["article"])
    draft = make.draft(server.client, admin, "日本語", section=found["sections"])["id"]
    server.callers = _callers(server.client, db, found["sections"])
    things = {name: [value] for name, value in found.items()}
    things |= {plural.removesuffix("s"): [found[plural]] for plural in ("sections", "tags", "authors", "notices")}
    things |= {"series": [found["series"]], "article": [found["article"], "b", found["gone"], found["court"], draft]}
    things |= {"front": [found["front"], "home"], "n": ["1", "2"], "form": ["rss", "atom", "json"], "part": ["1"]}
    things |= {"key_id": [found["key"]], "preview_id": [found["preview"]], "code": ["not_found"], "month": ["2026-11"]}
    server.things = things | {"suffix": ["jsonld", "ninjs", "md", "txt"], "media": [found["article"]]}
    server.things |= {"upload": [found["article"]], "size": ["1x1"], "ending": ["webp"]}
    sections = {"here": found["sections"], "elsewhere": make.section(server.client, admin, "Elsewhere")["id"]}
    people, more = employ(server.checked, server.client, db, admin, sections)
    server.callers |= people
    server.things |= more
    server.bodies = bodies_of(server.checked, server.client, db, admin)
    with db.connect() as connection:
        server.people = [dict(row) for row in connection.execute(sa.select(PERSON)).mappings()]
        server.sessions = [dict(row) for row in connection.execute(sa.select(sessions.SESSION)).mappings()]


@contextmanager
def twins(settings: Settings, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Start both on empty stores."""
    numbers, started = Numbered(), []
    monkeypatch.setattr(ids.uuid_utils, "uuid7", numbers)
    monkeypatch.setattr(secrets, "token_hex", numbers.token_hex)
    monkeypatch.setattr(sessions, "ACCESS_LIFETIME", timedelta(days=1))  # else one of the two would end first
    monkeypatch.setattr(sessions, "SESSION_CACHE_SECONDS", -1)
    try:
        for name, url in urls.items():
            own = settings.model_copy(update={"database_url": url, "data_dir": settings.data_dir / name})
            client = Client(create_app(own, with_worker=False), name, numbers)
            numbers.begin_request(name)
            client.__enter__()
            server = Server(name, client, Checked(client))
            started.append(server)
            db = open_database(url)
            _populate(server, db)
            assert client.portal is not None
            client.portal.call(db.stop)
        yield Twins(started)
    finally:
        for server in started:
            server.client.__exit__(None, None, None)
