"""Commands import what they need, and no more: what is imported is most of the time that a short command takes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import COMMANDS, load_command
from app.core.files import make_folder

SCRIPT = """
import json, sys
from app.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
    print("modules:" + json.dumps(sorted(sys.modules)))
"""
HEAVY = {"alembic", "cryptography", "fastapi", "httpcore2", "httpx2", "lxml", "nh3", "PIL", "psycopg", "uvicorn"}


def list_imports(*arguments: str) -> set[str]:
    """Run a command in a process of its own; return the packages that it has imported."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name.partition(".")[0] for name in json.loads(out.rpartition("modules:")[2])}


def test_help_needs_neither_database_nor_settings() -> None:
    assert not list_imports("--help") & {*HEAVY, "pydantic", "sqlalchemy"}


def test_a_command_about_keys_does_not_import_the_server(data: Path, sqlite_template: Path) -> None:
    make_folder(data)
    shutil.copy(sqlite_template, data / "broadsheet.db")
    assert not list_imports("keys", "list") & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_lines_of_their_help(name: str) -> None:
    summary = (load_command(name).help or "").partition("\n\n")[0]
    assert " ".join(summary.split()) == COMMANDS[name][1]
