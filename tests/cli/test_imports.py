"""`broadsheet import` as an operator meets it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.db.migrations import FOLDER
from tests.cli.conftest import Broadsheet
from tests.importers.disqus.exports import disqus, post, thread
from tests.importers.wordpress.exports import HARBOUR, export, item

pytestmark = pytest.mark.portable

Sql = Callable[[str, str], list[tuple[Any, ...]]]


def published(sql: Sql, store: str) -> int:
    return int(sql(store, "SELECT count(*) FROM article WHERE state = 'published'")[0][0])


def test_importing_prints_what_came_and_importing_again_does_nothing(
    broadsheet: Broadsheet, store: str, sql: Sql
) -> None:
    first = broadsheet("import", "wordpress", HARBOUR)
    assert (first.status, first.err) == (0, "")
    assert published(sql, store) == 7
    said = [" ".join(line.split()) for line in first.out.splitlines()]
    assert "posts 11 10 0 0 0 1 0 0 8" in said
    assert "1 comment, spam: spam, never shown" in said
    assert any(line.startswith("tide 302 High water refused") for line in said)
    assert "@" not in first.out
    assert "Finn" not in first.out
    again = broadsheet("import", "wordpress", HARBOUR)
    assert again.status == 0
    assert "posts 11 0 0 10 0 1 0 0 0" in [" ".join(line.split()) for line in again.out.splitlines()]
    assert sql(store, "SELECT DISTINCT actor_kind, actor_name FROM audit") == [("system", "import")]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # which rooms are known is not the store's affair
def test_what_was_imported_is_found(store: str, data: Path, sql: Sql) -> None:
    """In a process of its own: in this one all rooms are known already."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    subprocess.run([sys.executable, "-m", "app", "import", "wordpress", str(HARBOUR)], env=environment, check=True)
    entries = "SELECT count(*) FROM search_entry JOIN article ON article.id = search_entry.article_id"
    assert sql(store, entries) == [(7,)]
    assert published(sql, store) == 7


def test_a_dry_run_reports_the_same_as_json_and_writes_nothing(broadsheet: Broadsheet, store: str, sql: Sql) -> None:
    dry = broadsheet("import", "wordpress", HARBOUR, "--dry-run", "--json")
    assert (dry.status, dry.err) == (0, "")
    assert sql(store, "SELECT count(*) FROM audit") == sql(store, "SELECT count(*) FROM import_source") == [(0,)]
    real = json.loads(broadsheet("import", "wordpress", HARBOUR, "--json").out)
    assert json.loads(dry.out) == {**real, "dry_run": True}
    assert real["source"] == "wordpress:harbour.example/news"
    assert real["kinds"]["posts"]["new"] == 10
    assert {"kind", "id", "title", "outcome", "reasons"} == set(real["items"][0])


def test_a_broken_file_is_refused_with_its_place(broadsheet: Broadsheet, store: str, sql: Sql, tmp_path: Path) -> None:
    path = tmp_path / "cut.xml"
    path.write_bytes(HARBOUR.read_bytes()[:9000])
    for options in ((), ("--dry-run",), ("--json",)):
        ended = broadsheet("import", "wordpress", path, *options)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err.startswith("Error: cut.xml cannot be read, and nothing was imported: line ")
        assert "column" in ended.err
    assert sql(store, "SELECT count(*) FROM audit") == [(0,)]


@pytest.mark.parametrize("dry", [True, False])
def test_one_that_cannot_be_imported_fails_the_command_and_not_the_others(
    broadsheet: Broadsheet, store: str, sql: Sql, tmp_path: Path, dry: bool
) -> None:
    path = export(tmp_path / "export.xml", item(1, content="x" * 1_000_001), item(2))
    ended = broadsheet("import", "wordpress", path, *(["--dry-run"] if dry else []))
    assert ended.status == 1
    assert ended.err.strip() == ("1 would fail." if dry else "1 could not be imported; everything else was.")
    assert published(sql, store) == (0 if dry else 1)


def test_disqus_comments_go_under_the_articles_of_their_threads(
    broadsheet: Broadsheet, store: str, sql: Sql, tmp_path: Path
) -> None:
    assert broadsheet("import", "wordpress", export(tmp_path / "export.xml", item(1))).status == 0
    path = tmp_path / "disqus.xml"
    path.write_text(disqus(thread(1, "https://old.example/slug-1"), post(1, 1), post(2, 1, parent=1)), "utf-8")
    dry = broadsheet("import", "disqus", path, "--dry-run", "--json")
    assert (dry.status, dry.err) == (0, "")
    assert sql(store, "SELECT count(*) FROM comment") == [(0,)]
    real = broadsheet("import", "disqus", path, "--json")
    assert json.loads(dry.out) == {**json.loads(real.out), "dry_run": True}
    assert json.loads(real.out)["source"] == "disqus:quay"
    assert sql(store, "SELECT count(*), max(depth) FROM comment WHERE state = 'published'") == [(2, 1)]
    path.write_text(disqus(post(3, 9)), "utf-8")
    ended = broadsheet("import", "disqus", path)
    assert (ended.status, ended.err.strip()) == (1, "1 could not be imported; everything else was.")
    assert "its thread 9 is not in the file" in ended.out
    path.write_text("<rss/>", "utf-8")
    ended = broadsheet("import", "disqus", path)
    assert (ended.status, ended.out) == (1, "")
    assert "nothing was imported: line 1, column 1" in ended.err


def test_a_file_that_is_not_there_is_a_wrong_argument(broadsheet: Broadsheet, store: str) -> None:
    assert broadsheet("import", "wordpress", "nowhere.xml").status == 2
    assert broadsheet("import", "drupal", HARBOUR).status == 2
