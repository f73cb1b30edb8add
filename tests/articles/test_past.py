"""The past: what readers saw at a time, compared with what they were answered then."""

import random
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from tests import make
from tests.effort import effort

pytestmark = pytest.mark.portable

Headers = dict[str, str]
ANY = {"If-Match": "*"}
LISTS = ("", "&tag=one", "&section=news", "&author=ann", "&sort=-updated_at", "&featured=true", "&formats=markdown")


def answers(client: TestClient, ids: list[str], headers: Headers, suffix: str = "") -> Any:
    """All that lists and single articles show, without what is of today: counts, and the version in the ETag."""
    joined = "" if not suffix else f"&{suffix}"
    lists = [make.ok(client.get(f"/v1/articles?limit=100{each}{joined}", headers=headers))["data"] for each in LISTS]
    single = [client.get(f"/v1/articles/{each}?{suffix}", headers=headers) for each in ids]
    return lists, [answer.json() if answer.is_success else None for answer in single]


def test_the_past_is_as_readers_saw_it(client: TestClient, editor: Headers) -> None:
    chance = random.Random(random.random())
    for name in ("News", "Arts"):
        make.section(client, editor, name)
    make.author(client, editor, "Ann")
    make.notice(client, editor, scope="section", target_id="news", placement="before", text="!")
    articles = [make.draft(client, editor, f"Story {n}", section="news", tags=["one"]) for n in range(4)]
    ids = [article["id"] for article in articles]
    moments = []

    def step(article: dict[str, Any]) -> None:
        url, headers = f"/v1/articles/{article['id']}", {**editor, **ANY}
        fields = [
            {"title": f"Title {chance.random()}", "tags": chance.choice([["one"], ["two"], []])},
            {"section": chance.choice(["news", "arts"]), "authors": chance.choice([["ann"], []])},
            {"slug": f"slug-{chance.randrange(10**9)}"},
            {"featured": chance.random() < 0.5, "canonical_url": "https://else.example/a"},
            {"rights": {"usage_terms": f"Terms {chance.random()}", "syndication": "excerpt"}},
        ]
        verbs = [("publish", None)] * 4 + [("unpublish", None), ("corrections", {"text": "It was four."})]
        if chance.random() < 0.5:
            client.patch(url, json=chance.choice(fields), headers=headers)
        else:
            verb, body = chance.choice([*verbs, *([("retract", {"reason": "No."})] if chance.random() < 0.2 else [])])
            client.post(f"{url}/{verb}", json=body, headers=headers)

    for _ in range(effort("PAST", 6, long=80)):
        for _ in range(chance.randrange(1, 5)):
            step(chance.choice(articles))
        moments.append((now(), answers(client, ids, {})))
    for moment, seen in moments:
        assert answers(client, ids, editor, f"as_of={format_rfc3339(moment)}") == seen


def test_the_past_is_for_those_who_read_drafts_there(client: TestClient, editor: Headers, make_key: Any) -> None:
    news = make.section(client, editor, "News")
    shown = make.published(client, editor, "Wrong", section="news")
    other = make.published(client, editor, "Other")
    then = f"as_of={format_rfc3339(now())}"
    make.act(client, editor, shown, "retract", {"reason": "It was."})
    limited, partner = make_key("content:read", sections=[news["id"]]), make_key("syndicate")
    for headers, status in (({}, 401), (partner, 403), (make_key("content:write"), 403)):
        for path in ("articles?", f"articles/{shown['id']}?"):
            assert client.get(f"/v1/{path}{then}", headers=headers).status_code == status
    assert make.titles(client, then, limited) == ["Wrong"]
    assert make.ok(client.get(f"/v1/articles/wrong?{then}", headers=limited))["state"] == "published"
    assert client.get(f"/v1/articles/{other['id']}?{then}", headers=limited).status_code == 404
    answer = client.get(f"/v1/articles?{then}", headers=editor)
    assert answer.headers["cache-control"] == "private, no-store"
    assert len(make.ok(client.get(f"/v1/articles?{then}&limit=1", headers=editor))["data"]) == 1


@pytest.mark.parametrize("query", ["sort=title", "q=word", "state=any", "as_of=2999-01-01T00:00:00Z"])
def test_lists_of_the_past_have_fewer_parameters(client: TestClient, editor: Headers, query: str) -> None:
    then = "" if query.startswith("as_of") else "as_of=2020-01-01T00:00:00Z&"
    answer = client.get(f"/v1/articles?{then}{query}", headers=editor)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
