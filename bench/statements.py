"""The statements of each read, and their query plans."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import open_database
from app.main import create_app
from bench.cases import Case, Request, prepare_requests, read_facts
from bench.seed import Store


class Statement(NamedTuple):
    """A statement as the driver gets it."""

    sql: str
    parameters: Any


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Record every statement of all engines of this process."""
    found: list[Statement] = []

    def record(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, _many: bool) -> None:
        found.append(Statement(sql, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", record)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", record)


def behind(store: Store, cases: Sequence[Case], folder: Path) -> dict[str, list[Statement]]:
    """Return the statements of one response of each read, by case; the app runs in this process."""
    options: dict[str, Any] = {"_env_file": None, "database_url": store.url, "data_dir": folder, "rate_limits": "off"}
    options["cache_size"] = 0
    app = create_app(Settings(**options), with_worker=False)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    facts, found = read_facts(store), {}
    with TestClient(app) as client:

        def send(request: Request) -> Any:
            return client.request(request.method, request.path, headers=dict(request.headers))

        for case in cases:
            if case.statements is None:
                continue
            request = prepare_requests(case, facts, lambda asked: str(send(asked).headers["etag"]))[0]
            with recorded() as statements:
                answer = send(request)
            assert answer.status_code == case.status, (case.name, answer.text)
            found[case.name] = statements
    return found


def excess(cases: Sequence[Case], found: dict[str, list[Statement]]) -> list[str]:
    """Yield complaints about reads that took more statements than allowed."""
    return [
        f"{case.name} takes {len(found[case.name])} statements, not {case.statements}"
        for case in cases
        if case.statements is not None and len(found[case.name]) > case.statements
    ]


def explained(store: Store, statement: Statement) -> str:
    """Return the query plan: EXPLAIN QUERY PLAN on SQLite, EXPLAIN (ANALYZE, BUFFERS) on PostgreSQL."""
    db = open_database(store.url)
    try:
        with db.connect() as connection:
            if "SET LOCAL" in statement.sql or statement.sql == "COMMIT":
                return "nothing to plan"
            if db.dialect == "postgresql":
                rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement.sql}", statement.parameters)
                return "\n".join(row[0] for row in rows)
            depth = {0: -1}
            lines = []
            for node, parent, _, detail in connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters
            ):
                depth[node] = depth[parent] + 1
                lines.append("  " * depth[node] + detail)
            return "\n".join(lines)
    finally:
        for engine in db.engines():
            engine.dispose()
