"""Stores of earlier schemas are upgraded, lose nothing, and can be written by the release before meanwhile."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import migrations, open_database
from app.main import create_app
from tests.make import ok
from tests.stores import list_stores, unpack

EXPAND_ONLY_SINCE = "0022"  # before, tables were changed in ways that an older release could not write beside
COUNTED = (
    "article",
    "revision",
    "comment",
    "section",
    "tag",
    "author",
    "api_key",
    "webhook",
    "media",
    "notice",
    "front",
)


@pytest.fixture(params=list_stores())
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of an earlier schema; the URL."""
    unpack(request.param, tmp_path / "broadsheet.db")
    return f"sqlite:///{tmp_path / 'broadsheet.db'}"


@pytest.fixture
def settings(all_settings: Settings, store: str, tmp_path: Path) -> Settings:
    """Settings of a server on it."""
    return all_settings.model_copy(update={"database_url": store, "data_dir": tmp_path})


def look(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a query."""
    engines = open_database(url).engines()
    try:
        with engines[0].connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    finally:
        for engine in engines:
            engine.dispose()


def count_rows(url: str) -> dict[str, int]:
    """Count the rows of what people have made."""
    return {name: look(url, f"SELECT count(*) FROM {name}")[0][0] for name in COUNTED}


def test_a_store_is_upgraded_and_served(store: str, settings: Settings) -> None:
    before = count_rows(store)
    assert all(before.values()), before
    migrations.upgrade(store)
    migrations.check_tables(store)
    assert count_rows(store) == before
    assert look(store, "PRAGMA integrity_check") == [("ok",)]
    assert look(store, "PRAGMA foreign_key_check") == []
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        articles = ok(client.get("/v1/articles?limit=50"))["data"]
        assert len(articles) == 8
        public, shown_now = "JOIN article_period p ON p.article_id = a.id", "a.public AND p.revision = a.revision"
        history = f"SELECT count(*) FROM article a {public} WHERE {shown_now} AND p.until_at IS NULL"
        assert look(store, history) == [(8,)], "the history of what is public begins with what is known"
        for article in articles:
            ok(client.get(f"/v1/articles/{article['slug']}?include=related,neighbours,comments"))
        assert len(ok(client.get("/v1/search?q=fog&limit=50"))["data"]) == len(articles)
        assert client.get("/v1/articles/fog-part-0", follow_redirects=False).status_code == 301
        assert client.get("/v1/articles/fog-part-2").status_code == 410
        assert ok(client.get("/v1/articles/fog-part-3/comments"))["data"][0]["replies"]
        for path in ("/v1/fronts/home", "/v1/sections", "/v1/changes", "/feeds/site.rss", "/sitemap.xml"):
            assert client.get(path).status_code == 200, path
        said = client.post("/v1/articles/fog-part-3/comments", json={"text": "Still here.", "author": {"name": "Cy"}})
        ok(said, 201)


def describe(url: str) -> dict[str, tuple[str, bool]]:
    """Describe each column: its type, and whether a writer that does not know it may leave it out."""
    engines = open_database(url).engines()
    try:
        with engines[0].connect() as connection:
            found = sa.inspect(connection)
            return {
                f"{table}.{column['name']}": (str(column["type"]), column["nullable"] or column["default"] is not None)
                for table in found.get_table_names()
                for column in found.get_columns(table)
            }
    finally:
        for engine in engines:
            engine.dispose()


def unique_rules(url: str) -> set[tuple[str, ...]]:
    """List what may not be there twice: a table and its columns. Where one of them is null, nothing is."""
    return {
        (table, *(name or "" for name in index["column_names"]))
        for engine in open_database(url).engines()[:1]
        for table in sa.inspect(engine).get_table_names()
        for index in [*sa.inspect(engine).get_indexes(table), *sa.inspect(engine).get_unique_constraints(table)]
        if index.get("unique", True)
    }


def nullable_columns(url: str) -> set[tuple[str, str]]:
    """List the columns that are null where a writer leaves them out."""
    return {
        (table, column["name"])
        for engine in open_database(url).engines()[:1]
        for table in sa.inspect(engine).get_table_names()
        for column in sa.inspect(engine).get_columns(table)
        if column["nullable"] and column["default"] is None
    }


@pytest.mark.parametrize(
    "store", [revision for revision in list_stores() if revision >= EXPAND_ONLY_SINCE], indirect=True
)
def test_the_release_before_can_write_meanwhile(store: str) -> None:
    """Migrations only add what former releases may leave out; what they take away is not used since a release."""
    tables, rules = describe(store), unique_rules(store)
    migrations.upgrade(store)
    after = describe(store)
    assert {name: after.get(name) for name in tables} == tables
    old_tables = {name.partition(".")[0] for name in tables}
    added = {name: can_be_left_out for name, (_, can_be_left_out) in after.items() if name not in tables}
    assert [name for name, can in added.items() if not can and name.partition(".")[0] in old_tables] == []
    left_null = {place for place in nullable_columns(store) if ".".join(place) not in tables}
    new_rules = [(table, *columns) for table, *columns in unique_rules(store) - rules if table in old_tables]
    assert [rule for rule in new_rules if not any((rule[0], name) in left_null for name in rule[1:])] == []
