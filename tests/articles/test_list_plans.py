"""Editors' lists take their order from an index: no list sorts all articles."""

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.tables import ArticleAuthor
from app.db import Database
from app.db.columns import table_of
from app.publication.tables import Author, Tag
from bench.statements import recorded
from tests.make import author, draft, ok, pages, published, said


@pytest.mark.parametrize("sort", ["title", "-title", "-updated_at", "-edited_at", "created_at", "-published_at"])
def test_an_index_gives_the_order_of_editors_lists(
    sort: str, client: TestClient, editor: dict[str, str], db: Database
) -> None:
    draft(client, editor, "One")
    with recorded() as statements:
        ok(client.get(f"/v1/articles?state=any&sort={sort}", headers=editor))
    (listed,) = [found for found in statements if "AS page" in found.sql]
    if db.dialect == "sqlite":
        with db.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {listed.sql}", listed.parameters).all()
        assert not [row for row in plan if "TEMP B-TREE" in row[3]], plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("path", "query"), [("articles", {}), ("articles", {"tag": "war"}), ("articles/first/comments", {"view": "all"})]
)
def test_the_page_before_is_read_by_the_same_index(
    path: str, query: dict[str, str], client: TestClient, editor: dict[str, str], db: Database
) -> None:
    article = published(client, editor, "First", tags=["war"])
    published(client, editor, "Second", tags=["war"])
    for text in ("One of two.", "Another of two."):
        said(client, article, text)
    with recorded() as statements:
        pages(client, f"/v1/{path}", limit=1, **query)
    lists = [found for found in statements if (" DESC" in found.sql and "LIMIT" in found.sql) or " ASC" in found.sql]
    with db.connect() as connection:
        plans = [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {found.sql}", found.parameters)]
            for found in lists
        ]
    assert len(plans) == 3, "the first page, the page after it, and back"
    assert plans[0].count("USE TEMP B-TREE FOR ORDER BY") == plans[2].count("USE TEMP B-TREE FOR ORDER BY"), plans


@pytest.mark.parametrize("by_id", [False, True])
def test_the_index_of_the_rarest_filter_is_walked(
    by_id: bool, client: TestClient, editor: dict[str, str], db: Database
) -> None:
    """Which one shows when the links by author, though not those by tag, say that the article is not listed."""
    bo = author(client, editor, "Bo")
    published(client, editor, "By Bo", tags=["war"], authors=["bo"])
    war = ok(client.get("/v1/tags/war"))
    links, tags, authors = table_of(ArticleAuthor), table_of(Tag), table_of(Author)
    query = f"tag={war['id']}&author={bo['id']}" if by_id else "tag=war&author=bo"
    for more, walks_tag in ((0, True), (1, True), (-1, False)):
        with db.transaction() as session:
            session.execute(sa.update(links).values(listed=False))
            session.execute(sa.update(tags).values(articles=5))
            session.execute(sa.update(authors).values(articles=5 + more))
        found = ok(client.get(f"/v1/articles?{query}"))["data"]
        assert bool(found) == walks_tag, more
