"""The removal of all comments of a person by workers that are killed at any statement, and its undoing."""

import os
import random
import signal
import traceback
from collections import Counter
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.counters import ACTIVITY, HOUR, count_activity
from app.articles.tables import ArticleTally
from app.comments.reading import C
from app.core.clock import now
from app.db import Database, open_database
from app.db.columns import table_of
from app.events.tables import Event
from app.identity.schemas import SYSTEM
from app.moderation import person_actions
from app.moderation.log import LOG
from app.moderation.people_schemas import ActionIn
from app.moderation.person_actions import advance_actions, create_action, get_action, undo_action
from tests import make
from tests.comments.trees import FIRST, Twig, grown
from tests.effort import effort
from tests.make import Headers
from tests.moderation.stock import participant

COMMENTS = effort("COMMENTS", 20, long=400)
EVENT, TALLY = table_of(Event), table_of(ArticleTally)


def grow_tree(db: Database, article_id: str, chance: random.Random) -> tuple[str, list[str]]:
    """Comments of two people with counted activity; the public id of one of them, and their comments by id."""
    recent = int((now() - FIRST).total_seconds()) - 2 * 86400
    twigs: list[Twig] = []
    for n in range(COMMENTS):
        under = chance.randrange(n) if n and chance.random() < 0.7 else None
        is_held = under is not None and twigs[under].state == "pending"
        state = "pending" if is_held else chance.choice(["published"] * 5 + ["removed", "pending"])
        twigs.append(Twig(under, recent + 1000 * n, state=state))
    rows = grown(db, article_id, twigs)
    other = participant(db)
    with db.transaction() as session:
        for row in rows:
            if row["state"] == "published":
                count_activity(session, article_id, row["created_at"], comments=1)
        strangers = [row["id"] for row in rows if chance.random() < 0.3]
        session.execute(sa.update(C).where(C.c.id.in_(strangers)).values(participant_id=other))
    return "writer", sorted(row["id"] for row in rows if row["id"] not in strangers and row["state"] != "removed")


def read_state(db: Database) -> dict[str, Any]:
    """What readers and moderators see of the comments and of their numbers."""
    with db.connect() as connection:
        columns = [C.c[name] for name in ("id", "state", "listed", "replies")]
        comments = [tuple(row) for row in connection.execute(sa.select(*columns).order_by(C.c.id))]
        hours = sa.select(HOUR.c.hour, HOUR.c.comments).where(HOUR.c.comments > 0).order_by(HOUR.c.hour)
        counts = sa.select(TALLY.c.comments, ACTIVITY.c.comments_7d).outerjoin(
            ACTIVITY, ACTIVITY.c.article_id == TALLY.c.article_id
        )
        return {
            "comments": comments,
            "hours": [tuple(row) for row in connection.execute(hours)],
            "counts": [tuple(row) for row in connection.execute(counts)],
        }


def recount(db: Database) -> dict[str, Any]:
    """The same, counted anew from the states alone."""
    with db.connect() as connection:
        rows = connection.execute(sa.select(C).order_by(C.c.created_at.desc(), C.c.id.desc())).all()
    replies, listed, hours = Counter[str](), dict[str, bool](), Counter[datetime]()
    for row in rows:  # replies before what they answer
        listed[row.id] = row.state == "published" or replies[row.id] > 0
        if listed[row.id] and row.parent_id:
            replies[row.parent_id] += 1
        if row.state == "published":
            hours[row.created_at.replace(minute=0, second=0, microsecond=0)] += 1
    return {
        "comments": sorted((row.id, row.state, listed[row.id], replies[row.id]) for row in rows),
        "hours": sorted(hours.items()),
        "counts": [(hours.total(), hours.total())],
    }


def work_until_killed(url: str, statements: int) -> None:
    """Advance actions in this process, and end it by SIGKILL after a number of statements."""
    db, left = open_database(url), statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(db.engines()[1], "after_cursor_execute", count)
    while True:
        with db.transaction() as session:
            if not advance_actions(session):
                os._exit(0)


def is_running(db: Database, action: str) -> bool:
    """Whether an action has still something to do."""
    with db.connect() as connection:
        return get_action(connection, action)["finished_at"] is None


def work_with_kills(db: Database, chance: random.Random, action: str) -> int:
    """Let one worker after another work until an action is finished; return how many were killed.

    PostgreSQL may notice only after a while that a worker was killed, which holds the lock until then.
    """
    url, killed = db.engines()[1].url.render_as_string(hide_password=False), 0
    while is_running(db, action):
        statements = chance.randint(1, 60)
        if not (child := os.fork()):
            try:
                work_until_killed(url, statements)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        assert status == 0 or os.WIFSIGNALED(status)
        killed += os.WIFSIGNALED(status)
    return killed


def count_written(db: Database, kind: str, action: str) -> tuple[Counter[str], Counter[str]]:
    """How often each comment has an event of a type, and an entry in the moderation log."""
    with db.connect() as connection:
        events = connection.execute(sa.select(EVENT.c.subject_id).where(EVENT.c.type == kind)).scalars()
        entries = connection.execute(sa.select(LOG.c.comment_id).where(LOG.c.action == action)).scalars()
        return Counter(events), Counter(entries)


def test_killed_workers_lose_and_double_nothing(
    client: TestClient, db: Database, editor: Headers, monkeypatch: Any
) -> None:
    monkeypatch.setattr(person_actions, "CHUNK_SIZE", 4)
    monkeypatch.setattr(person_actions, "MAX_BATCH_SECONDS", 0.0)
    chance = random.Random(random.randrange(10**6))  # after the seed that pytest-randomly prints
    article = make.published(client, editor)
    person, own = grow_tree(db, article["id"], chance)
    before = read_state(db)
    assert before == recount(db)
    public = {row[0] for row in before["comments"] if row[1] == "published"} & set(own)
    with db.transaction() as session:
        action = create_action(session, SYSTEM, person, ActionIn(remove_all=True, reason="Spam."))
    assert work_with_kills(db, chance, action) > 0
    with db.connect() as connection:
        done = get_action(connection, action)
    assert (done["state"], done["removed"]) == ("done", len(own))
    assert read_state(db) == recount(db)
    once = dict.fromkeys(own, 1)
    assert count_written(db, "comment.removed", "remove") == (dict.fromkeys(public, 1), once)
    with db.transaction() as session:
        undo_action(session, SYSTEM, person, action)
    work_with_kills(db, chance, action)
    with db.connect() as connection:
        undone = get_action(connection, action)
    assert (undone["state"], undone["restored"]) == ("undone", len(own))
    assert read_state(db) == before
    assert count_written(db, "comment.published", "restore") == (dict.fromkeys(public, 1), once)
