"""Access to routes: authentication, scopes, rate limits and query parameters."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.responses import Response

from app.core.problems import (
    Forbidden,
    InvalidParameter,
    NotFound,
    PreconditionRequired,
    StaleVersion,
    Unauthorized,
    Unavailable,
    document_problems,
    printable_name,
)
from app.events.log import is_visible
from app.events.schemas import Position
from app.identity.callers import is_reader_token
from app.identity.participants import find_caller
from app.identity.schemas import ANONYMOUS, Actor, Scope, WhoAmI
from app.identity.services import IdentityServices
from app.identity.writes import (
    read_idempotency_key,
)
from app.web import etag
from app.web.boundary import ANSWERED_ANONYMOUSLY
from app.web.rate_limits import Quotas, network_of
from app.web.responses import database, dump_json, reply
from app.web.services import WebServices

router = APIRouter(prefix="/v1", tags=["identity"])


# An edit token costs nothing to make, once there is a comment: whoever sends one counts by address.
MAX_PUBLIC_BYTES = 160_000
"""Of a body on a route that anyone may call: 10,000 characters and a quote take 150 kB where all are escaped."""
AdmissionCheck = Callable[[Request, Actor], Awaitable[None]]
"""Refuses a caller, or counts what they send, before the body is read."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_PAGING_PARAMETERS = frozenset({"page", "offset", "p", "start", "skip", "after", "page_token"})  # how others page
POLICY_BY_KIND = {"key": "key", "guest": "reader", "reader": "reader", "edit": "read", "subscriber": "reader"}


async def enforce_limit(request: Request, policy: str, actor: Actor | None = None) -> None:
    """Count a request against a rate-limit policy, by caller or else by network address; 429 beyond the limit.

    The answer tells of the policy that was counted last.
    """
    quotas = actor.quotas if actor and policy == "key" else ()  # what else is counted is counted as for everybody
    await _enforce(request, policy, _caller_key(request, actor), quotas)


async def enforce_rate(request: Request, name: str, rate: int, actor: Actor | None = None) -> None:
    """Count a request as `limit` does, by a rate in a minute that no policy sets."""
    await _enforce(request, name, f"{name}:{_caller_key(request, actor)}", (("minute", rate),))


async def count_write(request: Request, actor: Actor, policy: str = "write") -> None:
    """Count a write that anyone may send, whatever its outcome; 429 beyond the limit.

    Keys have a limit for all their requests. Guest tokens are free, so only the site's readers count by their token,
    and all others by network address.
    """
    if actor.kind != "key":
        await enforce_limit(request, policy, actor if actor.kind == "reader" else None)


def _caller_key(request: Request, actor: Actor | None) -> str:
    return (actor and actor.caller) or (network_of(request.client.host) if request.client else "")


async def _enforce(request: Request, policy: str, caller: str, quotas: Quotas) -> None:
    limits = await WebServices.of(request).limiter.hit(policy, caller, quotas)
    if limits:
        request.scope["answer_headers"] = [(k.lower().encode(), v.encode()) for k, v in limits.items()]


class Access(SecurityBase):
    """A route's declared scope, or any one of several; `None` lets anyone in. A route without one does not start.

    `counted=False` is for what probes ask: it neither counts towards a rate limit nor is refused by one.
    `strict=False` is for what the world's software asks, which adds parameters of its own: they are ignored.
    `forgiving=False` is for reads of one's own: a reader's token that is unknown is refused there, while other public
    reads answer as to nobody and say so (`Broadsheet-Token: unknown`).
    `drafts=True` lets in whoever reads drafts: `content:write` reads what it may write.
    `admit` checks before the body is read whether a caller may do this, and counts it. Without it, writes that anyone
    may send count towards the limit `write`.
    `max_bytes` bounds the body; where anyone is let in it is small unless the route says otherwise.
    """

    def __init__(
        self,
        scope: Scope | None,
        *alternatives: Scope,
        counted: bool = True,
        strict: bool = True,
        forgiving: bool = True,
        drafts: bool = False,
        admit: AdmissionCheck | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self.scope, self.counted, self.strict, self.drafts = scope, counted, strict, drafts
        self.scopes = (scope, *alternatives) if scope else ()
        self.forgiving = forgiving and scope is None
        self.admit = admit
        self.max_bytes = max_bytes or (MAX_PUBLIC_BYTES if scope is None else None)
        self.scheme_name = "ApiKey"
        self.model = HTTPBearer(
            description="An API key (`Authorization: Bearer bs_…`), a guest token (`bg_…`), the token to edit one "
            "comment (`be_…`) or to manage subscriptions (`bm_…`), or a JWT of the publication's own site."
        )
        self._parameters: dict[Callable[..., Any], frozenset[str]] = {}

    async def __call__(self, request: Request) -> Actor:
        actor = await self._identify(request)
        if self.scopes and not (any(map(actor.may, self.scopes)) or (self.drafts and actor.reads_drafts)):
            names = " or ".join((*self.scopes, *(("content:write",) if self.drafts else ())))
            missing = f"This needs a key with the scope {names}."
            raise Unauthorized(missing) if actor is ANONYMOUS else Forbidden(missing)
        if self.admit is not None:
            await self.admit(request, actor)
        elif self.scope is None and self.counted and request.method not in _SAFE_METHODS:
            await count_write(request, actor)
        read_idempotency_key(request)
        if request.scope["query_string"]:
            await self._check_parameters(request)
        return actor

    async def _identify(self, request: Request) -> Actor:
        if not self.counted:
            return ANONYMOUS
        header = request.headers.get("authorization")
        if header is None:
            await enforce_limit(request, "read")
            return ANONYMOUS
        kind, _, token = header.partition(" ")
        token = token.strip()
        try:
            if kind.lower() != "bearer":
                raise Unauthorized("Send the key as `Authorization: Bearer bs_…`.")
            actor = await IdentityServices.of(request).callers.identify(token)
        except Unauthorized:
            if self.forgiving and request.method == "GET" and kind.lower() == "bearer" and is_reader_token(token):
                await enforce_limit(
                    request, "read"
                )  # as without the token: a page must not be refused sooner because of it
                request.scope[ANSWERED_ANONYMOUSLY] = True
                return ANONYMOUS
            await enforce_limit(request, "invalid")
            raise
        except Unavailable:  # who it is cannot be told right now; asking counts all the same
            await enforce_limit(request, "read")
            raise
        if (
            actor.kind == "guest" and not actor.proven
        ):  # a token costs nothing: what is done with it counts for the address
            await enforce_limit(request, POLICY_BY_KIND[actor.kind])
        await enforce_limit(request, POLICY_BY_KIND[actor.kind], actor if actor.kind != "edit" else None)
        return actor

    async def _check_parameters(self, request: Request) -> None:
        """Unknown parameters are an error under `/v1`; `min_position` waits for a write to be visible."""
        route = cast(APIRoute, request.scope["route"])
        if route.endpoint not in self._parameters:
            self._parameters[route.endpoint] = _parameter_names(route)
        known = self._parameters[route.endpoint]
        if not self.strict:  # and nothing that is made of the request knows of the others
            kept = [(name, value) for name, value in request.query_params.multi_items() if name in known]
            request.scope["query_string"] = urlencode(kept).encode()
        for name, value in request.query_params.multi_items():
            if name not in known:
                if self.strict:
                    raise _unknown_parameter(name, known)
            elif "\0" in value:
                raise InvalidParameter(name, f"{name}: no value holds a NUL character.")
        if "min_position" in known and (position := request.query_params.get("min_position")) is not None:
            await _wait_for_position(request, position)


def _unknown_parameter(name: str, known: frozenset[str]) -> InvalidParameter:
    """Return the problem for a parameter that the route does not have."""
    shown = printable_name(name)
    detail = f"{shown}: there is no such parameter."
    if "cursor" in known and name in _OTHER_PAGING_PARAMETERS:
        detail += " Lists go on by cursor: send the page.next of the answer before."
    elif known:
        detail += f" There are {', '.join(sorted(known))}."
    return InvalidParameter(shown, detail)


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


async def _wait_for_position(request: Request, text: str) -> None:
    try:
        position = Position.parse(text)
    except ValueError:
        raise InvalidParameter("min_position", "min_position is not a Broadsheet-Position.") from None
    for pause in (0.01, 0.04, 0.15, 0.3, 0.5, 1.0, 0.0):
        if await database(request).read(is_visible, position):
            return
        await asyncio.sleep(pause)
    raise Unavailable("That position is not visible here yet.")


def require_admission(admit: AdmissionCheck, *, max_bytes: int = MAX_PUBLIC_BYTES, strict: bool = True) -> Any:
    """Return the dependency of a public route with an admission check."""
    return Depends(Access(None, admit=admit, max_bytes=max_bytes, strict=strict))


def require_scope(scope: Scope, *alternatives: Scope) -> Any:
    """Return the dependency of a route that requires a scope, or one of several."""
    return Depends(Access(scope, *alternatives))


Public = Annotated[Actor, Depends(Access(None))]
DraftReader = Annotated[Actor, Depends(Access("content:read", drafts=True))]
SelfService = Annotated[Actor, Depends(Access(None, forgiving=False))]
"""For what callers read and do of their own: an unknown token is refused."""
ThirdParty = Annotated[Actor, Depends(Access(None, strict=False))]
"""For what the world's software asks: parameters, form fields and bodies that are not known here are ignored."""
Probe = Annotated[Actor, Depends(Access(None, counted=False, strict=False))]


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="ETag of what was read, or `*`.",
        json_schema_extra={"pattern": etag.IF_MATCH_PATTERN, "example": "*"},
    ),
]


async def read_if_match(if_match: IfMatch = None) -> Any:
    """The versions that an editorial write may replace: 428 without the header."""
    return etag.parse_if_match(if_match)


ExpectedVersions = Annotated[frozenset[int] | None, Depends(read_if_match)]
VERSION_PROBLEMS = (Unauthorized, Forbidden, NotFound, StaleVersion, PreconditionRequired)
"""What a change that takes `Versions` may be refused with, for `documented`."""


@router.get(
    "/whoami",
    operation_id="getCaller",
    summary="Tell who is calling",
    response_model=WhoAmI,
    responses=document_problems(Unauthorized),
)
async def get_caller(request: Request, actor: SelfService) -> Response:
    """Tell the caller who they are to this server; use it to check a token, or a key and its scopes."""
    sections = sorted(actor.sections) if actor.sections is not None else None
    shown_id = actor.comment or actor.id
    if actor.kind in ("guest", "reader"):
        participant = await database(request).read(find_caller, actor)
        shown_id = participant["public_id"] if participant else None
    row = {"kind": actor.kind, "id": shown_id, "name": actor.name or None, "scopes": sorted(actor.scopes)}
    return reply(request, dump_json(WhoAmI, {**row, "sections": sections}), groups=(), private=True)
