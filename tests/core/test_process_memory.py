"""What a process does about its memory."""

import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

from app.core.memory import pause_collector, share_arena

STARTED = """
import sys
from app.core.settings import Settings
from app.main import create_app
app = create_app(Settings(_env_file=None), with_worker=False)
print(*sys.modules)
"""
QUERYING = """
import sys
import app.db.opening, app.db.query_process, app.search.finding, app.search.listing, app.articles.listing
print(*sys.modules)
"""
SUPERVISING = """
import sys
from app.cli.common import Failure
from app.cli.serve import serve
try:
    serve(port=0, workers=2)
except Failure as failure:
    print(failure)
print(*sys.modules)
"""
LATE = {
    "alembic",
    "cryptography",
    "jinja2",
    "jwt",
    "lxml",
    "nh3",
    "opentelemetry.sdk",
    "PIL",
    "psycopg",
    "pygments",
    "rapidfuzz",
    "rich",
    "snowballstemmer",
    "sqlalchemy.dialects.postgresql",  # an index that names its options imports it
}


def test_a_server_starts_without_what_few_requests_need() -> None:
    out = subprocess.run([sys.executable, "-c", STARTED], check=True, capture_output=True, text=True).stdout
    assert "fastapi" in (imported := set(out.split()))
    assert not imported & LATE


def test_a_query_process_does_without_what_serves_requests() -> None:
    out = subprocess.run([sys.executable, "-c", QUERYING], check=True, capture_output=True, text=True).stdout
    assert not set(out.split()) & {*LATE, "fastapi", "limits", "markdown_it", "starlette", "uvicorn", "zstandard"}


def test_a_supervisor_tells_wrong_settings_without_the_app(tmp_path: Path) -> None:
    environment = {**os.environ, "BROADSHEET_DATA_DIR": str(tmp_path), "BROADSHEET_RATE_LIMITS": "writes=1/minute"}
    out = subprocess.run(
        [sys.executable, "-c", SUPERVISING], env=environment, check=True, capture_output=True, text=True
    ).stdout
    told, modules = out.splitlines()
    assert told.startswith("These settings cannot be used: RATE_LIMITS knows the policies")
    assert not set(modules.split()) & {"alembic", "app.main", "app.wiring"}


def test_the_collector_pauses_and_goes_on() -> None:
    with pause_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_threads_share_an_arena_where_there_are_arenas() -> None:
    assert share_arena() is (platform.libc_ver()[0] == "glibc")
