"""Pages have addresses and stay out of lists, unless they are asked for by their type or one by one."""

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def news(client: TestClient, editor: Headers) -> None:
    """Two articles about ferries around a page."""
    make.section(client, editor, "Harbour")
    author = make.author(client, editor, "Ines Costa")["slug"]
    common = {"section": "harbour", "authors": [author], "tags": ["ferry"]}
    make.published(client, editor, "First ferry", **common)
    make.published(client, editor, "About the ferry", type="page", **common)
    make.published(client, editor, "Second ferry", **common)


def titles(client: TestClient, query: str, headers: Headers | None = None) -> list[str]:
    """What a list holds, the oldest first."""
    page = make.ok(client.get(f"/v1/{query}", headers=headers or {}))
    assert page["page"]["total"] in (None, len(page["data"]))
    return sorted(row["title"] for row in page["data"])


NEWS = ["First ferry", "Second ferry"]
LISTS = [
    "articles?count=exact",
    "articles?section=harbour&count=exact",
    "articles?tag=ferry&count=exact",
    "articles?author=ines-costa&count=exact",
    "articles?type=-opinion&count=exact",
    "articles?tag=ferry&sort=title&count=exact",
    "articles?sort=-updated_at&count=exact",
    "articles?q=ferry&count=exact",
    "articles?q=ferry&sort=title&count=exact",
    "search?q=ferry&count=exact",
    "search?q=ferry&sort=-published_at&section=harbour&count=exact",
]


@pytest.mark.usefixtures("news")
def test_lists_hold_pages_only_where_asked_for(client: TestClient, editor: Headers) -> None:
    for query in LISTS:
        assert titles(client, query) == NEWS, query
        if "type=" not in query:
            assert titles(client, f"{query}&type=page") == ["About the ferry"], query
            assert titles(client, f"{query}&type=page,article") == ["About the ferry", *NEWS], query
    assert titles(client, "articles?ids=about-the-ferry,first-ferry") == ["About the ferry", "First ferry"]
    assert titles(client, "articles?state=all", editor) == NEWS
    assert titles(client, "articles?state=all&type=page", editor) == ["About the ferry"]


@pytest.mark.usefixtures("news")
def test_a_type_that_changes_moves_an_article_in_and_out(client: TestClient, editor: Headers) -> None:
    article = make.ok(client.get("/v1/articles/first-ferry"))
    make.patched(client, editor, article, type="page")
    make.act(client, editor, article, "publish")
    assert titles(client, "articles?tag=ferry") == ["Second ferry"]
    assert titles(client, "search?q=ferry") == ["Second ferry"]
    article = make.ok(client.get("/v1/articles/about-the-ferry"))
    make.patched(client, editor, article, type="article")
    make.act(client, editor, article, "publish")
    assert titles(client, "articles?tag=ferry") == ["About the ferry", "Second ferry"]
    assert titles(client, "search?q=ferry") == ["About the ferry", "Second ferry"]
    for kind in ("sections/harbour", "tags/ferry", "authors/ines-costa"):
        assert make.ok(client.get(f"/v1/{kind}"))["articles"] == 2
