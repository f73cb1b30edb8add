"""Access to routes: authentication, scopes, rate limits and query parameters."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.params import Depends as DependsMarker
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from app.core.models import BaseModel
from app.core.problems import (
    Forbidden,
    InvalidParameter,
    Unauthorized,
    Unavailable,
    printable_name,
)
from app.db.base import allow_replica, require_primary
from app.events.log import has_reached
from app.events.schemas import Position
from app.identity.callers import is_reader_token
from app.identity.keys import PUBLISHABLE_POLICY
from app.identity.participants import find_caller
from app.identity.permissions import refusal
from app.identity.schemas import ANONYMOUS, PUBLISHABLE, Actor, Scope, Sections, WhoAmI, join_sections
from app.identity.services import IdentityServices
from app.identity.writes import read_idempotency_key
from app.web import etag
from app.web.boundary import ANSWERED_ANONYMOUSLY
from app.web.fields import dump_json
from app.web.keeping import PUBLIC_READ, PublicRead
from app.web.rate_limits import Quotas, network_of
from app.web.responses import database, reply
from app.web.routing import Router
from app.web.services import WebServices

router = Router(prefix="/v1", tags=["identity"])


MAX_PUBLIC_BYTES = 160_000
"""Size of a body on a public route: a comment of 10,000 characters with a quote takes 150 kB if all are escaped."""
POSITION_PAUSES = (
    0.01,
    0.04,
    0.15,
    0.3,
    0.5,
    1.0,
    0.0,
)  # seconds between two looks for the position that a request names
AdmissionCheck = Callable[[Request, Actor], Awaitable[None]]
"""Refuses a caller, or counts a request, before the body is read."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_PAGING_PARAMETERS = frozenset({"page", "offset", "p", "start", "skip", "after", "page_token"})  # of other APIs
POLICY_BY_KIND = {
    "key": "key",
    "person": "key",
    "guest": "reader",
    "reader": "reader",
    "edit": "read",
    "subscriber": "reader",
}


async def enforce_limit(request: Request, policy: str, actor: Actor | None = None) -> None:
    """Count a request against a rate-limit policy, by caller or else by network address; 429 beyond the limit.

    The headers of the answer describe the policy that was counted last.
    """
    is_of_key = policy in ("key", PUBLISHABLE_POLICY)  # other policies are the same for all callers
    quotas = actor.quotas if actor and is_of_key else ()
    await _enforce(request, policy, _caller_key(request, actor), quotas)


async def enforce_rate(request: Request, name: str, rate: int, actor: Actor | None = None) -> None:
    """Count a request like `enforce_limit`, against a rate of requests per minute instead of a policy."""
    await _enforce(request, name, f"{name}:{_caller_key(request, actor)}", (("minute", rate),))


async def count_write(request: Request, actor: Actor, policy: str = "write") -> None:
    """Count a write that anyone may send, whatever its outcome; 429 beyond the limit.

    Keys and people have a limit for all their requests. Guest tokens are free, so only the site's readers count by
    their token, and all others by network address.
    """
    if not actor.is_staff:
        await enforce_limit(request, policy, actor if actor.kind == "reader" else None)


def _caller_key(request: Request, actor: Actor | None) -> str:
    return (actor and actor.caller) or (network_of(request.client.host) if request.client else "")


async def _enforce(request: Request, policy: str, caller: str, quotas: Quotas) -> None:
    limits = await WebServices.of(request).limiter.hit(policy, caller, quotas)
    if limits:
        request.scope["answer_headers"] = [(k.lower().encode(), v.encode()) for k, v in limits.items()]


class Access(SecurityBase):
    """The scope that a route requires, or one of several; `None` for a public route. Every route declares one.

    `counted=False`, for health probes, neither authenticates nor counts against rate limits.
    `strict=False`, for feeds and other standard formats, ignores unknown parameters, which clients may add.
    `forgiving=False`, for callers' own data, refuses unknown reader tokens; other public reads answer these as
    anonymous, with `Broadsheet-Token: unknown`.
    `drafts=True` admits all who read drafts, such as keys with `content:write`.
    `own=True` admits also people who signed in, whom the route lets see or change only what is their own.
    `admit` is called before the body is read, to refuse callers or to count the request. Without it, public writes
    count against the limit `write`.
    `names_publishable=True` gives publishable keys as the caller. All other public reads answer them as anybody, though
    counted by their own limit, and everything else refuses them.
    `max_bytes` limits the body; on public routes the default is `MAX_PUBLIC_BYTES`.
    """

    def __init__(
        self,
        scope: Scope | None,
        *alternatives: Scope,
        counted: bool = True,
        strict: bool = True,
        forgiving: bool = True,
        drafts: bool = False,
        own: bool = False,
        names_publishable: bool = False,
        admit: AdmissionCheck | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self.scope, self.counted, self.strict, self.drafts = scope, counted, strict, drafts
        self.own = own
        self.scopes = (scope, *alternatives) if scope else ()
        self.forgiving, self.names_publishable = forgiving and scope is None, names_publishable
        self.admit = admit
        self.max_bytes = max_bytes or (MAX_PUBLIC_BYTES if scope is None else None)
        self.scheme_name = "ApiKey"
        self.model = HTTPBearer(
            description="An API key (`Authorization: Bearer bs_…`, a publishable one `bp_…`), the access token of a "
            "person who signed in (`ba_…`), a guest token (`bg_…`), the token to edit one comment (`be_…`) or to "
            "manage subscriptions (`bm_…`), or a JWT of the publication's own site."
        )
        self._parameters: dict[Callable[..., object], frozenset[str]] = {}

    async def __call__(self, request: Request) -> Actor:
        require_primary()  # of a pipelined request, whose context is that of the one before
        actor = await self._identify(request)
        is_anybody = actor is ANONYMOUS and "authorization" not in request.headers
        if actor.is_publishable and not self.names_publishable:
            if self.scopes or not self.forgiving or request.method not in _SAFE_METHODS:
                raise Forbidden("A publishable key reads what anybody may read, and does nothing else.")
            actor, is_anybody = PUBLISHABLE, True
        if self.scopes and not self._admits(actor):
            names = " or ".join((*self.scopes, *(("content:write",) if self.drafts else ())))
            missing = f"This needs the scope {names}."
            raise refusal(actor, missing)
        if self.admit is not None:
            await self.admit(request, actor)
        elif self.scope is None and self.counted and request.method not in _SAFE_METHODS:
            await count_write(request, actor)
        read_idempotency_key(request)
        if self.counted and actor.is_anonymous and _may_lag(request):
            allow_replica()
        if is_anybody and self._is_plain(request):
            route = cast(APIRoute, request.scope["route"])
            request.scope["state"][PUBLIC_READ] = PublicRead(route.path, self._parameters_of(route))
        if request.scope["query_string"]:
            await self._check_parameters(request)
        return actor

    def _admits(self, actor: Actor) -> bool:
        """Whether the caller has one of the scopes, or what serves instead."""
        if self.own and actor.kind == "person":
            return True
        return any(map(actor.may, self.scopes)) or (self.drafts and actor.reads_drafts)

    def _is_plain(self, request: Request) -> bool:
        """Whether a request is one that anybody may send, and was counted once."""
        return not self.scopes and self.admit is None and self.counted and request.method == "GET"

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
                await enforce_limit(request, "read")  # as without a token: the stale one must not cost more
                request.scope[ANSWERED_ANONYMOUSLY] = True
                return ANONYMOUS
            await enforce_limit(request, "invalid")
            raise
        except Unavailable:  # the caller cannot be identified now; the request counts all the same
            await enforce_limit(request, "read")
            raise
        if actor.kind == "guest" and not actor.proven:  # guest tokens are free: count by address too
            await enforce_limit(request, POLICY_BY_KIND[actor.kind])
        policy = PUBLISHABLE_POLICY if actor.is_publishable else POLICY_BY_KIND[actor.kind]
        await enforce_limit(request, policy, actor if actor.kind != "edit" else None)
        return actor

    def _parameters_of(self, route: APIRoute) -> frozenset[str]:
        if route.endpoint not in self._parameters:
            self._parameters[route.endpoint] = _parameter_names(route)
        return self._parameters[route.endpoint]

    async def _check_parameters(self, request: Request) -> None:
        """Refuse unknown parameters, and wait until `min_position` is visible."""
        known = self._parameters_of(cast(APIRoute, request.scope["route"]))
        if not self.strict:  # links that are made from the query must not repeat the others
            kept = [(name, value) for name, value in request.query_params.multi_items() if name in known]
            request.scope["query_string"] = urlencode(kept).encode()
        for name, value in request.query_params.multi_items():
            if name not in known:
                if self.strict:
                    raise _unknown_parameter(name, known)
            elif "\0" in value:
                raise InvalidParameter(name, f"{name} must not contain a NUL character.")
        if "min_position" in known and (position := request.query_params.get("min_position")) is not None:
            await _wait_for_position(request, position)


def _may_lag(request: Request) -> bool:
    """Whether an anonymous request may be answered by a replica: not a write, nor one that bears a token.

    A token is given by a write, and a replica that lags would deny that it is known.
    """
    if request.method not in _SAFE_METHODS or ANSWERED_ANONYMOUSLY in request.scope:
        return False
    return "token" not in request.path_params and not any(
        name in request.scope["query_string"] for name in (b"preview=", b"release=")
    )


def _unknown_parameter(name: str, known: frozenset[str]) -> InvalidParameter:
    """Return the problem for a parameter that the route does not have."""
    shown = printable_name(name)
    detail = f"There is no parameter {shown}."
    if "cursor" in known and name in _OTHER_PAGING_PARAMETERS:
        detail += " For the next page, send page.next of the previous answer as cursor."
    elif known:
        detail += f" Parameters: {', '.join(sorted(known))}."
    return InvalidParameter(shown, detail)


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Iterate over the names of the query parameters of a route, with those of its dependencies."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (info.alias or name for name, info in kind.model_fields.items())
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _parameter_names(route: APIRoute) -> frozenset[str]:
    always = ["min_position"] if "GET" in (route.methods or ()) else []
    return frozenset((*always, *_query_names(route.dependant)))


async def _wait_for_position(request: Request, text: str) -> None:
    try:
        position = Position.parse(text)
    except ValueError:
        raise InvalidParameter("min_position", "min_position must be a Broadsheet-Position.") from None
    if await database(request).read(has_reached, position):
        return
    require_primary()  # a replica may get there later
    for pause in POSITION_PAUSES:
        if await database(request).read(has_reached, position):
            return
        await asyncio.sleep(pause)
    raise Unavailable("The position min_position is not visible yet. Try again later.")


def require_admission(
    admit: AdmissionCheck, *, max_bytes: int = MAX_PUBLIC_BYTES, strict: bool = True
) -> DependsMarker:
    """Return the dependency of a public route with an admission check."""
    return DependsMarker(Access(None, admit=admit, max_bytes=max_bytes, strict=strict))


def require_scope(scope: Scope, *alternatives: Scope) -> DependsMarker:
    """Return the dependency of a route that requires a scope, or one of several."""
    return DependsMarker(Access(scope, *alternatives))


Public = Annotated[Actor, Depends(Access(None))]
DraftReader = Annotated[Actor, Depends(Access("content:read", drafts=True))]
SelfService = Annotated[Actor, Depends(Access(None, forgiving=False))]
"""For callers' own data; unknown tokens are refused."""
AnyCaller = Annotated[Actor, Depends(Access(None, forgiving=False, names_publishable=True))]
"""For the caller's own name and scopes."""
ThirdParty = Annotated[Actor, Depends(Access(None, strict=False))]
"""For standard formats and protocols; unknown parameters are ignored."""
Probe = Annotated[Actor, Depends(Access(None, counted=False, strict=False))]
ContentReader = Annotated[Actor, require_scope("content:read")]
Writer = Annotated[Actor, require_scope("content:write")]
Approver = Annotated[Actor, require_scope("content:approve")]
Publisher = Annotated[Actor, require_scope("content:publish")]
Moderator = Annotated[Actor, require_scope("comments:moderate")]
AdminOrSelf = Annotated[Actor, Depends(Access("admin", own=True))]
Admin = Annotated[Actor, require_scope("admin")]


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="ETag of the version that was read, or `*`.",
        json_schema_extra={"pattern": etag.IF_MATCH_PATTERN, "example": "*"},
    ),
]


async def read_if_match(if_match: IfMatch = None) -> frozenset[int] | None:
    """Return the versions that a write may replace, None for any; 428 without the header."""
    return etag.parse_if_match(if_match)


ExpectedVersions = Annotated[frozenset[int] | None, Depends(read_if_match)]


@router.get("/whoami", summary="Get the caller", response_model=WhoAmI)
async def get_caller(request: Request, actor: AnyCaller) -> Response:
    """Return the caller as this server identifies it; use it to check a token, or a key and its scopes."""
    shown_id = actor.comment or actor.id
    if actor.kind in ("guest", "reader"):
        participant = await database(request).read(find_caller, actor)
        shown_id = participant["public_id"] if participant else None
    row = {
        "kind": actor.kind,
        "id": shown_id,
        "name": actor.name or None,
        "scopes": sorted(actor.scopes),
        "sections": _list_sections(join_sections(actor.grants)) if actor.grants else None,
        "person": actor.person,
        "needs_second_factor": actor.needs_second_factor,
        "grants": [
            {"role": grant.role, "scopes": sorted(grant.scopes), "sections": _list_sections(grant.sections)}
            for grant in actor.grants
        ],
    }
    return reply(request, dump_json(WhoAmI, row), groups=(), private=True)


def _list_sections(sections: Sections) -> list[str] | None:
    return None if sections is None else sorted(sections)
