"""A publication that was there before the search and the windows of activity: an upgrade finds and counts it all."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.articles.counters import ACTIVITY
from app.articles.tables import Article
from app.comments.reading import C
from app.core.clock import now
from app.core.ids import new_id
from app.db import Database, migrations, open_database
from app.db.columns import table_of
from app.search.tables import ENTRY
from tests.articles.stock import Piece, put
from tests.comments.trees import Twig, grown


@pytest.fixture
def older(database_url: str, db: Database) -> Iterator[Database]:
    """A store of the release before, with a public article, a draft and comments of several ages."""
    pieces = [Piece(new_id(), "ferry", title="The ferry"), Piece(new_id(), "draft", state="draft", public=False)]
    put(db, pieces)
    rows = grown(db, pieces[0].id, [Twig(), Twig(), Twig(), Twig(state="removed")])
    with db.transaction() as session:
        for row, days in zip(rows, (0, 3, 50, 0), strict=True):
            at = now() - timedelta(days=days)
            session.execute(sa.update(C).where(C.c.id == row["id"]).values(created_at=at))
    for engine in db.engines():
        engine.dispose()
    migrations.downgrade(database_url, "0002")
    yield db
    migrations.upgrade(database_url)


def test_an_upgrade_indexes_and_counts_what_is_there(older: Database, database_url: str) -> None:
    migrations.upgrade(database_url)
    with older.connect() as connection:
        article = table_of(Article)
        public = connection.execute(sa.select(article.c.id).where(article.c.public)).scalars().all()
        assert connection.execute(sa.select(ENTRY.c.article_id)).scalars().all() == public
        assert [tuple(row) for row in connection.execute(sa.select(ACTIVITY))] == [(public[0], 1, 2, 2, 0, 0, 0)]


def test_nothing_of_an_entry_is_compressed(db: Database) -> None:
    if db.dialect == "postgresql":
        stored = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'search_entry'::regclass AND attname = :name"
        with db.connect() as connection:
            for name in ("weights", "vector"):
                assert connection.execute(sa.text(stored), {"name": name}).scalar_one() == "e", name


def test_the_command_indexes_everything_anew(
    data: Path, broadsheet: Callable[..., Any], sqlite_template: Path, tmp_path: Path
) -> None:
    data.mkdir()
    shutil.copy(sqlite_template, data / "broadsheet.db")
    db = open_database(f"sqlite:///{data / 'broadsheet.db'}")
    put(db, [Piece(new_id(), "a", title="The ferry"), Piece(new_id(), "b"), Piece(new_id(), "c", public=False)])
    for _ in range(2):
        ended = broadsheet("search", "rebuild")
        assert (ended.status, ended.out) == (0, "2 articles indexed, 0 orphaned entries deleted.\n")
    with db.connect() as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM search_words WHERE search_words MATCH 'ferry'"))
        assert found.scalar_one() == 1
        assert connection.execute(sa.select(sa.func.count()).select_from(ENTRY)).scalar_one() == 2
    for engine in db.engines():
        engine.dispose()
