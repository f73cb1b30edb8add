"""Days and months are those of the publication's time zone, in addresses, feeds, sitemaps and filters."""

import re
from collections.abc import Callable, Iterator

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.feeds import routes
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
HALF_PAST_ONE, PATH = "2026-11-28T16:30:00Z", "/2026/11/29/fog"  # on the 29th in Tokyo


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A publication in Tokyo, whose addresses are dated."""
    return settings.model_copy(
        update={
            "time_zone": "Asia/Tokyo",
            "article_path": "/{year}/{month}/{day}/{slug}",
            "site_url": "https://t.example",
        }
    )


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Some days later."""
    with time_machine.travel("2026-12-02T00:00:00Z", tick=True):
        yield


def test_addresses_are_dated_in_the_zone(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Fog", published_at=HALF_PAST_ONE)
    url = f"https://t.example{PATH}"
    assert article["url"] == url
    assert make.ok(client.get("/v1/articles"))["data"][0]["url"] == url
    resolved = make.ok(client.get(f"/v1/resolve?path={PATH}"))
    assert (resolved["status"], resolved["article"]["url"]) == (200, url)
    assert make.ok(client.get("/v1/resolve?path=/2026/11/28/fog"))["location"] == url
    for path in ("/feeds/site.rss", "/feeds/site.atom", "/feeds/site.json", "/sitemap.xml", "/v1/articles/fog.jsonld"):
        assert url in client.get(path).text, path
    assert make.ok(client.get(f"/oembed?url={url}"))["title"] == "Fog"


def test_archives_and_sitemaps_are_of_months_of_the_zone(
    client: TestClient, editor: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, at in (
        *(("October", "2026-10-31T14:59:59Z"), ("First", "2026-10-31T15:00:00Z")),
        *(("Last", "2026-11-30T14:59:59Z"), ("December", "2026-11-30T15:00:00Z")),
    ):
        with time_machine.travel(at, tick=False):
            make.published(client, editor, title, published_at=at)

    def named(path: str) -> list[str]:
        return re.findall(r"/(october|first|last|december)<", client.get(path).text)

    monkeypatch.setattr(routes, "MAX_SITEMAP_URLS", 2)
    files = re.findall(r"<loc>[^<]*(/sitemap-[^<]*)</loc>", client.get("/sitemap.xml").text)
    assert files == [f"/sitemap-2026-{month}.xml" for month in (12, 11, 10)]
    assert [sorted(named(path)) for path in files] == [["december"], ["first", "last"], ["october"]]
    titles = {
        month: re.findall(
            r"<title[^>]*>(October|First|Last|December)<", client.get(f"/feeds/archive/{month}.atom").text
        )
        for month in ("2026-10", "2026-11", "2026-12")
    }
    assert titles == {"2026-10": ["October"], "2026-11": ["Last", "First"], "2026-12": ["December"]}
    assert "/feeds/archive/2026-12.atom" in client.get("/feeds/archive/2026-11.atom").text
    assert "/feeds/archive/2026-10.atom" in client.get("/feeds/archive/2026-11.atom").text


def test_the_audit_log_is_filtered_by_days(client: TestClient, make_key: Callable[..., Headers]) -> None:
    key = make_key("content:write", "content:publish", "admin")
    for name, at in (("early", "2026-11-28T14:59:59Z"), ("on", HALF_PAST_ONE), ("late", "2026-11-29T15:00:00Z")):
        with time_machine.travel(at, tick=False):
            make.section(client, key, name)

    def found(query: str) -> list[str]:
        rows = make.ok(client.get(f"/v1/audit?subject_kind=section&{query}", headers=key))["data"]
        return [row["detail"]["slug"] for row in rows]

    assert found("since=2026-11-29&until=2026-11-30") == ["on"]
    assert found("since=2026-11-29") == ["late", "on"]
    assert found("until=2026-11-29") == ["early"]
    assert found(f"since={HALF_PAST_ONE}&until=2026-11-30") == ["on"]
    assert found("since=0001-01-01&until=9999-12-31") == ["late", "on", "early"]
    for wrong in ("since=2026-02-30", "until=2026-11", "since=yesterday", "since=20261129"):
        make.ok(client.get(f"/v1/audit?{wrong}", headers=key), 400)


def test_replays_are_of_days(client: TestClient, make_key: Callable[..., Headers]) -> None:
    key = make_key("webhooks:manage")
    hook = {"url": "https://receiver.example/", "events": ["article.*"]}
    url = f"/v1/webhooks/{make.ok(client.post('/v1/webhooks', json=hook, headers=key), 201)['id']}/replay"

    def ask(since: str, until: str, status: int = 202) -> dict[str, str]:
        return dict(make.ok(client.post(url, json={"since": since, "until": until}, headers=key), status))

    replay = ask("2026-11-29", "2026-11-30")
    assert (replay["since"], replay["until"]) == ("2026-11-28T15:00:00Z", "2026-11-29T15:00:00Z")
    assert ask("2026-11-29", HALF_PAST_ONE)["until"] == HALF_PAST_ONE
    ask("0001-01-01", "9999-12-31")
    for since, until in (("2026-11-29", "2026-11-29"), ("2026-11-29", "2026-11-28T15:00:00Z")):
        ask(since, until, 422)
    ask("2026-11-31", "2026-12-01", 422)
