"""Writes whose answers are private: retried they answer the same, and nothing private was kept for it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Request
from pydantic import BaseModel
from sqlmodel import Session
from starlette.responses import Response
from starlette.testclient import TestClient

from app import wiring
from app.core.problems import Conflict, Gone
from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.identity import routes as guests
from app.identity.access import Public
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tables import Audit, Replay
from app.identity.writes import WriteResult, write_private
from app.main import create_app
from app.web.routing import Router
from tests.make import Headers, ok

pytestmark = pytest.mark.portable

NOTES = Router()
gone: set[str] = set()


class Note(BaseModel):
    text: str


class NoteOut(BaseModel):
    id: str
    text: str
    token: str | None


def add(session: Session, actor: Actor, text: str) -> WriteResult:
    if text == "no":
        raise Conflict("Not this.")
    record_action(session, actor, "note.add", "note", None, {"text": text})
    return WriteResult(f"id-{len(text)}", 200 if text == "again" else 201)


@NOTES.post("/private-notes")
async def create(request: Request, body: Note, actor: Public) -> Response:
    def render(connection: sa.Connection, note_id: str, first: bool) -> dict[str, Any]:
        assert connection.execute(sa.select(sa.literal(1))).scalar_one() == 1
        if note_id in gone:
            raise Gone("It was removed.")
        token = request.app.state.services.vault.derive_guest_token(request.headers.get("idempotency-key", ""))
        return {"id": note_id, "text": body.text, "token": f"{'new' if first else 'old'} {token}"}

    return await write_private(request, actor, add, body.text, render=render, model=NoteOut, location="/notes/{id}")


@pytest.fixture
def notes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The app with a route of these tests."""
    monkeypatch.setattr(wiring, "ROUTERS", [NOTES, guests.participants_router])
    gone.clear()
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as found:
        yield found


def effects(db: Database) -> int:
    with db.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table_of(Audit))).scalar_one())


def post(client: TestClient, text: str, key: str | None = "key-1", headers: Headers | None = None) -> Any:
    found = {"Idempotency-Key": key} if key else {}
    return client.post("/private-notes", json={"text": text}, headers=found | (headers or {}))


def test_a_retry_is_rendered_anew(notes: TestClient, db: Database) -> None:
    first, again = post(notes, "canary"), post(notes, "canary")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() | {"token": ""} == again.json() | {"token": ""}
    assert first.json()["token"].removeprefix("new ") == again.json()["token"].removeprefix("old ")
    for name in ("location", "broadsheet-position"):
        assert first.headers[name] == again.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["cache-control"] == "private, no-store"
    assert effects(db) == 1


def test_nothing_private_is_kept(notes: TestClient, db: Database) -> None:
    token = post(notes, "canary").json()["token"]
    with db.connect() as connection:
        row = dict(connection.execute(sa.select(table_of(Replay))).mappings().one())
    assert (bytes(row["body"]), row["status"], set(row["headers"])) == (b"id-6", 201, {"Broadsheet-Position"})
    for private in ("canary", token.split()[1]):
        assert private not in json.dumps(row, default=str)


def test_the_action_says_the_status(notes: TestClient) -> None:
    assert [post(notes, "again").status_code for _ in range(2)] == [200, 200]


def test_what_has_gone_since_is_told(notes: TestClient, db: Database) -> None:
    post(notes, "canary")
    gone.add("id-6")
    answer = post(notes, "canary")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert effects(db) == 1


def test_a_failed_write_keeps_nothing(notes: TestClient, db: Database) -> None:
    assert post(notes, "no").status_code == 409
    gone.add("id-6")
    assert post(notes, "canary").status_code == 410  # rendering failed: the write is undone as well
    gone.clear()
    assert post(notes, "canary").status_code == 201
    assert effects(db) == 1


def test_another_body_is_refused_for_the_same_caller_alone(notes: TestClient, db: Database) -> None:
    tokens = [ok(notes.post("/v1/guests"), 201)["guest_token"] for _ in range(2)]
    one, other = ({"Authorization": f"Bearer {token}"} for token in tokens)
    assert post(notes, "first", headers=one).status_code == 201
    answer = post(notes, "second", headers=one)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert post(notes, "second", headers=other).status_code == 201
    assert post(notes, "third").status_code == 201  # strangers have no name: their keys never meet
    assert post(notes, "fourth").status_code == 201
    assert effects(db) == 4


def test_without_a_key_every_request_counts(notes: TestClient, db: Database, make_key: Callable[..., Headers]) -> None:
    for _ in range(2):
        assert post(notes, "canary", key=None).status_code == 201
    assert effects(db) == 2
