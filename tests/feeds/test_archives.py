"""The archive holds every public article once, chained from the newest to the oldest (RFC 5005)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from app.feeds import feeds
from tests.articles.stock import Piece, put
from tests.feeds.conftest import API
from tests.feeds.readback import found

pytestmark = pytest.mark.portable

BEGIN = datetime(2025, 11, 30, 23, 30, tzinfo=UTC)


def link(content: bytes, relation: str) -> str | None:
    """Return the path of the link with a relation."""
    links = found(content, f"/atom:feed/atom:link[@rel='{relation}']/@href")
    return str(links[0]).removeprefix(API) if links else None


def ids(content: bytes) -> list[str]:
    return [str(text).removeprefix("urn:uuid:") for text in found(content, "//atom:entry/atom:id/text()")]


@pytest.fixture
def pieces(db: Database) -> list[Piece]:
    """Publish articles in November, December and February, some of them at the same time."""
    step = [timedelta(hours=9) * (n // 2) for n in range(60)]
    times = [BEGIN + span for span in step] + [datetime(2026, 2, 1, tzinfo=UTC) + span for span in step[:9]]
    made = [Piece(new_id(), f"piece-{n}", listed_at=moment, updated_at=moment) for n, moment in enumerate(times)]
    hidden = Piece(new_id(), "hidden", public=False, state="draft", listed_at=datetime(2026, 1, 5, tzinfo=UTC))
    put(db, [*made, hidden])
    return sorted(made, key=lambda piece: (piece.listed_at, piece.id), reverse=True)


@pytest.mark.parametrize("size", [7, 8, 250])
def test_a_walk_of_the_archive_finds_everything_once(
    client: TestClient, pieces: list[Piece], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(feeds, "ARCHIVE_PAGE_SIZE", size)
    path: str | None = "/feeds/archive/2026-02.atom"
    seen: list[str] = []
    pages: list[tuple[str, bytes]] = []
    while path is not None:
        answer = client.get(path)
        assert answer.status_code == 200, path
        pages.append((path, answer.content))
        seen += ids(answer.content)
        assert found(answer.content, "/atom:feed/fh:archive")
        assert link(answer.content, "current") == "/feeds/site.atom"
        assert link(answer.content, "self") == path
        path = link(answer.content, "prev-archive")
    assert seen == [piece.id for piece in pieces]
    assert [link(content, "next-archive") for _, content in pages] == [None, *(path for path, _ in pages[:-1])]


def test_the_feed_of_the_site_goes_on_in_the_archive(client: TestClient, pieces: list[Piece]) -> None:
    content = client.get("/feeds/site.atom").content
    seen, path = set(ids(content)), link(content, "prev-archive")
    assert path == "/feeds/archive/2025-12.atom"
    while path is not None:
        content = client.get(path).content
        seen |= set(ids(content))
        path = link(content, "prev-archive")
    assert seen == {piece.id for piece in pieces}


def test_a_month_of_nothing_has_no_archive(client: TestClient, pieces: Any) -> None:
    odd = ("2026-13", "2026-00", "2026-1", "02026-1", "abcd-ef", "0000-01", "9999-12", "2026-02-01")
    for month in ("2026-01", *odd):
        assert client.get(f"/feeds/archive/{month}.atom").status_code == 404, month


def test_pages_are_numbers(client: TestClient, pieces: Any) -> None:
    assert client.get("/feeds/archive/2026-02.atom?page=2").status_code == 404
    for page in ("0", "-1", "x", "99999999999999999999"):
        assert client.get(f"/feeds/archive/2026-02.atom?page={page}").status_code == 400
