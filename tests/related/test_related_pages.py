"""Pages are no further reading: nothing is linked to them, nor they to anything, unless editors choose them."""

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.related.linking import find_source
from tests.make import ok, published, version

pytestmark = pytest.mark.portable


def test_pages_are_related_only_where_editors_choose_them(
    client: TestClient, editor: dict[str, str], db: Database
) -> None:
    news = published(client, editor, "News")
    page = published(client, editor, "Imprint", type="page")
    with db.connect() as connection:
        assert find_source(connection, news["id"]) is not None
        assert find_source(connection, page["id"]) is None
    url = f"/v1/articles/{news['id']}/related"
    assert ok(client.get(url))["data"] == []
    headers = {**version(client, editor, news), "If-Match": client.get(url).headers["etag"]}
    ok(client.put(url, json={"ids": ["imprint"]}, headers=headers))
    assert [row["article"]["slug"] for row in ok(client.get(url))["data"]] == ["imprint"]
