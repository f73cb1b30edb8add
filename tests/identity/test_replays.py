"""Idempotency-Key: the same request again gets the same answer again, and nothing happens twice."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
import sqlalchemy as sa
import time_machine
from fastapi import Request
from pydantic import BaseModel
from sqlmodel import Session
from starlette.responses import Response
from starlette.testclient import TestClient

from app import wiring
from app.core.problems import Conflict
from app.core.settings import Settings
from app.db import Database
from app.identity.access import Public, require_scope
from app.identity.audit import record_action
from app.identity.idempotency import Answer, IdempotencyKeyReused, StillRunning, claim_key, prune_answers, store_answer
from app.identity.schemas import Actor
from app.identity.tables import Audit, Replay
from app.identity.writes import write
from app.main import create_app
from app.web.routing import Router

Headers = dict[str, str]
NOTES = Router()
broken = threading.Event()


class Note(BaseModel):
    text: str


class NoteOut(BaseModel):
    id: str
    text: str


def add(session: Session, actor: Actor, text: str) -> str:
    record_action(session, actor, "note.add", "note", None, {"text": text})
    if broken.is_set():
        raise Conflict("Not now.")
    return text


def show(_: sa.Connection, text: str) -> dict[str, str]:
    return {"id": f"id-{text}", "text": text}


@NOTES.post("/notes")
async def create(request: Request, body: Note, actor: Annotated[Actor, require_scope("content:write")]) -> Response:
    return await write(request, actor, add, body.text, render=show, model=NoteOut, status=201, location="/notes/{id}")


@NOTES.post("/open-notes")
async def create_openly(request: Request, body: Note, actor: Public) -> Response:
    return await write(request, actor, add, body.text, render=show, model=NoteOut, status=201)


@NOTES.put("/notes")
async def replace(request: Request, body: Note, actor: Annotated[Actor, require_scope("content:write")]) -> Response:
    return await write(request, actor, add, body.text, status=204)


@pytest.fixture
def notes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The app with a few routes of these tests."""
    monkeypatch.setattr(wiring, "ROUTERS", [NOTES])
    broken.clear()
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as found:
        yield found


def effects(db: Database) -> list[str]:
    with db.connect() as connection:
        details = connection.execute(sa.select(Audit.detail).where(sa.text("action = 'note.add'"))).scalars()
        return sorted(detail["text"] for detail in details)


def test_the_same_request_gets_the_same_answer(notes: TestClient, editor: Headers, db: Database) -> None:
    headers = {**editor, "Idempotency-Key": "k"}
    first = notes.post("/notes", json={"text": "a"}, headers=headers)
    assert (first.status_code, first.json()) == (201, {"id": "id-a", "text": "a"})
    again = notes.post("/notes", json={"text": "a"}, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    kept = ("etag", "location", "broadsheet-position", "content-type", "cache-control")
    assert [again.headers[name] for name in kept] == [first.headers[name] for name in kept]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert effects(db) == ["a"]


def test_another_request_under_the_same_key_is_refused(notes: TestClient, editor: Headers, db: Database) -> None:
    headers = {**editor, "Idempotency-Key": "k"}
    notes.post("/notes", json={"text": "a"}, headers=headers)
    for path, text in (("/notes", "b"), ("/open-notes", "a"), ("/notes", "a ")):
        answer = notes.post(path, json={"text": text}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert notes.post("/notes", json={"text": "b"}, headers={**editor, "Idempotency-Key": "K"}).status_code == 201
    assert effects(db) == ["a", "b"]


def test_keys_belong_to_callers(notes: TestClient, make_key: Callable[..., Headers], db: Database) -> None:
    for _ in range(2):
        headers = {**make_key("content:write"), "Idempotency-Key": "k"}
        assert "idempotency-replayed" not in notes.post("/notes", json={"text": "a"}, headers=headers).headers
    assert effects(db) == ["a", "a"]


def test_strangers_share_no_key(notes: TestClient, db: Database) -> None:
    headers = {"Idempotency-Key": "k"}
    for text in ("a", "b"):
        answers = [notes.post("/open-notes", json={"text": text}, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]  # none is stopped by another's key
        assert [answer.json()["text"] for answer in answers] == [text, text]  # nor given another's answer
    assert effects(db) == ["a", "b"]  # and yet each can send its own again


def test_without_a_key_and_beside_post_nothing_is_kept(notes: TestClient, editor: Headers, db: Database) -> None:
    for _ in range(2):
        notes.post("/notes", json={"text": "a"}, headers=editor)
        assert notes.put("/notes", json={"text": "b"}, headers={**editor, "Idempotency-Key": "k"}).status_code == 204
    assert effects(db) == ["a", "a", "b", "b"]


def test_a_failed_action_gives_the_key_back(notes: TestClient, editor: Headers, db: Database) -> None:
    headers = {**editor, "Idempotency-Key": "k"}
    broken.set()
    assert notes.post("/notes", json={"text": "a"}, headers=headers).status_code == 409
    assert effects(db) == []
    broken.clear()
    answer = notes.post("/notes", json={"text": "a"}, headers=headers)
    assert (answer.status_code, effects(db)) == (201, ["a"])
    assert "idempotency-replayed" not in answer.headers


def test_a_key_must_be_readable(notes: TestClient, editor: Headers, db: Database) -> None:
    for key in ("", "x" * 256, "ä", "a\tb"):
        answer = notes.post("/notes", json={"text": "a"}, headers={**editor, "Idempotency-Key": key.encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert effects(db) == []
    assert notes.post("/notes", json={"text": "a"}, headers={**editor, "Idempotency-Key": "x" * 255}).status_code == 201


def test_twenty_at_once_have_one_effect(notes: TestClient, make_key: Callable[..., Headers], db: Database) -> None:
    headers = {**make_key("content:write"), "Idempotency-Key": "k"}
    begin = threading.Barrier(20)

    def post(_: int) -> tuple[int, bytes, bool]:
        begin.wait(10)
        answer = notes.post("/notes", json={"text": "a"}, headers=headers)
        return answer.status_code, answer.content, "idempotency-replayed" in answer.headers

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert {answer[:2] for answer in answers} == {(201, b'{"id":"id-a","text":"a"}')}
    assert sum(replayed for _, _, replayed in answers) == 19
    assert effects(db) == ["a"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer, so no twin under way
def test_a_twin_that_waits_too_long_is_told_so(db: Database) -> None:
    with db.transaction() as first:
        claim_key(first, "me", "k", "f")
        first.flush()
        with db.transaction() as second:
            second.execute(sa.text("SET LOCAL lock_timeout = '5ms'"))
            with pytest.raises(StillRunning):
                claim_key(second, "me", "k", "f")
            second.rollback()


def test_what_was_claimed_and_not_answered_is_still_running(db: Database) -> None:
    with db.transaction() as session:
        assert claim_key(session, "me", "k", "f") is None
        with pytest.raises(StillRunning):
            claim_key(session, "me", "k", "f")
        store_answer(session, "me", "k", Answer(201, {"Location": "/x"}, b"\x00\xff"))
    with db.transaction() as session:
        assert claim_key(session, "me", "k", "f") == Answer(201, {"Location": "/x"}, b"\x00\xff")
        with pytest.raises(IdempotencyKeyReused):
            claim_key(session, "me", "k", "g")


def test_old_answers_are_forgotten(db: Database) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False) as clock, db.transaction() as session:
        claim_key(session, "me", "old", "f")
        clock.shift(3600)
        claim_key(session, "me", "new", "f")
    with db.transaction() as session:
        assert prune_answers(session, noon + timedelta(minutes=30)) == 1
        assert session.execute(sa.select(Replay.key)).scalars().all() == ["new"]
