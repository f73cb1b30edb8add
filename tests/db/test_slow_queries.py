"""The log of slow queries: what was run, and never with which values."""

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.db.slow_queries import log_slow_queries
from app.main import create_app
from tests import make
from tests.make import Headers

SECRET = "zqxvalue"


def test_statements_are_logged_without_values(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    reads, _ = db.engines()
    log_slow_queries(reads, 0)
    with db.connect() as connection:
        connection.execute(sa.text("SELECT id\n  FROM article WHERE title = :title"), {"title": SECRET})
    written = capsys.readouterr()
    lines = [line for line in (written.err + written.out).splitlines() if "slow query" in line]
    assert any("SELECT id FROM article WHERE title = " in line for line in lines)
    assert not any(SECRET in line for line in lines)


def test_the_setting_turns_it_on(
    settings: Settings, admin: Headers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = SimpleNamespace(perf_counter=iter(range(10**6)).__next__)  # each look at the clock is a second later
    monkeypatch.setattr("app.db.slow_queries.time", seconds)
    with TestClient(create_app(settings.model_copy(update={"slow_query_ms": 500}), with_worker=False)) as client:
        make.draft(client, admin, SECRET)
        make.ok(client.get("/v1/articles"))
    lines = [line for line in capsys.readouterr().err.splitlines() if "slow query" in line]
    assert any("INSERT INTO article" in line for line in lines)
    assert any("SELECT" in line and "FROM api_key" in line for line in lines), "prepared statements, too"
    assert not any(SECRET in line for line in lines)
