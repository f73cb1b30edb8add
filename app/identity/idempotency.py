"""Idempotency keys, and the answers that are stored for them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.problems import Conflict, Invalid
from app.db.columns import count_affected, table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, begin_insert
from app.identity.tables import Replay

_REPLAY = table_of(Replay)
LOCK_NOT_AVAILABLE = "55P03"
_BATCH_SIZE = 500  # answers read into memory at once
_IDS = re.compile(rb"(?<![0-9a-f-])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f-])")


_CLAIM: Prepared[JsonObject] = Prepared(
    lambda dialect: begin_insert(dialect, _REPLAY).on_conflict_do_nothing().returning(_REPLAY.c.key),
    ("caller", "key", "fingerprint", "created_at"),
)
_STORE: Prepared[JsonObject] = Prepared(
    sa.update(_REPLAY)
    .where(*(_REPLAY.c[name] == sa.bindparam(name, type_=_REPLAY.c[name].type) for name in ("caller", "key")))
    .values({name: sa.bindparam(f"new_{name}", type_=_REPLAY.c[name].type) for name in ("status", "headers", "body")})
)


class IdempotencyKeyReused(
    Invalid, code="idempotency_key_reused", title="This Idempotency-Key belongs to another request"
):
    """The `Idempotency-Key` was used before with another body or URL."""


class StillRunning(Conflict, code="request_in_progress", title="The same request is still running"):
    """The first request with this `Idempotency-Key` has not been answered yet."""


class ShownOnce(Conflict, code="shown_once", title="The secret was shown in the first answer and is not kept"):
    """The request was carried out before, and its answer contained a secret that is shown only once."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request, as it is sent and stored."""

    status: int
    headers: dict[str, str]
    body: bytes


def claim_key(session: Session, caller: str, key: str, fingerprint: str) -> Answer | None:
    """Claim the key for a request; return the stored answer if the same request claimed it before.

    On PostgreSQL the insert waits for a concurrent request with the key, up to the lock timeout, and sees its answer.
    """
    values = {"caller": caller, "key": key, "fingerprint": fingerprint, "created_at": now()}
    try:
        if _CLAIM.first(session, values) is not None:
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
    """Whether the key is claimed: its answer is stored, or will be."""
    query = sa.select(_REPLAY.c.key).where(_REPLAY.c.caller == caller, _REPLAY.c.key == key)
    return connection.execute(query).first() is not None


def store_answer(session: Session, caller: str, key: str, answer: Answer) -> None:
    """Store the answer in the transaction of its effect, so that both are committed or neither."""
    values = {"new_status": answer.status, "new_headers": answer.headers, "new_body": answer.body}
    _STORE.run(session, {"caller": caller, "key": key, **values})


def delete_answers(session: Session, caller: str) -> None:
    """Delete the answers stored for an erased caller."""
    session.execute(sa.delete(_REPLAY).where(_REPLAY.c.caller == caller))


def prune_answers(session: Session, before: datetime) -> int:
    """Delete answers older than a moment; return their number."""
    return count_affected(session.execute(sa.delete(_REPLAY).where(_REPLAY.c.created_at < before)))


def delete_answers_naming(session: Session, ids: Collection[str]) -> None:
    """Delete the stored answers of all callers that contain one of these ids, which are being erased or purged."""
    deleted_ids = {one.encode() for one in ids}
    kept = sa.select(_REPLAY.c.caller, _REPLAY.c.key, _REPLAY.c.body).where(_REPLAY.c.body.is_not(None))
    rows = session.execute(kept.execution_options(yield_per=_BATCH_SIZE))
    named = [(row.caller, row.key) for row in rows if not deleted_ids.isdisjoint(_IDS.findall(row.body))]
    for caller, key in named:
        session.execute(sa.delete(_REPLAY).where(_REPLAY.c.caller == caller, _REPLAY.c.key == key))
