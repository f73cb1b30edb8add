"""Clocks that run fast, and clocks that jump: everything happens once, and nothing that was written is lost."""

import random
from datetime import UTC, datetime, timedelta

import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from tests import make
from tests.conftest import Headers, Report
from tests.effort import effort
from tests.receiver import work_through

DAYS = effort("ROUNDS", 1, long=2)
JUMPS = effort("ROUNDS", 3, long=40)
STEP, HOUR = timedelta(minutes=10), timedelta(hours=1)
LIFE = 6 * HOUR  # of an article that expires
BEGIN = datetime(2027, 3, 27, 20, tzinfo=UTC)  # before a night of which Europe lacks an hour
SIZES = [timedelta(seconds=-30), -HOUR, timedelta(days=-1), HOUR, timedelta(days=1), timedelta(days=40)]


def plan(client: TestClient, editor: Headers, title: str, at: datetime, end: datetime | None = None) -> str:
    """Schedule an article, which may expire; its id."""
    rights = {"rights": {"expires_at": format_rfc3339(end)}} if end else {}
    article = make.draft(client, editor, title, **rights)
    url = f"/v1/articles/{article['id']}/schedule"
    headers = {**editor, "If-Match": "*"}
    make.ok(client.put(url, json={"at": format_rfc3339(at)}, headers=headers))
    return str(article["id"])


def list_all(client: TestClient, path: str) -> list[str]:
    """List the ids of all pages."""
    ids, url = list[str](), path
    while url:
        page = make.ok(client.get(url))
        ids += [row["id"] for row in page["data"]]
        cursor = page["page"]["next"]
        url = f"{path}&cursor={cursor}" if cursor else ""
    return ids


def count_events(db: Database, name: str) -> list[str]:
    """List the subjects of all events of a kind, in the order of the log."""
    with db.connect() as connection:
        return [entry.subject_id for entry in read_after(connection, START, 100_000) if entry.type == name]


def test_each_hour_of_a_day_has_what_was_planned(
    client: TestClient, editor: Headers, db: Database, settings: Settings, report: Report
) -> None:
    with time_machine.travel(BEGIN, tick=True):
        plans = dict[str, tuple[datetime, datetime | None]]()
        for hour in range(24 * DAYS):
            at = BEGIN + STEP + hour * HOUR
            end = at + LIFE if hour % 2 else None
            plans[plan(client, editor, f"At {hour}", at, end)] = at, end
    steps = (24 * DAYS * HOUR + LIFE + HOUR) // STEP
    for step in range(1, steps):
        moment = BEGIN + step * STEP + timedelta(seconds=1)
        with time_machine.travel(moment, tick=True):
            work_through(settings)
            expected = {name for name, (at, end) in plans.items() if at <= moment and (end is None or moment < end)}
            shown = list_all(client, "/v1/articles?limit=100")
            assert len(shown) == len(set(shown))
            assert set(shown) == expected, moment
    published, gone = count_events(db, "article.published"), count_events(db, "article.unpublished")
    assert sorted(published) == sorted(plans)
    assert sorted(gone) == sorted(name for name, (_, end) in plans.items() if end)
    report(steps=steps, published=len(published), expired=len(gone))


def test_a_clock_that_jumps_loses_and_doubles_nothing(
    client: TestClient, editor: Headers, db: Database, settings: Settings, report: Report
) -> None:
    clock, comments, planned = BEGIN, list[str](), list[str]()
    cursor, heard = "", list[str]()
    with time_machine.travel(clock, tick=True):
        talk = make.published(client, editor, "Talk")
        work_through(settings)
    for jump in range(JUMPS):
        clock += random.choice(SIZES)
        with time_machine.travel(clock, tick=True):
            comments.append(make.said(client, talk, f"Number {jump} has something to say.")["id"])
            planned.append(plan(client, editor, f"Plan {jump}", now() + HOUR))
            work_through(settings)
        with time_machine.travel(clock + HOUR + STEP, tick=True):
            work_through(settings)
            assert make.ok(client.get(f"/v1/articles/{planned[-1]}"))["state"] == "published"
            page = make.ok(client.get(f"/v1/changes?limit=100&types=comment{cursor}"))
            heard += [change["id"] for change in page["data"]]
            cursor = f"&cursor={page['page']['next']}"
            thread = list_all(client, f"/v1/articles/{talk['id']}/comments?limit=2")
            assert sorted(thread) == sorted(comments)
    assert heard == comments, "followers hear of each once, in the order of the log"
    assert sorted(count_events(db, "article.published")) == sorted([talk["id"], *planned])
    with time_machine.travel(clock + timedelta(days=100), tick=True):
        assert sorted(list_all(client, "/v1/articles?limit=3")) == sorted([talk["id"], *planned])
    report(jumps=JUMPS, comments=len(comments), published=len(planned))
