"""Claiming an idempotency key, and keeping the answer that belongs to it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import Conflict, Invalid
from app.db.columns import count_affected, table_of
from app.identity.tables import Replay

_REPLAY = table_of(Replay)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
LOCK_NOT_AVAILABLE = "55P03"
_BATCH_SIZE = 500  # answers that are in memory together
_IDS = re.compile(rb"(?<![0-9a-f-])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f-])")


class IdempotencyKeyReused(Invalid):
    """The `Idempotency-Key` came with another body or address before."""

    code, title = "idempotency_key_reused", "This Idempotency-Key belongs to another request"


class StillRunning(Conflict):
    """The first request with this `Idempotency-Key` has not been answered yet."""

    code, title = "request_in_progress", "The same request is still running"


class ShownOnce(Conflict):
    """This was done before, and its answer held a secret that is shown only once."""

    code, title = "shown_once", "The secret was shown in the first answer and is not kept"


@dataclass(frozen=True)
class Answer:
    """A finished answer: what a client gets the first time, and gets again."""

    status: int
    headers: dict[str, str]
    body: bytes


def claim_key(session: Session, caller: str, key: str, fingerprint: str) -> Answer | None:
    """Take the key for this request; the kept answer if it was taken before by the same one.

    On PostgreSQL the insert waits for a twin that is still running, up to the lock timeout, then sees its answer.
    """
    insert = _INSERT[session.get_bind().dialect.name](_REPLAY).values(
        caller=caller, key=key, fingerprint=fingerprint, created_at=now()
    )
    try:
        taken = session.execute(insert.on_conflict_do_nothing().returning(_REPLAY.c.key))
        if taken.first() is not None:
            return None
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise StillRunning from error
        raise
    kept = session.get(Replay, (caller, key))
    if kept is None or kept.status is None:
        raise StillRunning
    if kept.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Answer(kept.status, kept.headers or {}, kept.body or b"")


def has_answer(connection: sa.Connection, caller: str, key: str) -> bool:
    """Return whether an answer is stored for this key, or being made."""
    query = sa.select(_REPLAY.c.key).where(_REPLAY.c.caller == caller, _REPLAY.c.key == key)
    return connection.execute(query).first() is not None


def store_answer(session: Session, caller: str, key: str, answer: Answer) -> None:
    """Store the answer in the transaction of its effect: both stand, or neither."""
    is_key = (_REPLAY.c.caller == caller) & (_REPLAY.c.key == key)
    values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    session.execute(sa.update(_REPLAY).where(is_key).values(values))


def delete_answers(session: Session, caller: str) -> None:
    """Drop the answers kept for a caller who is erased."""
    session.execute(sa.delete(_REPLAY).where(_REPLAY.c.caller == caller))


def prune_answers(session: Session, before: datetime) -> int:
    """Delete answers older than a moment; return how many."""
    return count_affected(session.execute(sa.delete(_REPLAY).where(_REPLAY.c.created_at < before)))


def delete_answers_naming(session: Session, ids: Collection[str]) -> None:
    """Drop every kept answer, whoever asked, that names something which is erased or purged: it may hold its words."""
    deleted_ids = {one.encode() for one in ids}
    kept = sa.select(_REPLAY.c.caller, _REPLAY.c.key, _REPLAY.c.body).where(_REPLAY.c.body.is_not(None))
    rows = session.execute(kept.execution_options(yield_per=_BATCH_SIZE))
    named = [(row.caller, row.key) for row in rows if not deleted_ids.isdisjoint(_IDS.findall(row.body))]
    for caller, key in named:
        session.execute(sa.delete(_REPLAY).where(_REPLAY.c.caller == caller, _REPLAY.c.key == key))
