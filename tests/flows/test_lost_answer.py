"""A server that dies between the commit of a comment and its answer: who sends it again gets what was lost, once."""

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.articles.tables import ArticleTally
from app.comments.reading import C
from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from tests import make, processes
from tests.make import bearer, ok


def send_to_doomed(settings: Settings, path: str, body: dict[str, Any], headers: make.Headers) -> None:
    """Post to a server that carries it out and dies before it says so."""
    environment = {
        **os.environ,
        "BROADSHEET_DATABASE_URL": str(settings.database_url),
        "BROADSHEET_DATA_DIR": str(settings.data_dir),
        "BROADSHEET_RATE_LIMITS": "off",
    }
    with processes.start(module="tests.flows.doomed", environment=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            address = f"http://127.0.0.1:{int(process.stdout.readline())}"
            with httpx2.Client(base_url=address, timeout=30) as http, pytest.raises(httpx2.TransportError):
                http.post(path, json=body, headers=headers)
            assert process.wait(30) == -signal.SIGKILL
        finally:
            process.kill()


@pytest.mark.parametrize("by", ["id", "key", "both"])
def test_a_lost_answer_can_be_had_again(
    by: str, settings: Settings, serve: Callable[..., str], db: Database, make_key: Callable[..., make.Headers]
) -> None:
    editor = make_key("content:read", "content:write", "content:publish")
    with httpx2.Client(base_url=serve(), timeout=30) as http:
        client: Any = http
        article = make.published(client, editor)
        guest = make.guest(client)
        path = f"/v1/articles/{article['id']}/comments"
        top = ok(http.post(path, json={"text": "Top.", "author": {"name": "Bo"}}, headers=guest), 201)
        body: dict[str, Any] = {"text": "Lost?", "author": {"name": "Ida"}, "parent_id": top["id"]}
        headers = {} if by == "id" else {"Idempotency-Key": new_id()}
        if by != "key":
            body["id"] = new_id()
        send_to_doomed(settings, path, body, headers)
        again = [http.post(path, json=body, headers=headers) for _ in range(2)]
        assert {answer.status_code for answer in again} == {200 if by == "id" else 201}
        comment = again[0].json()
        assert again[1].json() == comment
        assert comment["id"] == body.get("id", comment["id"])
        if by == "id":  # a stranger without a key has lost the tokens with the answer
            assert (comment["guest_token"], comment["edit_token"]) == (None, None)
        else:
            assert "idempotency-replayed" in again[0].headers
            me = http.get("/v1/whoami", headers=bearer(comment["guest_token"])).json()
            assert me["id"] == comment["author"]["id"]
        shown = http.get(f"/v1/articles/{article['id']}").json()["discussion"]
        assert shown["comments"] == 2
        assert http.get(f"/v1/comments/{top['id']}").json()["replies"] == 1
    tally = table_of(ArticleTally)
    with db.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(C)).scalar_one() == 2
        assert connection.execute(sa.select(tally.c.comments)).scalar_one() == 2
        told = connection.execute(sa.text("SELECT subject_id FROM event WHERE type = 'comment.published'")).scalars()
        assert len(told.all()) == 2
