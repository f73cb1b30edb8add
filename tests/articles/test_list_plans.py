"""Editors' lists take their order from an index: no list sorts all articles."""

import pytest
from starlette.testclient import TestClient

from app.db import Database
from bench.statements import recorded
from tests.make import draft, ok


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
