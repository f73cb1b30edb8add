"""Writes over HTTP: one transaction, an answer after the commit, and one execution per idempotency key."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar, TypeVarTuple, cast

import pydantic_core
import sqlalchemy as sa
from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from app.core.models import BaseModel
from app.core.problems import BadRequest
from app.db.rows import JsonObject
from app.events.log import PERSON_KEY, POSITION_KEY, REQUEST_ID_KEY, find_last_position
from app.identity.idempotency import Answer, ShownOnce, claim_key, has_answer, store_answer
from app.identity.schemas import Actor
from app.web import etag
from app.web.fields import dump_json
from app.web.openapi import IDEMPOTENCY_KEY_LENGTH
from app.web.responses import PRIVATE_CACHE_CONTROL, database, fill_path

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_SCOPE_KEY = "idempotent_request"
"""Caches the `_IdempotentRequest` of a request, so that a long body is hashed once."""


def read_idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a POST; 400 for an invalid one."""
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and not (0 < len(key) <= IDEMPOTENCY_KEY_LENGTH and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LENGTH} visible ASCII characters."
        raise BadRequest(detail, errors=[{"parameter": "Idempotency-Key", "code": "invalid", "detail": detail}])
    return key


@dataclass(frozen=True)
class _IdempotentRequest:
    """The idempotency key of a request, and the fingerprint by which a repeated request is recognised."""

    caller: str
    key: str
    fingerprint: str

    @classmethod
    async def of(cls, request: Request, actor: Actor, payload: bytes | None) -> "_IdempotentRequest | None":
        key = read_idempotency_key(request)
        if key is None:
            return None
        if payload is None and (cached := request.scope.get(_SCOPE_KEY)):
            return cast(_IdempotentRequest, cached)
        content = payload if payload is not None else await request.body()
        address = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        fingerprint = hashlib.sha256(address + content).hexdigest()
        # Anonymous callers have no identifier: the key of one must never answer or block a request of another.
        once = cls(actor.caller or fingerprint[:36], key, fingerprint)
        if payload is None:
            request.scope[_SCOPE_KEY] = once
        return once


async def is_replay(request: Request, actor: Actor) -> bool:
    """Whether the request was sent before with the same `Idempotency-Key`, so that it need not be prepared again."""
    once = await _IdempotentRequest.of(request, actor, None)
    return once is not None and await database(request).scan_fresh(has_answer, once.caller, once.key)


@dataclass(frozen=True)
class _Rendering(Generic[T]):
    """How a write is answered: with the row that `read` returns for the action's result, as `model`."""

    read: Callable[[sa.Connection, T], Mapping[str, object]] | None
    model: type[BaseModel] | None
    status: int
    location: str | None

    def answer(self, session: Session, result: T) -> Answer:
        """Render the answer within the transaction."""
        if self.read is None or self.model is None:
            return Answer(self.status, {}, b"")
        row = self.read(session.connection(), result)
        body = dump_json(self.model, row)
        version = cast("int | None", row.get("version"))
        headers = {"ETag": f'"{etag.make_etag(body, version)}"'}
        if self.location:
            headers["Location"] = fill_path(self.location, row)
        return Answer(self.status, headers, body)


async def write(
    request: Request,
    actor: Actor,
    action: Callable[[Session, Actor, *Ts], T],
    *args: *Ts,
    render: Callable[[sa.Connection, T], Mapping[str, object]] | None = None,
    model: type[BaseModel] | None = None,
    status: int = 200,
    location: str | None = None,
    payload: bytes | None = None,
    secret: bool = False,
    aside: bool = False,
) -> Response:
    """Run `action(session, actor, *args)` and answer with the row that `render` reads for its result, as `model`.

    A POST with `Idempotency-Key` is carried out once; its answer is stored in the same transaction. `location` is a
    template that is filled with the row. `payload` replaces the body in the fingerprint where the body was streamed.
    The answer of a `secret` write is not stored. One that takes long goes `aside`: other writes do not share its
    transaction, and wait for it alone.
    """
    once = await _IdempotentRequest.of(request, actor, payload)
    rendering = _Rendering(render, model, status, location)

    def work(session: Session) -> tuple[Answer, bool]:
        if once and (kept := claim_key(session, once.caller, once.key, once.fingerprint)):
            if secret:
                raise ShownOnce
            return kept, True
        result = action(session, actor, *args)
        session.flush()
        answer = rendering.answer(session, result)
        answer.headers["Broadsheet-Position"] = _position_of(session)
        if once:
            store_answer(session, once.caller, once.key, Answer(answer.status, {}, b"") if secret else answer)
        return answer, False

    return _make_response(*await _transact(request, actor, work, aside=aside))


async def _transact(request: Request, actor: Actor, work: Callable[[Session], T], *, aside: bool = False) -> T:
    """Run a function in a transaction, whose events name the request and the person of the staff."""

    def run(session: Session) -> T:
        session.info[REQUEST_ID_KEY], session.info[PERSON_KEY] = request.scope["request_id"], actor.person
        return work(session)

    db = database(request)
    return await (db.write_aside(run) if aside else db.write(run))


def _make_response(answer: Answer, replayed: bool) -> Response:
    headers = {**answer.headers, "Cache-Control": PRIVATE_CACHE_CONTROL}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, "application/json" if answer.body else None)


def _position_of(session: Session) -> str:
    return str(session.info.get(POSITION_KEY) or find_last_position(session.connection()))


class WriteResult(NamedTuple):
    """The id of what a private write created or changed, and the status of the answer."""

    id: str
    status: int = 200


async def write_private(
    request: Request,
    actor: Actor,
    action: Callable[[Session, Actor, *Ts], WriteResult],
    *args: *Ts,
    render: Callable[[sa.Connection, str, bool], Mapping[str, object]],
    model: type[BaseModel],
    location: str | None = None,
) -> Response:
    """Run `action(session, actor, *args)` and answer with `render(connection, id, first)`, as `model`.

    For answers with personal text or tokens, which must not be stored: of a POST with `Idempotency-Key` only the id,
    the status and the position are kept, and a repeated request is rendered again with `first` False. An exception
    of `render` becomes the answer. `location` is a template that is filled with the rendered row.
    """
    once = await _IdempotentRequest.of(request, actor, None)

    def work(session: Session) -> tuple[Answer, bool]:
        kept = claim_key(session, once.caller, once.key, once.fingerprint) if once else None
        if kept:
            result, position = WriteResult(kept.body.decode(), kept.status), kept.headers["Broadsheet-Position"]
        else:
            result = action(session, actor, *args)
            session.flush()
            position = _position_of(session)
        rendering = _Rendering[WriteResult](
            lambda connection, _: render(connection, result.id, kept is None), model, result.status, location
        )
        answer = rendering.answer(session, result)
        answer.headers["Broadsheet-Position"] = position
        if once and not kept:
            store_answer(
                session,
                once.caller,
                once.key,
                Answer(result.status, {"Broadsheet-Position": position}, result.id.encode()),
            )
        return answer, kept is not None

    return _make_response(*await _transact(request, actor, work))


async def write_part(
    request: Request, actor: Actor, part: int, action: Callable[[Session, Actor, *Ts], JsonObject], *args: *Ts
) -> tuple[JsonObject, str]:
    """Run one of several actions of a request in its own transaction; return its result and its log position.

    With `Idempotency-Key` each part is carried out once, so that a repeated request does the rest. A part that was
    refused is tried again.
    """
    once = await _IdempotentRequest.of(request, actor, None)
    key = hashlib.sha256(f"{once.key}#{part}".encode()).hexdigest() if once else ""

    def work(session: Session) -> tuple[JsonObject, str]:
        if once and (kept := claim_key(session, once.caller, key, once.fingerprint)):
            return cast(JsonObject, pydantic_core.from_json(kept.body)), kept.headers["Broadsheet-Position"]
        result = action(session, actor, *args)
        session.flush()
        position = _position_of(session)
        if once:
            headers = {"Broadsheet-Position": position}
            store_answer(session, once.caller, key, Answer(200, headers, pydantic_core.to_json(result)))
        return result, position

    return await _transact(request, actor, work)
