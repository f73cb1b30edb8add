"""The hub over HTTP: requests of subscribers, as forms (WebSub §5.1)."""

from typing import Annotated

from fastapi import Form, Request
from pydantic import Field
from starlette.responses import Response

from app.core.network_addresses import Guard
from app.feeds.schemas import Publication
from app.identity.access import enforce_limit, require_admission
from app.identity.schemas import Actor
from app.identity.writes import write
from app.web.responses import settings
from app.web.routing import Router
from app.websub import hub
from app.websub.schemas import (
    DEFAULT_LEASE_SECONDS,
    LEASE_SECONDS_RANGE,
    MAX_CALLBACK_LENGTH,
    MAX_SECRET_BYTES,
    Absent,
    HubRequestIn,
    Mode,
    Secret,
)

router = Router(tags=["syndication"])


async def _admit(request: Request, actor: Actor) -> None:
    await enforce_limit(request, "hub", actor)


@router.post(
    "/hub",
    summary="Subscribe to a feed by WebSub",
    status_code=202,
    response_class=Response,
    responses={
        202: {"description": "The callback will be asked to confirm."},
    },
)
async def request_feed_updates(
    request: Request,
    actor: Annotated[Actor, require_admission(_admit, strict=False)],
    mode: Annotated[Mode, Form(alias="hub.mode", description="Whether to subscribe or unsubscribe.")],
    topic: Annotated[
        str,
        Form(
            alias="hub.topic",
            min_length=1,
            max_length=2048,
            description="URL of a feed of this server, but not of an archive.",
        ),
    ],
    callback: Annotated[
        str,
        Form(
            alias="hub.callback",
            min_length=1,
            max_length=MAX_CALLBACK_LENGTH,
            description="URL that confirms the request and receives the feed.",
            json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+(?:[/?][^\s#]*)?$"},
        ),
    ],
    lease_seconds: Annotated[
        Annotated[int, Field(ge=1, le=10**9)] | None,
        Absent,
        Form(
            alias="hub.lease_seconds",
            description=f"Duration of the subscription: {LEASE_SECONDS_RANGE[0]:,} to {LEASE_SECONDS_RANGE[1]:,}; "
            f"{DEFAULT_LEASE_SECONDS:,} if absent.",
        ),
    ] = None,
    secret: Annotated[
        Secret | None,
        Absent,
        Form(
            alias="hub.secret",
            max_length=MAX_SECRET_BYTES,
            description=f"Key of `X-Hub-Signature: sha256=…`; shorter than {MAX_SECRET_BYTES} bytes. Send it over "
            "https only.",
        ),
    ] = None,
) -> Response:
    """Subscribe to a feed, or unsubscribe (WebSub §5).

    The callback gets a GET with `hub.mode`, `hub.topic`, `hub.challenge` and `hub.lease_seconds`, and confirms with a
    2xx and the challenge alone. Then the whole feed is sent to it by POST within seconds of each change, until the
    lease ends or it answers 410. When the feed is no longer public, it gets `hub.mode=denied`. Callbacks in private
    networks are refused, and a host may have 200 requests and 2,000 subscriptions at most.
    """
    data = HubRequestIn(mode, topic, callback, lease_seconds or DEFAULT_LEASE_SECONDS, secret)
    config = settings(request)
    args = (data, Publication.from_settings(config), Guard(config.outgoing_allow))
    return await write(request, actor, hub.request_verification, *args, status=202, payload=repr(data).encode())
