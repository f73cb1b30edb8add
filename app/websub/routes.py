"""The hub over HTTP: a form comes in (W3C WebSub §5.1), all else happens between servers."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import Response

from app.core.network_addresses import Guard
from app.core.problems import Invalid, TooManyRequests, document_problems
from app.feeds.schemas import Publication
from app.identity.access import enforce_limit, require_admission
from app.identity.schemas import Actor
from app.identity.writes import write
from app.web.responses import settings
from app.websub import hub
from app.websub.schemas import CALLBACK, LEASE, LEASES, SECRET, Absent, Mode, Secret, Wish

router = APIRouter(tags=["syndication"])


async def _admit(request: Request, actor: Actor) -> None:
    await enforce_limit(request, "hub", actor)


@router.post(
    "/hub",
    operation_id="requestFeedUpdates",
    summary="Subscribe to a feed by WebSub",
    status_code=202,
    response_class=Response,
    responses={202: {"description": "The callback will be asked."}, **document_problems(Invalid, TooManyRequests)},
)
async def request_feed_updates(
    request: Request,
    actor: Annotated[Actor, require_admission(_admit, strict=False)],
    mode: Annotated[Mode, Form(alias="hub.mode", description="What is asked for.")],
    topic: Annotated[
        str,
        Form(
            alias="hub.topic",
            min_length=1,
            max_length=2048,
            description="Address of a feed of this server, archives apart.",
        ),
    ],
    callback: Annotated[
        str,
        Form(
            alias="hub.callback",
            min_length=1,
            max_length=CALLBACK,
            description="Where to confirm, and to send the feed to.",
            json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+(?:[/?][^\s#]*)?$"},
        ),
    ],
    lease_seconds: Annotated[
        Annotated[int, Field(ge=1, le=10**9)] | None,
        Absent,
        Form(
            alias="hub.lease_seconds",
            description=f"How long to be told: {LEASE:,} if absent; {LEASES[0]:,} to {LEASES[1]:,} are given.",
        ),
    ] = None,
    secret: Annotated[
        Secret | None,
        Absent,
        Form(
            alias="hub.secret",
            max_length=SECRET,
            description=f"Signs what is sent: `X-Hub-Signature: sha256=…`; shorter than {SECRET} bytes. Use https for "
            "the request if you send one.",
        ),
    ] = None,
) -> Response:
    """Ask to be told whenever a feed changes, or no longer (WebSub §5).

    The callback is asked by GET with `hub.mode`, `hub.topic`, `hub.challenge` and `hub.lease_seconds`, and confirms by
    answering 2xx with the challenge alone. From then on the whole feed is sent to it by POST within some seconds of a
    change, until the lease ends; 410 ends it at once. When readers can no longer see the feed, the callback is told
    `hub.mode=denied`. Requests for private networks are refused, and one host has 200 requests and 2,000
    subscriptions at most.
    """
    wish = Wish(mode, topic, callback, lease_seconds or LEASE, secret)
    known = settings(request)
    guard = Guard(known.outgoing_allow)
    args = (wish, Publication.from_settings(known), guard)
    return await write(request, actor, hub.ask, *args, status=202, payload=repr(wish).encode())
