"""The hub: callbacks are verified, feeds are signed, and nothing private is sent."""

import hmac
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote

import feedparser
import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.deliveries.lanes import DELIVERY
from app.feeds.schemas import Publication
from app.main import create_app
from app.websub import hub
from app.websub import publisher as channel
from app.websub.hub import MAX_REQUESTS, REQUEST, SUBSCRIPTION, prune_hub, render_topic
from app.websub.schemas import parse_topic
from tests import make
from tests.receiver import Receiver, work_through

pytestmark = pytest.mark.portable

Headers = dict[str, str]
FEEDS = "https://api.example/feeds"
SITE = f"{FEEDS}/site.atom"


@pytest.fixture
def subscriber() -> Iterator[Receiver]:
    """A callback whose URL has a query."""
    with Receiver() as found:
        found.url += "?own=1"
        yield found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Allow callbacks on this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


@pytest.fixture
def work(db: Database, settings: Settings) -> Callable[..., None]:
    """Read the log to its end, then send everything that is due ten seconds later."""

    return lambda other=settings: work_through(other, timedelta(seconds=10))


def ask(client: TestClient, subscriber: Receiver, status: int = 202, **fields: Any) -> Any:
    form = {"mode": "subscribe", "topic": SITE, "callback": subscriber.url, **fields}
    data = {f"hub.{name}": str(value) for name, value in form.items() if value is not None}
    return make.ok(client.post("/hub", data=data), status)


def rows(db: Database, table: sa.Table) -> list[Any]:
    with db.connect() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def test_a_subscriber_is_asked_and_then_told(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    make.published(client, editor, "Before")
    work()
    ask(client, subscriber, secret="keep it", lease_seconds=7200)
    assert rows(db, SUBSCRIPTION) == []
    work()
    (asked,) = subscriber.asked
    assert (asked["own"], asked["hub.mode"], asked["hub.topic"]) == ("1", "subscribe", SITE)
    assert asked["hub.lease_seconds"] == "7200"
    assert len(asked["hub.challenge"]) >= 32
    (row,) = rows(db, SUBSCRIPTION)
    assert row["expires_at"] - row["verified_at"] == timedelta(seconds=7200)
    assert rows(db, REQUEST) == []
    assert subscriber.messages == []
    for number in range(3):
        make.published(client, editor, f"News {number}")
    make.draft(client, editor, "A draft")
    work()
    ((headers, body),) = subscriber.messages  # what happened within some seconds is told at once
    assert headers["content-type"].startswith("application/atom+xml")
    assert headers["link"] == f'<https://api.example/hub>; rel="hub", <{SITE}>; rel="self"'
    assert headers["x-hub-signature"] == f"sha256={hmac.new(b'keep it', body, 'sha256').hexdigest()}"
    assert [entry.title for entry in feedparser.parse(body).entries] == ["News 2", "News 1", "News 0", "Before"]
    assert body == client.get("/feeds/site.atom").content
    work()
    assert len(subscriber.messages) == 1


def test_each_feed_has_its_own_subscribers(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    make.section(client, editor, "News")
    make.author(client, editor, "Ann")
    article = make.published(client, editor, section="news")
    topics = ["sections/news.rss", "authors/ann.json", f"articles/{article['slug']}/comments.atom"]
    for topic in topics:
        ask(client, subscriber, topic=f"https://api.example/feeds/{topic}")
    work()
    make.published(client, editor, "In the section", section="news")
    work()
    assert [headers["link"].split("<")[2].split(">")[0] for headers, _ in subscriber.messages] == [
        "https://api.example/feeds/sections/news.rss"
    ]
    make.ok(client.patch("/v1/sections/news", json={"slug": "all-news"}, headers={**editor, "If-Match": "*"}))
    with time_machine.travel(now() + timedelta(seconds=20)):
        make.act(client, editor, make.published(client, editor, "By Ann", authors=["ann"]), "unpublish")
        make.comment(client, article)
        work()
    told = {headers["link"].split("/feeds/")[1].split(">")[0]: body for headers, body in subscriber.messages[1:]}
    assert told.keys() == set(topics)
    assert b"https://api.example/feeds/sections/all-news.rss" in told[topics[0]]  # where it is by now
    former = f"{FEEDS}/{topics[0]}"
    assert ask(client, subscriber, 422, topic=former)["errors"][0]["code"] == "unknown_topic"
    ask(client, subscriber, topic=former, mode="unsubscribe")  # whoever knows no other address can still end it
    work()
    assert former not in {row["topic"] for row in rows(db, SUBSCRIPTION)}
    assert b"By Ann" not in told["authors/ann.json"]  # as it is by now
    assert "I agree." in feedparser.parse(told[topics[2]]).entries[0].summary


def test_what_is_sent_is_what_the_topic_gives(
    client: TestClient, editor: Headers, subscriber: Receiver, work: Callable[[], None]
) -> None:
    section = make.section(client, editor, "Νέα")
    article = make.published(client, editor, section=section["id"])
    topics = [f"sections/{quote(section['slug'])}.json", f"sections/{section['id']}.rss"]
    topics += [f"articles/{article['id']}/comments.atom"]
    for topic in topics:
        ask(client, subscriber, topic=f"https://api.example/feeds/{topic}")
    work()
    make.patched(client, editor, article, title="Another title")
    make.act(client, editor, article, "publish")
    make.comment(client, article)
    work()
    sent = {headers["link"].split("/feeds/")[1].split(">")[0]: body for headers, body in subscriber.messages}
    assert sent == {topic: client.get(f"/feeds/{topic}").content for topic in topics}


def test_what_a_subscriber_has_is_not_sent_again(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    for name in ("Old", "New", "Other"):
        make.section(client, editor, name)
        ask(client, subscriber, topic=f"https://api.example/feeds/sections/{name.lower()}.rss")
    article = make.published(client, editor, "Wanders", section="old")
    make.published(client, editor, "Stays", section="other")
    work()
    counts = []
    for minutes, change in enumerate(({"section": "new"}, {"dek": "Said otherwise."})):
        with time_machine.travel(now() + timedelta(minutes=minutes)):
            make.patched(client, editor, article, **change)
            make.act(client, editor, article, "publish")
            work()
        counts.append(sorted(headers["link"].split("sections/")[1].split(".")[0] for headers, _ in subscriber.messages))
        subscriber.messages.clear()
    assert counts == [["new", "old", "other"], ["new"]]  # of `other` nothing was known until then
    with time_machine.travel(now() + timedelta(minutes=2)):
        make.ok(client.patch("/v1/sections/new", json={"name": "Newer"}, headers={**editor, "If-Match": "*"}))
        work()
    ((_, body),) = subscriber.messages
    assert feedparser.parse(body).feed.title.startswith("Newer")


@pytest.mark.parametrize("hide", ["unpublish", "discussion"])
def test_what_readers_no_longer_see_is_denied(
    client: TestClient, admin: Headers, db: Database, subscriber: Receiver, work: Callable[[], None], hide: str
) -> None:
    article = make.published(client, admin)
    topic = f"https://api.example/feeds/articles/{article['id']}/comments.rss"
    ask(client, subscriber, topic=topic)
    work()
    ask(client, subscriber, topic=topic, secret="another")  # asked for, and gone before it is confirmed
    make.comment(client, article)
    if hide == "unpublish":
        make.act(client, admin, article, "unpublish")
    else:
        url = f"/v1/articles/{article['id']}/discussion"
        make.ok(client.put(url, json={"state": "hidden"}, headers={**admin, "If-Match": "*"}))
    work()
    assert subscriber.messages == []
    denied = {"own": "1", "hub.mode": "denied", "hub.topic": topic, "hub.reason": "The feed does not exist any more."}
    assert subscriber.asked[1:] == [denied, denied]
    assert rows(db, SUBSCRIPTION) == rows(db, REQUEST) == []


def test_a_subscriber_that_was_away_gets_the_latest_alone(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    ask(client, subscriber)
    work()
    subscriber.status = 500
    for number in range(3):
        with time_machine.travel(now() + timedelta(minutes=number)):
            make.published(client, editor, f"News {number}")
            work()
    states = [row["state"] for row in rows(db, DELIVERY) if row["what"] == "feed.changed"]
    assert len(states) == 3
    assert 1 <= states.count("waiting") <= 2  # and one more where the one before was just being tried
    subscriber.status = 200
    subscriber.messages.clear()
    with time_machine.travel(now() + timedelta(hours=1)):
        work()
    ((_, body),) = subscriber.messages
    assert len(feedparser.parse(body).entries) == 3


@pytest.mark.parametrize(("status", "answer"), [(200, "something else"), (404, None), (302, None)])
def test_who_does_not_confirm_is_told_nothing(
    client: TestClient,
    editor: Headers,
    db: Database,
    subscriber: Receiver,
    work: Callable[[], None],
    status: int,
    answer: str | None,
) -> None:
    ask(client, subscriber)
    work()
    (before,) = rows(db, SUBSCRIPTION)
    subscriber.status, subscriber.confirms = status, answer
    ask(client, subscriber, secret="of somebody else")
    ask(client, subscriber, mode="unsubscribe")
    work()
    assert len(subscriber.asked) == 3
    assert rows(db, SUBSCRIPTION) == [before]
    assert rows(db, REQUEST) == []


def test_leases_are_renewed_and_end(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    ask(client, subscriber, lease_seconds=1)
    work()
    (first,) = rows(db, SUBSCRIPTION)
    assert first["expires_at"] - first["verified_at"] == timedelta(hours=1)  # the shortest
    ask(client, subscriber, secret="new", lease_seconds=10**9)
    work()
    (second,) = rows(db, SUBSCRIPTION)
    assert (second["id"], second["secret"]) == (first["id"], "new")
    assert second["expires_at"] - second["verified_at"] == timedelta(days=30)  # the longest
    with time_machine.travel(now() + timedelta(days=31)):
        with db.transaction() as session:
            assert prune_hub(session) == 1
        make.published(client, editor)
        work()
    assert subscriber.messages == []


def test_ending_it(
    client: TestClient, editor: Headers, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    ask(client, subscriber)
    work()
    ask(client, subscriber, mode="unsubscribe")
    work()
    assert (subscriber.asked[-1]["hub.mode"], "hub.lease_seconds" in subscriber.asked[-1]) == ("unsubscribe", False)
    assert rows(db, SUBSCRIPTION) == []
    ask(client, subscriber)
    work()
    subscriber.status = 410
    make.published(client, editor)
    work()
    assert len(subscriber.messages) == 1
    assert rows(db, SUBSCRIPTION) == []


def test_other_hubs_are_told(
    client: TestClient, editor: Headers, subscriber: Receiver, settings: Settings, work: Callable[..., None]
) -> None:
    hub = subscriber.url.partition("?")[0]
    with_hub = settings.model_copy(update={"websub_hubs": [hub], "outgoing_allow": []})  # the operator's own choice
    make.section(client, editor, "News")
    article = make.published(client, editor, section="news", tags=["ω"])
    make.comment(client, article)
    work(with_hub)
    told = {}
    for headers, body in subscriber.messages:
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        found = parse_qs(body.decode())
        assert found["hub.mode"] == ["publish"]
        told[found["hub.url"][0]] = found["hub.url"]
    assert sorted(told) == [f"{FEEDS}/{path}.rss" for path in ("sections/news", "site", "tags/%CF%89")]
    assert SITE in told["https://api.example/feeds/site.rss"]
    with TestClient(create_app(with_hub, with_worker=False)) as other:
        assert hub in other.get("/feeds/site.json").text
        assert hub not in other.get(f"/feeds/articles/{article['id']}/comments.json").text  # nobody tells it of them


def test_feeds_name_the_hub(client: TestClient, editor: Headers) -> None:
    make.published(client, editor)
    answer = client.get("/feeds/site.atom")
    assert '<https://api.example/hub>; rel="hub"' in answer.headers["link"]
    assert b'href="https://api.example/hub"' in answer.content


REFUSED: list[tuple[str, Any]] = [
    ("topic", "https://elsewhere.example/feeds/site.atom"),
    ("topic", f"{FEEDS}/site.pdf"),
    ("topic", f"{FEEDS}/sections/missing.atom"),
    ("topic", f"{FEEDS}/articles/0199aaaa-0000-7000-8000-000000000000/comments.rss"),
    ("topic", f"{FEEDS}/archive/2026-01.atom"),
    ("topic", f"{FEEDS}/site.atom?x=1"),
    ("callback", "http://10.0.0.1/"),
    ("callback", "http://169.254.169.254/latest"),
    ("callback", "file:///etc/passwd"),
    ("callback", "https://user:word@a.example/"),
    ("callback", "nonsense"),
    ("callback", "https://a.example/#part"),
    ("callback", "https://a.example/" + "a" * 1500),
    ("topic", f"{FEEDS}/sections/a%00b.atom"),
    ("topic", f"{FEEDS}/tags/\x00.atom"),
    ("topic", f"{FEEDS}/tags/%ED%A0%80.atom"),
    ("mode", "publish"),
    ("mode", None),
    ("callback", None),
    ("lease_seconds", "soon"),
    ("lease_seconds", 0),
    ("secret", "x" * 200),
    ("secret", "ω" * 100),
    ("secret", "a\x00b"),
]


def test_what_is_refused(client: TestClient, subscriber: Receiver) -> None:
    for field, value in REFUSED:
        problem = ask(client, subscriber, 422, **{field: value})
        assert problem["errors"][0]["pointer"] == f"/hub.{field}", (field, value)


def test_a_request_sent_again_is_the_same(client: TestClient, db: Database, subscriber: Receiver) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": SITE, "hub.callback": subscriber.url}
    sent = [client.post("/hub", data=form, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[1].headers["idempotency-replayed"] == "true"
    assert len(rows(db, REQUEST)) == 1


def test_drafts_have_no_topic(client: TestClient, editor: Headers, subscriber: Receiver) -> None:
    draft = make.draft(client, editor)
    missing = ask(client, subscriber, 422, topic=f"{FEEDS}/articles/no-such/comments.rss")
    hidden = ask(client, subscriber, 422, topic=f"{FEEDS}/articles/{draft['slug']}/comments.rss")
    assert {**missing, "request_id": ""} == {**hidden, "request_id": ""}


def test_the_hub_takes_only_so_many(client: TestClient, db: Database, subscriber: Receiver) -> None:
    ask(client, subscriber)
    (row,) = rows(db, REQUEST)
    with db.transaction() as session:
        values = [
            {**row, "id": f"0199aaaa-0000-7000-8000-{number:012}", "host": "a.example"}
            for number in range(MAX_REQUESTS)
        ]
        session.execute(sa.insert(REQUEST), values)
    assert ask(client, subscriber, 503)["code"] == "unavailable"
    with db.transaction() as session:
        session.execute(sa.update(REQUEST).values(host="127.0.0.1"))
    assert ask(client, subscriber, 429)["code"] == "rate_limited"
    with time_machine.travel(now() + timedelta(days=2)):
        with db.transaction() as session:
            assert prune_hub(session) == MAX_REQUESTS + 1
        ask(client, subscriber)


def test_one_host_has_only_so_many(
    client: TestClient, db: Database, subscriber: Receiver, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_SUBSCRIPTIONS_PER_HOST", 2)
    for form in ("rss", "atom"):
        ask(client, subscriber, topic=f"{FEEDS}/site.{form}")
    work()
    refused = ask(client, subscriber, 429, topic=f"{FEEDS}/site.json")
    assert refused["code"] == "rate_limited"
    monkeypatch.setattr(hub, "MAX_SUBSCRIPTIONS", 2)
    ask(client, subscriber, secret="renewed")  # has its room
    work()
    assert {row["secret"] for row in rows(db, SUBSCRIPTION)} == {None, "renewed"}
    full = ask(client, subscriber, 503, topic=f"{FEEDS}/site.json", callback="http://127.0.0.2/")
    assert full["code"] == "unavailable"
    ask(client, subscriber, mode="unsubscribe")


def test_what_older_clients_send_is_understood(
    client: TestClient, db: Database, subscriber: Receiver, work: Callable[[], None]
) -> None:
    ask(client, subscriber, lease_seconds="", secret="", verify="async")
    work()
    (row,) = rows(db, SUBSCRIPTION)
    assert (row["secret"], row["expires_at"] - row["verified_at"]) == (None, timedelta(days=10))


def test_many_subscribers_are_told_in_parts(
    client: TestClient,
    editor: Headers,
    db: Database,
    subscriber: Receiver,
    work: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "CHUNK_SIZE", 2)
    for number in range(5):
        ask(client, subscriber, callback=f"{subscriber.url}&n={number}")
    work()
    made: list[str] = []
    monkeypatch.setattr(channel, "render_topic", lambda *args: made.append("") or render_topic(*args))
    make.published(client, editor)
    work()
    assert len(subscriber.messages) == 5
    assert len({body for _, body in subscriber.messages}) == 1
    assert len(made) == 1  # for all of them


def test_topics_are_read_as_feeds_are_named(settings: Settings) -> None:
    here = Publication.from_settings(settings.model_copy(update={"api_url": "https://api.example/v"}))
    found = parse_topic("https://api.example/v/feeds/tags/%CF%89-x.json", here)
    assert found == ("tag", "ω-x", "json")
    assert parse_topic("https://api.example/feeds/site.rss", here) is None
