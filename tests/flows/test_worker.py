"""What the clock makes due, through a worker that really runs."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.articles.tables import Article
from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.events.catalog import LoggedEvent
from app.events.log import read_after
from app.events.schemas import START
from app.main import create_app
from tests import make
from tests.articles import stock
from tests.articles.stock import Piece
from tests.flows.conftest import Serve

Headers = dict[str, str]
ARTICLE = table_of(Article)
SECOND = timedelta(seconds=1)


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """Look until something is there."""
    waiter, tries = threading.Event(), round(seconds / 0.02)
    for _ in range(tries):
        if value := found():
            return value
        waiter.wait(0.02)
    raise AssertionError("it never came")


def published(db: Database) -> list[LoggedEvent]:
    """Facts of publication."""
    with db.connect() as connection:
        return [entry for entry in read_after(connection, START, 1000) if entry.type == "article.published"]


def schedule(client: Any, editor: Headers, title: str, at: Any) -> dict[str, Any]:
    """A draft that is to go live."""
    article = make.draft(client, editor, title, tags=["t"])
    url = f"/v1/articles/{article['id']}/schedule"
    return make.ok(client.put(url, json={"at": format_rfc3339(at)}, headers=make.version(client, editor, article)))


def sleep_through(settings: Settings, editor: Headers, titles: list[str]) -> None:
    """Schedule articles for a second from now, in a server that has no worker and is stopped at once."""
    with TestClient(create_app(settings, with_worker=False)) as client, time_machine.travel(now() - timedelta(hours=1)):
        for title in titles:
            schedule(client, editor, title, now() + timedelta(minutes=1))


def test_a_scheduled_article_is_live_within_a_second(serve: Serve, editor: Headers, db: Database) -> None:
    with httpx2.Client(base_url=serve(with_worker=True), timeout=30) as client:
        at = now() + 1.5 * SECOND
        article = schedule(client, editor, "Soon", at)
        url = f"/v1/articles/{article['slug']}"
        assert client.get(url).status_code == 404
        until(lambda: client.get(url).status_code == 200)
        seen = make.ok(client.get(url))
        assert seen["published_at"] == format_rfc3339(at), "it is dated as it was planned"
        assert make.ok(client.get("/v1/tags/t"))["articles"] == 1
    (fact,) = published(db)
    assert at <= fact.at <= at + SECOND


def test_what_a_restart_slept_through_is_live_at_once(
    settings: Settings, serve: Serve, editor: Headers, db: Database
) -> None:
    sleep_through(settings, editor, ["One", "Two"])
    assert published(db) == []
    with httpx2.Client(base_url=serve(with_worker=True), timeout=30) as client:
        until(lambda: len(make.ok(client.get("/v1/articles"))["data"]) == 2)
    assert len(published(db)) == 2


def test_two_workers_on_one_store_publish_once(serve: Serve, db: Database) -> None:
    number = 120  # more than one round of one worker
    (tag,) = stock.terms(db, "tag", "t")
    stock.put(db, [Piece(new_id(), f"a{n}", state="scheduled", public=False, tags=(tag,)) for n in range(number)])
    due = now() - SECOND
    with db.transaction() as session:
        session.execute(sa.update(ARTICLE).values(scheduled_at=due, due_at=due))
    for address in (serve(with_worker=True), serve(with_worker=True)):
        with httpx2.Client(base_url=address, timeout=30) as client:
            until(partial(holds, client, number))
            assert make.ok(client.get("/v1/tags/t"))["articles"] == number
    facts = [entry.subject_id for entry in published(db)]
    assert len(facts) == len(set(facts)) == number
    with db.connect() as connection:
        assert set(connection.execute(sa.select(ARTICLE.c.version)).scalars()) == {2}, "scheduled, published"


def holds(client: httpx2.Client, number: int) -> bool:
    """Whether the list of articles has so many."""
    found: int = make.ok(client.get("/v1/articles?count=exact&limit=1"))["page"]["total"]
    return found == number


def spoil(db: Database, article_id: str, how: str) -> None:
    """Make an article impossible to publish, as a fault of the store or of an older release would."""
    with db.transaction() as session:
        if how == "no revision":
            values: dict[str, Any] = {"scheduled_revision": 99}
            session.execute(sa.update(ARTICLE).where(ARTICLE.c.id == article_id).values(values))
        else:
            # A picture that is not there: the database refuses to show it.
            statement = sa.text("UPDATE revision SET image_id = :image WHERE article_id = :id")
            session.execute(statement, {"image": new_id(), "id": article_id})


def test_a_spoilt_article_stands_in_nobodys_way(
    settings: Settings, serve: Serve, editor: Headers, db: Database
) -> None:
    titles = ["Lost text", "Good", "Lost picture", "Good too"]
    sleep_through(settings, editor, titles)
    with db.connect() as connection:
        ids = {row.title: row.id for row in connection.execute(sa.select(ARTICLE.c.title, ARTICLE.c.id))}
    spoil(db, ids["Lost text"], "no revision")
    spoil(db, ids["Lost picture"], "no picture")
    with httpx2.Client(base_url=serve(with_worker=True), timeout=30) as client:
        until(lambda: {row["title"] for row in make.ok(client.get("/v1/articles"))["data"]} == {"Good", "Good too"})
        later = schedule(client, editor, "Later", now() + SECOND)
        until(lambda: client.get(f"/v1/articles/{later['slug']}").status_code == 200)
    with db.connect() as connection:
        query = sa.select(ARTICLE.c.title, ARTICLE.c.state, ARTICLE.c.due_at)
        found = {row.title: row for row in connection.execute(query)}
        held = connection.execute(sa.text("SELECT subject_id FROM event WHERE type = 'article.held'")).scalars()
        assert [str(article_id) for article_id in held] == [ids["Lost text"]], "its editors are told"
    assert (found["Lost text"].state, found["Lost text"].due_at) == ("draft", None)
    assert found["Lost picture"].state == "scheduled"
    assert found["Lost picture"].due_at > now(), "it is tried again later, not for ever"


def test_embargo_and_expiry_through_the_worker(serve: Serve, editor: Headers, db: Database) -> None:
    with httpx2.Client(base_url=serve(with_worker=True), timeout=30) as client:
        start, end = now() + SECOND, now() + 2 * SECOND
        rights = {"embargoed_until": format_rfc3339(start), "expires_at": format_rfc3339(end)}
        article = make.draft(client, editor, "Brief", rights=rights)
        make.act(client, editor, article, "publish")

        def facts() -> list[LoggedEvent]:
            with db.connect() as connection:
                entries = read_after(connection, START, 1000)
            return [entry for entry in entries if entry.type.startswith("article.")]

        until(lambda: len(facts()) == 2)
        appeared, gone = facts()
        assert (appeared.type, gone.type) == ("article.published", "article.unpublished")
        assert gone.payload["reason"] == "expired"
        assert start <= appeared.at <= start + SECOND
        assert end <= gone.at <= end + SECOND
        assert client.get(f"/v1/articles/{article['slug']}").status_code == 404
