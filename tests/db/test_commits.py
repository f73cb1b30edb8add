"""What tells of commits differs after each of them, and only a commit can make it differ."""

import os
import subprocess
from pathlib import Path

import sqlalchemy as sa

from app.db import SqliteDatabase
from app.db.commits import CommitWatch
from tests import processes

WRITER = """
import sys
from app.db.driver import sqlite
connection = sqlite.connect(sys.argv[1], isolation_level=None, timeout=30)
for line in sys.stdin:
    connection.execute(line)
    print("done", flush=True)
"""


def raw(connection: sa.Connection) -> object:
    return connection.connection.dbapi_connection


def check_watch(watch: CommitWatch, path: Path, *, is_mapped: bool) -> None:
    assert (watch._header is not None) == is_mapped
    read, write = os.pipe()
    with (
        processes.start(str(path), code=WRITER, stdin=read, stdout=subprocess.PIPE) as writer,
        os.fdopen(write, "w") as statements,
    ):
        os.close(read)
        assert writer.stdout

        def run(sql: str) -> None:
            statements.write(f"{sql}\n")
            statements.flush()
            assert writer.stdout.readline() == "done\n"  # type: ignore[union-attr]

        seen = watch.read()
        assert watch.read() == seen
        for number in range(200):
            run("BEGIN IMMEDIATE")
            run(f"UPDATE log_cursor SET seq = {number + 1}")
            assert watch.read() == seen, "nothing was committed yet"
            run("ROLLBACK" if number % 5 == 4 else "COMMIT")
            after = watch.read()
            assert (after == seen) == (number % 5 == 4)
            seen = after
        run("PRAGMA wal_checkpoint(TRUNCATE)")
        seen = watch.read()
        for _ in range(3):
            run("INSERT INTO log_cursor (reader, xid, seq) SELECT hex(randomblob(8)), 0, 0")
            assert watch.read() != seen
            seen = watch.read()


def test_every_commit_of_another_process_shows(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = SqliteDatabase(f"sqlite:///{path}")
    with database.engines()[1].begin() as connection:
        connection.execute(sa.text("INSERT INTO log_cursor (reader, xid, seq) VALUES ('a', 0, 0)"))
    with database.engines()[0].connect() as connection:
        check_watch(database.watch_commits(connection), path, is_mapped=True)
        unmapped = CommitWatch(raw(connection), str(tmp_path / "nowhere"))
        check_watch(unmapped, path, is_mapped=False)
    for engine in database.engines():
        engine.dispose()


def test_commits_of_this_process_show(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = SqliteDatabase(f"sqlite:///{path}")
    with database.engines()[0].connect() as connection:
        watch = database.watch_commits(connection)
        for number in range(50):
            seen = watch.read()
            with database.engines()[1].begin() as other:
                values = {"reader": f"r{number}"}
                other.execute(sa.text("INSERT INTO log_cursor (reader, xid, seq) VALUES (:reader, 0, 0)"), values)
            assert watch.read() != seen
    for engine in database.engines():
        engine.dispose()
