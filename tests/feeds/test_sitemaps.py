"""Sitemaps: every public article once, however many there are; the news of two days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339
from app.core.ids import new_id
from app.db import Database
from app.feeds import routes, sitemaps
from tests import make
from tests.articles.stock import Piece, put
from tests.feeds.conftest import API
from tests.feeds.readback import found

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def locations(content: bytes) -> list[str]:
    return [str(text) for text in found(content, "//sm:loc/text()")]


def pieces(db: Database, count: int) -> list[Piece]:
    """Create articles of three months, several with the same time."""
    begin = datetime(2025, 12, 30, tzinfo=UTC)
    made = []
    for n in range(count):
        moment = begin + timedelta(hours=8) * (n // 4)
        made.append(Piece(new_id(), f"piece-{n}", listed_at=moment, updated_at=moment))
    put(db, [*made, Piece(new_id(), "hidden", public=False, state="draft", updated_at=begin)])
    return made


def test_a_small_publication_has_one_file(client: TestClient, db: Database, editor: Headers) -> None:
    assert locations(client.get("/sitemap.xml").content) == []
    make.section(client, editor, "Été", slug="été")
    article = make.published(client, editor, "Über & 日本", section="été")
    made = pieces(db, 5)
    answer = client.get("/sitemap.xml")
    assert answer.headers["content-type"] == "application/xml"
    urls = {str(node[0].text): str(node[1].text) for node in found(answer.content, "/sm:urlset/sm:url")}
    own = "https://site.example/%C3%A9t%C3%A9/uber-%E6%97%A5%E6%9C%AC"
    assert set(urls) == {own, *(f"https://site.example/{piece.slug}" for piece in made)}
    assert urls[own] == article["updated_at"]
    again = client.get("/sitemap.xml", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(("most", "batch"), [(3, 2), (4, 4), (5, 2), (100, 7)])
def test_a_large_one_has_an_index_of_files(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch, most: int, batch: int
) -> None:
    monkeypatch.setattr(sitemaps, "MAX_SITEMAP_URLS", most)
    monkeypatch.setattr(routes, "MAX_SITEMAP_URLS", 10)
    monkeypatch.setattr(sitemaps, "BATCH_SIZE", batch)
    monkeypatch.setattr(sitemaps, "_SELECT_URLS", sitemaps._SELECT_URLS.limit(batch))
    made = pieces(db, 37)
    content = client.get("/sitemap.xml").content
    files = {str(node[0].text): str(node[1].text) for node in found(content, "/sm:sitemapindex/sm:sitemap")}
    seen: list[str] = []
    for location, last in files.items():
        part = client.get(location.removeprefix(API))
        assert part.status_code == 200, location
        urls = found(part.content, "/sm:urlset/sm:url")
        assert 0 < len(urls) <= most
        assert max(str(url[1].text) for url in urls) <= last
        seen += locations(part.content)
    assert sorted(seen) == sorted(f"https://site.example/{piece.slug}" for piece in made)
    assert next(iter(files.values())) == format_rfc3339(max(piece.updated_at for piece in made))


def test_there_is_no_other_file(client: TestClient, db: Database) -> None:
    pieces(db, 12)
    assert client.get("/sitemap-2025-12.xml").status_code == 200
    months = ("2025-11", "2026-13", "2026-1", "0000-01", "9999-12")
    for part in (*months, "2026-01-1", "2026-01-9", "2026-01-0", "x", "1-2-3"):
        assert client.get(f"/sitemap-{part}.xml").status_code == 404, part


def test_news_are_two_days_old_at_most(client: TestClient, editor: Headers) -> None:
    now = datetime.now(UTC)
    fields: Any = {"published_at": format_rfc3339(now - timedelta(hours=47))}
    make.published(client, editor, "Fresh & <new>", slug="fresh", language="zh-Hant-HK", **fields)
    make.published(client, editor, "Stale", published_at=format_rfc3339(now - timedelta(hours=49)))
    make.published(client, editor, "Imprint", type="page")
    make.published(client, editor, "Embargoed", rights={"embargoed_until": format_rfc3339(now + timedelta(days=1))})
    make.draft(client, editor, "Draft")
    content = client.get("/sitemap-news.xml").content
    assert locations(content) == ["https://site.example/fresh"]
    about = {node.tag.rpartition("}")[2]: node.text for node in found(content, "//news:news//*")}
    assert about == {
        "publication": None,
        "name": "The Example",
        "language": "zh-tw",
        "publication_date": fields["published_at"],
        "title": "Fresh & <new>",
    }


@pytest.mark.parametrize(("tag", "language"), [("en-GB", "en"), ("zh-Hans", "zh-cn"), ("zh", "zh"), ("nds", "nds")])
def test_languages_are_as_google_has_them(tag: str, language: str) -> None:
    assert sitemaps.news_language(tag) == language
