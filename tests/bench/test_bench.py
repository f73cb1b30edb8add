"""The harness measures a consistent store, and no read takes a statement per row."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.tables import ArticleTag
from app.db import Database
from app.db.columns import table_of
from app.publication.tables import Tag
from bench.cases import CASES
from bench.seed import Store, seed_store
from bench.statements import behind, excess, explained


@pytest.fixture
def store(database_url: str) -> Store:
    """Enough articles for a few pages."""
    return seed_store(database_url, 120)


def test_reads_take_no_statement_per_row(store: Store, tmp_path: Path) -> None:
    found = behind(store, CASES, tmp_path)
    assert excess(CASES, found) == []
    assert "article" in explained(store, found["list"][0])


def test_a_seeded_store_is_consistent(store: Store, db: Database, client: TestClient) -> None:
    tag, link = table_of(Tag), table_of(ArticleTag)
    counted = sa.select(sa.func.count()).where(link.c.tag_id == tag.c.id, link.c.listed).scalar_subquery()
    with db.connect() as connection:
        assert connection.execute(sa.select(tag.c.slug).where(tag.c.articles != counted)).all() == []
    page = client.get("/v1/articles", params={"count": "exact", "limit": 100}).json()["page"]
    assert 100 < page["total"] < store.articles
    assert page["next"]
