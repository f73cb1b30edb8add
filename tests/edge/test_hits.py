"""Which requests get a kept answer, and what they get."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.edge.keeper import Keeper
from app.identity import access
from app.main import create_app
from tests.make import Headers, comment, draft, guest, ok, published, said, section

pytestmark = pytest.mark.portable

Outcome = Callable[..., str]
STORED, HIT, MISS, BYPASS = "fwd=uri-miss; stored", "hit", "fwd=uri-miss", "fwd=bypass"
OWN = {"x-request-id", "age", "cache-status"}


@pytest.fixture
def article(client: TestClient, editor: Headers) -> dict[str, Any]:
    section(client, editor, "World")
    return published(client, editor, "A ferry", section="world", tags=["boats"], body={"html": "<p>Once.</p>" * 200})


PATHS = """
/v1/articles /v1/articles?tag=boats&fields=title /v1/articles/a-ferry /v1/articles/a-ferry/comments
/v1/articles/a-ferry/related /v1/articles/a-ferry/neighbours /v1/articles/a-ferry/anchors /v1/search?q=ferry
/v1/counts?articles=a-ferry /v1/sections /v1/sections/world /v1/tags/boats /v1/resolve?path=/world/a-ferry
/feeds/site.rss /feeds/site.atom /feeds/site.json /feeds/tags/boats.rss /feeds/articles/a-ferry/comments.atom
/sitemap.xml /sitemap-news.xml /v1/articles/a-ferry.jsonld /v1/articles/a-ferry/discussion /v1/discussion
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_given_again_as_it_was(path: str, client: TestClient, article: dict[str, Any]) -> None:
    first, second = client.get(path), client.get(path)
    assert first.headers["cache-status"] == f"Broadsheet; {STORED}"
    assert second.headers["cache-status"] == f"Broadsheet; {HIT}"
    assert second.headers["age"] == "0"
    assert (second.status_code, second.content) == (200, first.content)
    assert {name: value for name, value in second.headers.items() if name not in OWN} == {
        name: value for name, value in first.headers.items() if name not in OWN
    }
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert client.get(path, headers={"X-Request-ID": "mine"}).headers["x-request-id"] == "mine"
    assert "mine" not in client.get(path, headers={"X-Request-ID": "mi ne"}).headers["x-request-id"]


def test_the_next_request_like_the_one_that_was_answered_finds_the_answer_unparsed(
    client: TestClient, keeper: Keeper, article: dict[str, Any]
) -> None:
    assert client.get("/v1/articles?tag=boats", headers={"Accept-Encoding": "br"}).status_code == 200
    ((path, query, _, coding, _),) = keeper.memory.by_alias
    assert (path, query, coding) == (b"/v1/articles", b"tag=boats", b"br")


def test_the_order_and_the_encoding_of_parameters_do_not_matter(outcome: Outcome, article: dict[str, Any]) -> None:
    assert outcome("/v1/articles?tag=boats&fields=title,slug&limit=5") == STORED
    assert outcome("/v1/articles?limit=5&tag=boats&fields=title,slug") == HIT
    assert outcome("/v1/articles?limit=%35&fields=title%2Cslug&tag=boat%73") == HIT
    assert outcome("/v1/articles/?limit=5&tag=boats&fields=title,slug") == HIT
    assert outcome("/v1/articles?limit=6&tag=boats&fields=title,slug") == STORED
    assert outcome("/v1/articles?limit=3&limit=4") == STORED
    assert outcome("/v1/articles?limit=4&limit=3") == STORED  # of one name the order stays


def test_nothing_is_kept_for_parameters_that_the_route_does_not_know(
    outcome: Outcome, keeper: Keeper, article: dict[str, Any]
) -> None:
    assert outcome("/feeds/site.rss") == STORED
    before = len(keeper.memory)
    for number in range(3):
        assert outcome(f"/feeds/site.rss?utm_source={number}") == HIT  # feeds ignore it
        assert outcome(f"/v1/articles?utm_source={number}") == MISS  # 400
        assert outcome(f"/feeds/site.rss?limit={number}") == HIT  # others know it
    assert len(keeper.memory) == before
    assert outcome(f"/v1/articles?q={'a' * 3000}") == BYPASS


def test_credentials_and_bodies_bypass(
    client: TestClient, outcome: Outcome, editor: Headers, article: dict[str, Any]
) -> None:
    outcome("/v1/articles")
    for headers in (editor, guest(client), {"Authorization": "Bearer bg_no"}, {"Cookie": "a=b"}):
        assert outcome("/v1/articles", **headers) == BYPASS
    assert client.request("GET", "/v1/articles", content=b"{}").headers["cache-status"] == f"Broadsheet; {BYPASS}"
    assert "cache-status" not in client.post("/v1/guests").headers


def test_what_is_private_is_never_kept(
    client: TestClient, outcome: Outcome, editor: Headers, article: dict[str, Any], keeper: Keeper
) -> None:
    hidden = draft(client, editor, "Hidden")
    link = ok(client.post(f"/v1/articles/{hidden['id']}/previews", json={}, headers=editor), 201)
    token = link["token"]
    before = len(keeper.memory)
    for path in (f"/v1/articles/{hidden['id']}?preview={token}", "/v1/whoami", "/healthz", "/metrics"):
        assert outcome(path) in (MISS, BYPASS), path
        assert outcome(path) in (MISS, BYPASS), path
    assert len(keeper.memory) == before


def test_head_is_answered_as_get_without_a_body(client: TestClient, article: dict[str, Any]) -> None:
    assert client.head("/v1/articles/a-ferry").headers["cache-status"] == f"Broadsheet; {STORED}"
    answer = client.get("/v1/articles/a-ferry")
    assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"
    assert ok(answer)["slug"] == "a-ferry"
    head = client.head("/v1/articles/a-ferry")
    assert (head.content, head.headers["cache-status"]) == (b"", f"Broadsheet; {HIT}")
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_conditions_are_answered_from_what_is_kept(client: TestClient, article: dict[str, Any]) -> None:
    path = "/v1/articles/a-ferry"
    tag = client.get(path).headers["etag"]
    for sent in (tag, f'"other", W/{tag}', "*", tag[:-1] + '-gzip"'):
        answer = client.get(path, headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"
        assert not {"content-type", "content-length"} & answer.headers.keys()
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_condition_does_not_hinder_keeping(client: TestClient, article: dict[str, Any], outcome: Outcome) -> None:
    path = "/v1/articles/a-ferry?fields=title"
    answer = client.get(path, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["cache-status"] == f"Broadsheet; {STORED}"
    assert client.get(path).json() == {"title": "A ferry"}
    private = client.get("/v1/changes")
    assert private.headers["cache-control"] == "private, no-store"
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=5)):
        again = client.get("/v1/changes", headers={"If-None-Match": private.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_changed_is_not_dated_into_a_second_in_which_it_was_given_as_it_was(
    client: TestClient, editor: Headers, article: dict[str, Any]
) -> None:
    path = "/v1/articles/a-ferry?fields=title,discussion.comments"
    noon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    with time_machine.travel(noon, tick=False) as clock:
        client.get(path)
        clock.shift(10)
        held = client.get(path)
        assert held.headers["cache-status"] == f"Broadsheet; {HIT}"
        at = format(datetime.now(UTC), "%a, %d %b %Y %H:%M:%S GMT")
        assert client.get(path, headers={"If-Modified-Since": at}).status_code == 304
        comment(client, article)
        answer = client.get(path, headers={"If-Modified-Since": at})
        assert (answer.status_code, answer.content != held.content) == (200, True)
        clock.shift(5)
        at = format(datetime.now(UTC), "%a, %d %b %Y %H:%M:%S GMT")
        assert client.get(path, headers={"If-Modified-Since": at}).status_code == 304


def test_each_coding_and_each_media_type_has_its_own(client: TestClient, article: dict[str, Any]) -> None:
    path = "/v1/articles/a-ferry"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    for _ in range(2):
        with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(b"".join(answer.iter_raw())) == plain.content
    assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"
    assert answer.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    same = client.get(path, headers={"Accept-Encoding": "gzip;q=1.0, identity;q=0.5"})  # negotiated the same
    assert same.headers["cache-status"] == f"Broadsheet; {HIT}"
    for _ in range(2):
        answer = client.get(path, headers={"Accept": "application/ld+json"})
        assert answer.headers["content-type"].startswith("application/ld+json")
    assert client.get(path).headers["content-type"] == "application/json"


def test_origins_do_not_share_answers_that_name_them(settings: Settings, editor: Headers) -> None:
    trusted = settings.model_copy(update={"frontend_origins": ["https://one.example", "https://two.example"]})
    with TestClient(create_app(trusted, with_worker=False)) as client:
        for _ in range(2):
            for origin in ("https://one.example", "https://two.example", "https://other.example", None):
                answer = client.get("/v1/articles", headers={"Origin": origin} if origin else {})
                allowed = answer.headers.get("access-control-allow-origin")
                assert allowed == ("*" if origin and "other" in origin else origin)
        assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"
        answer = client.get("/v1/articles", headers={"Origin": "https://another.example"})
        assert answer.headers["cache-status"] == f"Broadsheet; {HIT}"


def test_what_is_not_there_is_kept_briefly(client: TestClient, editor: Headers) -> None:
    now = datetime.now(UTC)
    with time_machine.travel(now, tick=False) as clock:
        first, second = client.get("/v1/articles/a-ferry"), client.get("/v1/articles/a-ferry")
        assert (first.headers["cache-status"], second.headers["cache-status"]) == (
            f"Broadsheet; {STORED}",
            f"Broadsheet; {HIT}",
        )
        assert second.status_code == 404
        assert second.json()["request_id"] == second.headers["x-request-id"] != first.json()["request_id"]
        named = client.get("/v1/articles/a-ferry", headers={"X-Request-ID": "mine"})
        assert named.json() == {**first.json(), "request_id": "mine"}
        assert int(named.headers["content-length"]) == len(named.content)
        clock.shift(6)
        assert client.get("/v1/articles/a-ferry").headers["cache-status"] == f"Broadsheet; {STORED}"
    published(client, editor, "A ferry")
    assert client.get("/v1/articles/a-ferry").status_code == 200


def test_redirects_and_withdrawals_are_kept_briefly(
    client: TestClient, editor: Headers, outcome: Outcome, article: dict[str, Any]
) -> None:
    changed = {**editor, "If-Match": "*"}
    ok(client.patch(f"/v1/articles/{article['id']}", json={"slug": "a-boat"}, headers=changed))
    ok(client.post(f"/v1/articles/{article['id']}/publish", headers=changed))
    assert [outcome("/v1/articles/a-ferry?fields=title") for _ in range(2)] == [STORED, HIT]
    answer = client.get("/v1/articles/a-ferry?fields=title", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (301, "/v1/articles/a-boat?fields=title")
    ok(client.post(f"/v1/articles/{article['id']}/retract", json={"reason": "Made up"}, headers=changed))
    assert [outcome("/v1/articles/a-boat") for _ in range(2)] == [STORED, HIT]
    assert client.get("/v1/articles/a-boat").status_code == 410


def test_hits_count_towards_the_limit(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limits": "read=5/minute"})
    with TestClient(create_app(limited, with_worker=False)) as client:
        answers = [client.get("/v1/articles") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        left = [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers]
        assert left == [f'"read";r={n}' for n in (4, 3, 2, 1, 0, 0, 0)]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"read";q=5;w=60'}
        assert answers[-1].json()["code"] == "rate_limited"
        assert "retry-after" in answers[-1].headers


def test_hits_are_logged_and_measured(
    client: TestClient, keeper: Keeper, capsys: pytest.CaptureFixture[str], editor: Headers
) -> None:
    for _ in range(3):
        client.get("/v1/articles")
    client.head("/v1/articles", headers={"X-Request-ID": "the-last"})
    text = client.get("/metrics").text
    assert 'broadsheet_requests_total{method="GET",route="/v1/articles",status="200"} 3.0' in text
    assert 'broadsheet_requests_total{method="HEAD",route="/v1/articles",status="200"} 1.0' in text
    assert 'broadsheet_kept_answers_total{outcome="hit"} 3.0' in text
    assert client.portal
    client.portal.call(client.app.front.access_log.flush)  # type: ignore[attr-defined]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"request"' in line]
    hits = [line for line in lines if line["route"] == "/v1/articles"][-3:]
    names = ["method", "route", "status", "ms", "event", "request_id", "level", "timestamp"]
    assert [list(line) for line in hits] == [names] * 3
    assert (hits[-1]["method"], hits[-1]["request_id"]) == ("HEAD", "the-last")
    for line in hits:
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_who_wrote_sees_it_at_once(
    client: TestClient,
    outcome: Outcome,
    article: dict[str, Any],
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "POSITION_PAUSES", (0.0,))
    path = "/v1/articles/a-ferry/comments"
    client.get(path)
    answer = client.post(path, json={"text": "First!", "author": {"name": "Ida"}})
    position = answer.headers["broadsheet-position"]
    read = client.get(f"{path}?min_position={position}")
    assert [row["text"] for row in ok(read)["data"]] == ["First!"]
    assert outcome(f"{path}?min_position={position}") == HIT
    assert outcome(path) == HIT
    assert outcome(f"{path}?min_position=nonsense") == BYPASS
    early = client.get(f"{path}?min_position={position.replace('.', '9.')}9")
    assert (early.status_code, early.headers["cache-status"]) == (503, f"Broadsheet; {BYPASS}")


def test_a_discussion_that_closes_is_not_given_as_open(client: TestClient, make_key: Any, editor: Headers) -> None:
    article = published(client, editor, "A ferry")
    closing = datetime.now(UTC) + timedelta(minutes=1)
    moderator = make_key("comments:moderate", "content:publish")
    body = {"closes_at": closing.isoformat()}
    headers = {**moderator, "If-Match": "*"}
    ok(client.put(f"/v1/articles/{article['id']}/discussion", json=body, headers=headers))
    paths = ("/v1/articles/a-ferry", "/v1/articles", "/v1/articles?fields=discussion.state", "/v1/search?q=ferry")
    for path in paths:
        assert '"state":"open"' in client.get(path).text
        assert ("hit" in client.get(path).headers["cache-status"]) == ("fields" not in path)
    with time_machine.travel(closing + timedelta(seconds=1)):
        for path in paths:
            assert '"state":"open"' not in client.get(path).text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pages_of_the_log_are_kept_until_anything_happens(
    client: TestClient, outcome: Outcome, article: dict[str, Any]
) -> None:
    paths = [
        "/v1/changes",
        "/v1/changes?limit=1",
        f"/v1/changes?cursor={client.get('/v1/changes').json()['page']['next']}",
    ]
    for path in paths:
        client.get(path)
        answer = client.get(path)
        assert (answer.headers["cache-status"], answer.headers["cache-control"]) == (
            f"Broadsheet; {HIT}",
            "private, no-store",  # to others
        )
        tag = answer.headers["etag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    before = len(client.get(paths[0]).json()["data"])
    said(client, article, "First!")
    assert [outcome(path) for path in paths] == [STORED] * 3
    assert len(client.get(paths[0]).json()["data"]) == before + 1
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert outcome(paths[0]) == STORED


def test_texts_may_look_like_answers(client: TestClient, editor: Headers, outcome: Outcome) -> None:
    text = 'Send {"closes_at":"2026-99-99T00:00:00Z"} or {"closes_at":"0000-00-00T00:00:00Z"}, "request_id":"x".'
    published(client, editor, "A ferry", dek=text, body={"html": f"<p>{text}</p>"})
    for path in ("", ".txt", ".md", ".jsonld", "?formats=text,markdown,blocks"):
        assert [outcome(f"/v1/articles/a-ferry{path}") for _ in range(2)] == [STORED, HIT], path
    named = client.get("/v1/articles/none", headers={"X-Request-ID": "404"})  # the id stands there twice
    assert (named.status_code, named.headers["cache-status"]) == (404, f"Broadsheet; {MISS}")


def test_articles_leave_the_news_sitemap_in_time(client: TestClient, editor: Headers) -> None:
    published(client, editor, "A ferry")
    start = datetime.now(UTC)
    assert "a-ferry" in client.get("/sitemap-news.xml").text
    with time_machine.travel(start + timedelta(hours=47)):
        answer = client.get("/sitemap-news.xml")
        assert ("a-ferry" in answer.text, answer.headers["cache-status"]) == (True, f"Broadsheet; {HIT}")
    with time_machine.travel(start + timedelta(hours=48, seconds=1)):
        assert "a-ferry" not in client.get("/sitemap-news.xml").text


def test_nothing_is_kept_without_a_size(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"cache_size": 0}), with_worker=False)) as client:
        for _ in range(2):
            assert "cache-status" not in client.get("/v1/articles").headers


def test_writes_evict_what_shows_them_alone(
    client: TestClient, editor: Headers, outcome: Outcome, article: dict[str, Any]
) -> None:
    other = published(client, editor, "Another")
    while other["id"][-3:] == article["id"][-3:]:  # the groups of counts are shared by one in 4,096
        other = published(client, editor, "Another")
    remark = said(client, article, "I agree.")
    threads = [
        f"/v1/comments/{remark['id']}",
        *(f"/v1/articles/a-ferry{part}" for part in ("/comments", "?include=comments")),
        "/feeds/articles/a-ferry/comments.atom",
    ]
    counts = [
        *("/v1/articles", "/v1/articles?tag=boats&fields=reactions,discussion.comments", "/v1/articles/a-ferry"),
        *("/v1/articles/a-ferry?include=comments", "/v1/counts?articles=a-ferry", "/v1/resolve?path=/world/a-ferry"),
    ]
    others = ["/v1/articles?fields=title", f"/v1/articles/{other['slug']}", "/v1/articles/a-ferry?fields=title"]
    others += [f"/v1/articles/{other['slug']}/comments", "/v1/tags/boats"]
    orders = ["/v1/articles?sort=-discussed_7d&fields=title", "/v1/articles?sort=-reacted_7d&fields=title"]
    paths = list(dict.fromkeys([*threads, *counts, *orders, *others]))

    def find_evicted() -> set[str]:
        return {path for path in paths if outcome(path) != HIT}

    for path in paths:
        outcome(path)
    assert find_evicted() == set()
    ok(client.put(f"/v1/comments/{remark['id']}/vote", json={"value": 1}, headers=guest(client)))
    assert find_evicted() == set(threads)
    ok(client.put("/v1/articles/a-ferry/reaction", json={"value": "agree"}, headers=guest(client)))
    assert find_evicted() == {*counts, *orders}
    said(client, article, "So do I.")
    assert find_evicted() == {*threads, *counts, *orders}
