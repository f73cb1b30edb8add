"""Revisions and what changed between them, with the names of sections, series, authors and tags."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY_VERSION = {"If-Match": "*"}


def named(term: dict[str, Any], **other: str) -> dict[str, Any]:
    return {"id": term["id"], "slug": term["slug"], "name": term["name"]} | other


def test_revisions_and_diffs_name_their_terms(client: TestClient, editor: Headers) -> None:
    sea, land = (make.section(client, editor, name) for name in ("Sea", "Land"))
    ann, series = make.author(client, editor, "Ann"), make.series(client, editor, "Harbour")
    tags = [make.ok(client.post("/v1/tags", json={"name": name}, headers=editor), 201) for name in ("Fog", "Ferry")]
    article = make.draft(client, editor, section="sea", authors=["ann"], tags=["Ferry"])
    make.patched(client, editor, article, section="land", series="harbour", tags=["Fog", "Ferry"])
    url = f"/v1/articles/{article['id']}/revisions"
    first = {"section": named(sea), "series": None, "authors": [named(ann)], "tags": [named(tags[1])]}
    second = {"section": named(land), "series": named(series), "authors": [named(ann)], "tags": list(map(named, tags))}
    listed = make.ok(client.get(url, headers=editor))["data"]
    assert [row["terms"] for row in listed] == [second, first]
    assert listed[0]["tags"] == [tag["id"] for tag in tags]
    assert make.ok(client.get(f"{url}/1", headers=editor))["terms"] == first
    diff = make.ok(client.get(f"{url}/2/diff", headers=editor))
    assert (diff["old_terms"], diff["new_terms"]) == (first | {"authors": None}, second | {"authors": None})

    merged = client.post("/v1/tags/ferry/merge", json={"into": "fog"}, headers=editor | ANY_VERSION)
    make.ok(merged, 202)
    assert client.delete("/v1/sections/sea", headers=editor | ANY_VERSION).status_code == 204
    terms = make.ok(client.get(f"{url}/1", headers=editor))["terms"]
    assert (terms["section"], terms["tags"]) == (None, [named(tags[1], slug="fog", name="Fog")])
