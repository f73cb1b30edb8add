"""What every route asks first: who calls, may they, how often, and have they sent this before."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from sqlmodel import Session
from starlette.responses import Response

from app.events.actions import POSITION
from app.events.queries import is_visible, last_position
from app.events.schemas import Position
from app.identity.keys.actions import KeyRing
from app.identity.replays.actions import Answer, ShownOnce, claim, keep
from app.identity.schemas import ANONYMOUS, Actor, Scope, WhoAmI
from app.kit import etag
from app.kit.http import PRIVATE, database, dump, reply
from app.kit.limits import Limiter, network
from app.kit.problems import BadRequest, Forbidden, InvalidParameter, Unauthorized, Unavailable, documented
from app.kit.schema import Row

router = APIRouter(prefix="/v1", tags=["identity"])


class Access(SecurityBase):
    """A route's declared scope; `None` lets anyone in. A route without one does not start.

    `counted=False` is for what probes ask: it neither counts towards a rate limit nor is refused by one.
    """

    def __init__(self, scope: Scope | None, *, counted: bool = True) -> None:
        self.scope, self.counted = scope, counted
        self.scheme_name = "ApiKey"
        self.model = HTTPBearer(description="An API key: `Authorization: Bearer bs_…`.")
        self._parameters: dict[Callable[..., Any], frozenset[str]] = {}

    async def __call__(self, request: Request) -> Actor:
        actor = await self._identify(request)
        if self.scope and not actor.may(self.scope):
            if actor is ANONYMOUS:
                raise Unauthorized(f"This needs a key with the scope {self.scope}.")
            raise Forbidden(f"The key lacks the scope {self.scope}.")
        if request.scope["query_string"]:
            await self._check_parameters(request)
        return actor

    async def _identify(self, request: Request) -> Actor:
        limiter = cast(Limiter, request.app.state.limiter)
        address = network(request.client.host) if request.client else ""
        if not self.counted:
            return ANONYMOUS
        header = request.headers.get("authorization")
        if header is None:
            limits = await limiter.hit("read", address)
            actor = ANONYMOUS
        else:
            kind, _, token = header.partition(" ")
            try:
                if kind.lower() != "bearer":
                    raise Unauthorized("Send the key as `Authorization: Bearer bs_…`.")
                actor = await cast(KeyRing, request.app.state.keys).actor(token.strip())
            except Unauthorized:
                await limiter.hit("invalid", address)
                raise
            limits = await limiter.hit("key", actor.id or "")
        if limits:
            request.scope["answer_headers"] = [(k.lower().encode(), v.encode()) for k, v in limits.items()]
        return actor

    async def _check_parameters(self, request: Request) -> None:
        """Unknown parameters are an error; `min_position` waits for a write to be visible."""
        route = cast(APIRoute, request.scope["route"])
        if route.endpoint not in self._parameters:
            self._parameters[route.endpoint] = _parameter_names(route)
        known = self._parameters[route.endpoint]
        for name, value in request.query_params.multi_items():
            if name not in known:
                shown = name if name.isidentifier() and name.isascii() and len(name) <= 64 else "(not shown)"
                raise InvalidParameter(shown, f"{shown}: there is no such parameter here.")
            if "\0" in value:
                raise InvalidParameter(name, f"{name}: no value holds a NUL character.")
        if (position := request.query_params.get("min_position")) is not None:
            await _wait_for(request, position)


def _query_fields(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _query_fields(inner)


def _parameter_names(route: APIRoute) -> frozenset[str]:
    names: set[str] = {"min_position"} if "GET" in (route.methods or ()) else set()
    for field in _query_fields(route.dependant):
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {info.alias or name for name, info in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names)


async def _wait_for(request: Request, text: str) -> None:
    try:
        position = Position.parse(text)
    except ValueError:
        raise InvalidParameter("min_position", "min_position is not a Broadsheet-Position.") from None
    for pause in (0.01, 0.04, 0.15, 0.3, 0.5, 1.0, 0.0):
        if await database(request).read(is_visible, position):
            return
        await asyncio.sleep(pause)
    raise Unavailable("That position is not visible here yet.")


def requires(scope: Scope) -> Any:
    """The dependency of a route that needs a scope."""
    return Depends(Access(scope))


Public = Annotated[Actor, Depends(Access(None))]
Probe = Annotated[Actor, Depends(Access(None, counted=False))]


async def if_match(if_match: Annotated[str | None, Header(description="ETag of what was read.")] = None) -> Any:
    """The versions that an editorial write may replace: 428 without the header."""
    return etag.expected_versions(if_match)


Versions = Annotated[frozenset[int] | None, Depends(if_match)]


@dataclass(frozen=True)
class _Once:
    """The idempotency key of a request, and what shows that another request is the same."""

    caller: str
    key: str
    fingerprint: str

    @classmethod
    async def of(cls, request: Request, actor: Actor, payload: bytes | None) -> "_Once | None":
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            return None
        if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
            raise BadRequest("Idempotency-Key must have 1 to 255 visible ASCII characters.")
        content = payload if payload is not None else await request.body()
        address = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        fingerprint = hashlib.sha256(address + content).hexdigest()
        # Strangers have no name to keep their keys apart by: one's key must never answer or stop another's request.
        return cls(actor.id or fingerprint[:36], key, fingerprint)


@dataclass(frozen=True)
class _Shown:
    """How a write answers: what `read` finds of the action's result, through `model`."""

    read: Callable[[sa.Connection, Any], Row] | None
    model: type[BaseModel] | None
    status: int
    location: str | None

    def answer(self, session: Session, result: Any) -> Answer:
        """The finished answer, made inside the transaction."""
        if self.read is None or self.model is None:
            return Answer(self.status, {}, b"")
        row = self.read(session.connection(), result)
        body = dump(self.model, row)
        headers = {"ETag": f'"{etag.make(body, row.get("version"))}"'}
        if self.location:
            headers["Location"] = self.location.format_map(row)
        return Answer(self.status, headers, body)


async def write(
    request: Request,
    actor: Actor,
    action: Callable[..., Any],
    *args: Any,
    show: Callable[[sa.Connection, Any], Row] | None = None,
    model: type[BaseModel] | None = None,
    status: int = 200,
    location: str | None = None,
    payload: bytes | None = None,
    secret: bool = False,
) -> Response:
    """Run `action(session, actor, *args)` and answer with what `show` reads of its result, through `model`.

    A POST with `Idempotency-Key` is carried out once; its answer is kept in the same transaction. `location` is a
    template over the shown row. `payload` stands for the body where that has been read as a stream. The answer of a
    `secret` write is shown once and not kept.
    """
    once = await _Once.of(request, actor, payload)
    shown = _Shown(show, model, status, location)

    def work(session: Session) -> tuple[Answer, bool]:
        if once and (kept := claim(session, once.caller, once.key, once.fingerprint)):
            if secret:
                raise ShownOnce
            return kept, True
        result = action(session, actor, *args)
        session.flush()
        answer = shown.answer(session, result)
        position = session.info.get(POSITION) or last_position(session.connection())
        answer.headers["Broadsheet-Position"] = str(position)
        if once:
            keep(session, once.caller, once.key, Answer(answer.status, {}, b"") if secret else answer)
        return answer, False

    answer, replayed = await database(request).write(work)
    headers = {**answer.headers, "Cache-Control": PRIVATE}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, "application/json" if answer.body else None)


@router.get("/whoami", response_model=WhoAmI, responses=documented(Unauthorized))
async def whoami(request: Request, actor: Public) -> Response:
    """Tell the caller who they are to this server; use it to check a key and its scopes."""
    sections = sorted(actor.sections) if actor.sections is not None else None
    row = {"kind": actor.kind, "id": actor.id, "name": actor.name or None, "scopes": sorted(actor.scopes)}
    return reply(request, dump(WhoAmI, {**row, "sections": sections}), groups=(), private=True)
