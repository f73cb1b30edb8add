"""Behind a pooler in transaction mode nothing is left in a session, and nothing is looked for there."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

import app
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.postgres import SESSION_SETTINGS, PostgresDatabase, find_missing_settings
from app.main import create_app
from app.services import Services, build_worker
from tests import make
from tests.db.pooler import Pooler, pooling

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
OF_A_SESSION = re.compile(
    r"^\s*(SET (?!LOCAL\b|NULL\b|CONSTRAINTS\b|TRANSACTION\b)|RESET\b|(UN)?LISTEN\b|DISCARD\b|PREPARE\b)"
    r"|\bTEMP(ORARY)? TABLE\b|\bpg_(try_)?advisory_(un)?lock\w*\(|\bWITH HOLD\b|\bset_config\([^)]*false\)"
)
"""What works in a session alone."""


@pytest.fixture
def pooled(database_url: str) -> Iterator[tuple[str, Pooler]]:
    with tempfile.TemporaryDirectory(prefix="pooler-") as folder, pooling(database_url, Path(folder)) as found:
        yield found


def test_the_app_and_its_worker_need_no_session(
    pooled: tuple[str, Pooler], settings: Settings, editor: make.Headers
) -> None:
    url, pooler = pooled
    urls = {"database_url": url, "direct_database_url": settings.database, "read_database_url": url, "cache_size": 8}
    behind = settings.model_copy(update=urls)
    with TestClient(create_app(behind, with_worker=False)) as client:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        article = make.published(client, editor, "A ferry")
        make.comment(client, article)
        client.portal.call(build_worker(services.database, behind).run_once)  # type: ignore[union-attr]
        for path in ("/v1/articles", "/v1/search?q=ferry", f"/v1/articles/{article['id']}/comments?view=all"):
            assert len(make.ok(client.get(path))["data"]) == 1
        with services.database.snapshot() as connection:
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
    assert len(pooler.statements) > 50
    assert pooler.prepared == []
    assert [text for text in pooler.statements if OF_A_SESSION.search(text)] == []


def test_no_code_of_the_server_needs_a_session(database_url: str) -> None:
    """Statements that a story does not come across.

    What listens has a connection of its own, and so has `restore`; previews make temporary tables on SQLite alone.
    """
    folder = Path(app.__file__).parent
    literals = re.compile(r'"([^"\n]*)"')
    faults = [
        (path.name, text)
        for path in folder.rglob("*.py")
        for text in literals.findall(path.read_text(encoding="utf-8"))
        if OF_A_SESSION.search(text) and path.name not in {"listening.py", "archives.py", "overlays.py"}
    ]
    assert faults == []


def test_without_the_direct_url_it_says_what_is_wrong(pooled: tuple[str, Pooler]) -> None:
    db = open_database(pooled[0])
    with pytest.raises(OperationalError, match="unsupported startup parameter: options"), db.connect():
        pass
    asyncio.run(db.stop())


def test_settings_that_sessions_lack_are_told(pooled: tuple[str, Pooler], database_url: str, db: Database) -> None:
    behind = open_database(pooled[0], direct_url=database_url)
    assert isinstance(behind, PostgresDatabase)
    try:
        lacking = behind.run_query(find_missing_settings)
    finally:
        asyncio.run(behind.stop())
    told = [f"ALTER ROLE CURRENT_USER SET {name} = '{value}'" for name, value in SESSION_SETTINGS.items()]
    assert lacking in (told, told[1:])  # the time zone is not lacking where the server was created with UTC
    assert db.run_query(find_missing_settings) == []
