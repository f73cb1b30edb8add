"""Digests go out by the publication's clock, also where clocks are set; nothing is in two of them or in none."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.deliveries.lanes import DELIVERY
from app.mail import digests as digest_module
from app.mail.digests import ITEM, RUN, DigestSchedule, is_due
from tests.mail.post import Mailbox, one_click, table, text_of, work, worker_alone
from tests.make import Headers, act, ok, published, said, version

pytestmark = pytest.mark.portable

Subscribed = Callable[..., dict[str, Any]]
ANN = "ann@mail.example"
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = "Europe/Berlin America/New_York Pacific/Apia Asia/Kathmandu Australia/Lord_Howe Africa/Casablanca".split()
MOMENTS = st.integers(1230768000, 1924992000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))  # 2009 to 2030


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "at", "day", "moment"),
    [
        (7, "2026-03-28T06:00", "2026-03-28", "2026-03-28T06:00"),
        (7, "2026-03-29T04:59", "2026-03-28", "2026-03-28T06:00"),
        (7, "2026-03-29T05:00", "2026-03-29", "2026-03-29T05:00"),
        (2, "2026-03-29T00:59", "2026-03-28", "2026-03-28T01:00"),
        (2, "2026-03-29T01:00", "2026-03-29", "2026-03-29T01:00"),
        (2, "2026-10-25T00:00", "2026-10-25", "2026-10-25T00:00"),
        (2, "2026-10-25T01:00", "2026-10-25", "2026-10-25T00:00"),
        (7, "2026-10-25T05:59", "2026-10-24", "2026-10-24T05:00"),
        (7, "2026-10-25T06:00", "2026-10-25", "2026-10-25T06:00"),
        (0, "2026-07-01T22:00", "2026-07-02", "2026-07-01T22:00"),
    ],
)
def test_days_on_which_clocks_are_set(hour: int, at: str, day: str, moment: str) -> None:
    assert DigestSchedule(BERLIN, hour, 0).latest("daily", utc(at)) == (day, utc(moment))


@given(MOMENTS, st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 6))
def test_every_day_and_week_has_one(at: datetime, zone: str, hour: int, weekday: int) -> None:
    plan = DigestSchedule(ZoneInfo(zone), hour, weekday)
    for frequency, longest in (("daily", timedelta(hours=50)), ("weekly", timedelta(days=9))):
        day, moment = plan.latest(frequency, at)
        assert moment <= at < moment + longest
        assert plan.latest(frequency, moment) == (day, moment), "it is the same until the next"
        assert frequency == "daily" or date.fromisoformat(day).weekday() == weekday
        later = plan.latest(frequency, at + timedelta(days=8))
        assert later[0] > day
        assert later[1] > moment


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same, of a publication in Berlin."""
    return settings.model_copy(update={"time_zone": "Europe/Berlin", "digest_day": "sunday"})


class Clock:
    """Digests at a moment, as the worker makes them."""

    def __init__(self, client: TestClient, db: Database, settings: Settings) -> None:
        self.client, self.db, self.plan = client, db, DigestSchedule.of(settings)

    def until(self, days: int, hour: int = 7) -> datetime:
        """So many days after the latest daily digest that was due, at an hour in Berlin."""
        latest, _ = self.plan.latest("daily", now())
        day = date.fromisoformat(latest) + timedelta(days=days)
        return datetime(day.year, day.month, day.day, hour, tzinfo=BERLIN).astimezone(UTC)

    def put_together(self) -> None:
        """What is due, and no more."""
        for _ in range(50):
            with self.db.connect() as connection:
                if not is_due(connection, self.plan):
                    return
            with self.db.transaction() as session:
                digest_module.send_digests(session, self.plan)
        raise AssertionError("it never ends")

    def move(self, moment: datetime) -> None:
        """Let it be that moment, have digests put together, and send what is due then."""
        with time_machine.travel(moment, tick=False):
            self.put_together()
            work(self.client)


@pytest.fixture
def digests(client: TestClient, db: Database, settings: Settings) -> Clock:
    """The clock of digests, which has begun."""
    found = Clock(client, db, settings)
    found.put_together()
    return found


def test_a_day_and_a_week(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    admin: Headers,
    article: Any,
    digests: Clock,
    subscribed: Subscribed,
) -> None:
    subscribed(ANN, "articles.new", frequency="daily")
    subscribed(ANN, "comments.all", frequency="daily", article=article["id"])
    subscribed("bo@mail.example", "articles.new", frequency="weekly")
    subscribed("bo@mail.example", "article.updated", frequency="weekly", article=article["id"])
    subscribed("cy@mail.example", "articles.new", frequency="daily")
    first = published(client, editor, "First <b>news</b>")
    gone = published(client, editor, "Soon gone")
    said(client, article, "A comment.\nOf two lines.")
    lost = said(client, article, "Soon removed.")
    body = {"kind": "correction", "text": "It was Tuesday."}
    ok(client.post(f"/v1/articles/{article['id']}/corrections", json=body, headers=version(client, editor, article)))
    work(client)
    sent = len(mailbox.mails)
    act(client, editor, gone, "retract", {"reason": "No."})
    ok(client.post(f"/v1/comments/{lost['id']}/remove", json={"reason": "No."}, headers=admin))
    digests.move(digests.until(1, 6))
    assert len(mailbox.mails) == sent, "not yet"
    digests.move(digests.until(1))
    daily = mailbox.mails[sent:]
    assert sorted(str(mail["To"]) for mail in daily if "Today" in str(mail["Subject"])) == [ANN, "cy@mail.example"]
    (mine,) = mailbox.to(ANN)[2:]
    assert str(mine["Subject"]) == "Today at The Example: First <b>news</b> and 1 more"
    assert str(mine["List-Id"]) == "<digest.daily.site.example>"
    text, page = text_of(mine), text_of(mine, "html")
    assert [word in text for word in ("First <b>news</b>", "A comment.", "Soon", "Tuesday")] == [
        True,
        True,
        False,
        False,
    ]
    assert "<b>news" not in page
    for days in (2, 3, 4, 5, 6, 7):
        digests.move(digests.until(days))
    (weekly,) = mailbox.to("bo@mail.example")[2:]
    assert str(weekly["Subject"]) == "This week at The Example: First <b>news</b> and 1 more"
    assert "It was Tuesday." in text_of(weekly)
    assert len(mailbox.mails) == sent + 3, "nothing twice, and no empty ones"
    assert first["state"] == "published"


def test_nothing_is_lost_or_repeated_where_work_stops(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    digests: Clock,
    reader: Callable[..., Headers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digest_module, "BATCH_SIZE", 2)
    names = [f"reader{number}@mail.example" for number in range(5)]
    for name in names:
        wish = {"email": name, "kind": "articles.new", "frequency": "daily"}
        ok(client.post("/v1/subscriptions", json=wish, headers=reader(name, email_verified=True)), 202)
    work(client)
    published(client, editor, "Before")
    worker_alone(client)
    with time_machine.travel(digests.until(1) + timedelta(minutes=1), tick=False):
        with db.transaction() as session:
            assert digest_module.send_digests(session, digests.plan) == 3, "two, and more to come"
        with db.transaction() as session:
            digest_module.send_digests(session, digests.plan)
            session.rollback()  # killed before the commit
    assert sorted(table(db, ITEM, "period"), key=str).count(None) == 3
    with db.transaction() as session:  # something comes while it is half done
        row = {"subscriber_id": table(db, ITEM, "subscriber_id")[0], "event": "late", "what": "article.published"}
        digest_module.add_items(
            session, [row | {"frequency": "daily", "content": {"article": "x", "subscriptions": []}}]
        )
        late = digests.until(1) + timedelta(minutes=2)
        session.execute(sa.update(ITEM).where(ITEM.c.event == "late").values(created_at=late))
    digests.move(digests.until(1) + timedelta(minutes=3))
    assert sorted(str(mail["To"]) for mail in mailbox.mails) == names
    assert {row for row in table(db, ITEM, "event", "period") if row[0] == "late"} == {("late", None)}, "for tomorrow"
    digests.move(digests.until(4))  # nobody worked for days
    assert len(mailbox.mails) == 5, "what it tells of is not there"
    periods = {event for event in table(db, DELIVERY, "event") if event.startswith("digest")}
    assert len(periods) == 2
    assert [day for day, finished in table(db, RUN, "period", "finished") if not finished] == []


def test_what_was_ended_meanwhile_is_in_no_digest(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    article: Any,
    digests: Clock,
    subscribed: Subscribed,
) -> None:
    subscribed(ANN, "articles.new", frequency="daily")
    subscribed("bo@mail.example", "articles.new", frequency="daily")
    subscribed("bo@mail.example", "comments.all", article=article["id"])
    published(client, editor, "News")
    said(client, article, "A comment.")
    work(client)
    digests.move(digests.until(1))
    assert len(mailbox.mails) == 6
    published(client, editor, "More news")
    worker_alone(client)
    with time_machine.travel(digests.until(2), tick=False):
        digests.put_together()
    (digest,) = [mail for mail in mailbox.to("bo@mail.example") if str(mail["List-Id"]).startswith("<digest")]
    ok(one_click(client, digest))
    digests.move(digests.until(2) + timedelta(minutes=1))
    assert [str(mail["To"]) for mail in mailbox.mails[6:]] == [ANN]
    said(client, article, "Another comment.")
    work(client)
    assert [str(mail["To"]) for mail in mailbox.mails[7:]] == ["bo@mail.example"], "what comes at once stays"


def test_a_digest_leaves_out_what_was_withdrawn(
    client: TestClient, mailbox: Mailbox, editor: Headers, article: Any, digests: Clock, subscribed: Subscribed
) -> None:
    subscribed(ANN, "article.updated", frequency="daily", article=article["id"])
    for text in ("Tuesday.", "Wednesday."):
        act(client, editor, article, "corrections", {"kind": "correction", "text": text})
    work(client)
    url = f"/v1/articles/{article['id']}/corrections/1"
    assert client.delete(url, headers={**editor, "If-Match": "*"}).is_success
    sent = len(mailbox.mails)
    digests.move(digests.until(1))
    (digest,) = mailbox.mails[sent:]
    for kind in ("plain", "html"):
        assert "Wednesday." in text_of(digest, kind)
        assert "Tuesday." not in text_of(digest, kind)
