"""The plain peer does what its requests ask, so that its figures mean something."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from bench.peers.plain import Article, Phrase, make_app, open_engine


@pytest.fixture
def peer(tmp_path: Path) -> TestClient:
    engine = open_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    text = dict.fromkeys(("title", "dek", "excerpt", "section", "author", "html"), "text")
    with Session(engine) as session:
        session.add(Article(slug="a-bridge", published_at=datetime(2026, 1, 1, tzinfo=UTC), **text))
        session.add(Phrase(text="casino"))
        session.commit()
    return TestClient(make_app(engine))


def test_the_plain_peer_posts_counts_and_lists(peer: TestClient) -> None:
    comments = "/articles/a-bridge/comments"
    first = peer.post(comments, json={"author": "Ann", "text": "I cross it every day."})
    assert (first.status_code, first.json()["state"]) == (201, "published")
    reply = peer.post(comments, json={"author": "Bo", "text": "So do I.", "parent_id": first.json()["id"]})
    assert reply.json()["parent_id"] == first.json()["id"]
    assert peer.post(comments, json={"author": "Cy", "text": "casino"}).json()["state"] == "pending"
    assert [one["text"] for one in peer.get(comments).json()] == ["So do I.", "I cross it every day."]
    assert [one["comments"] for one in peer.get("/articles").json()] == [2]
    assert peer.get("/articles/a-bridge").json()["html"] == "text"
    assert peer.post(comments, json={"author": "Di", "text": "Hm.", "parent_id": 99}).status_code == 422
    assert peer.get("/articles/no-bridge").status_code == 404
