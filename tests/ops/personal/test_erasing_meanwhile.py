"""Erasing while the same person goes on writing: what comes too late finds them gone."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.comments.reading import C
from app.db import Database
from app.identity.schemas import Actor
from app.importers.ledger import forget_people
from app.ops.personal import erase_own_data
from app.reactions.reactions import REACTION, VOTE
from tests.make import ok, said
from tests.moderation.stock import comment, stored

WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def wait_for(db: Database, work: Future[Any]) -> None:
    """Until a write stands behind the lock; SQLite has one lock for all."""
    if db.dialect == "postgresql":
        with db.connect() as connection:
            while not work.done() and not connection.execute(WAITING).scalar_one():
                pass


@pytest.mark.parametrize("what", ["vote", "reaction", "comment"])
def test_what_comes_too_late_is_refused(client: TestClient, db: Database, article: dict[str, Any], what: str) -> None:
    mine, other = said(client, article, "Mine."), comment(db, article, state="published")
    me = stored(db, C, id=mine["id"])[0]["participant_id"]
    headers = {"Authorization": f"Bearer {mine['guest_token']}"}
    url = f"/v1/articles/{article['id']}"
    ok(client.get("/v1/whoami", headers=headers))  # the token is known for a moment to come

    def late() -> Any:
        if what == "vote":
            return client.put(f"/v1/comments/{other}/vote", json={"value": 1}, headers=headers)
        if what == "reaction":
            return client.put(f"{url}/reaction", json={"value": "agree"}, headers=headers)
        return client.post(f"{url}/comments", json={"text": "Too late."}, headers=headers)

    with ThreadPoolExecutor(1) as thread:
        with db.transaction() as session:
            erase_own_data(session, Actor("guest", me), forget_people)
            work = thread.submit(late)
            wait_for(db, work)
        assert work.result().status_code == 401
    for table in (C, VOTE, REACTION):
        assert stored(db, table, participant_id=me) == []
