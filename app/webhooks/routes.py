"""Webhooks over HTTP; all routes need the scope `webhooks:manage`."""

from typing import Annotated

from fastapi import Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.core.ids import IdPath
from app.core.problems import document_problems
from app.identity.access import ExpectedVersions, require_scope
from app.identity.schemas import Actor
from app.identity.writes import write
from app.web.paging import ListOut
from app.web.responses import database, reply_private, reply_private_list, settings
from app.web.routing import PageParameters, ReadParameters, Router
from app.webhooks import replays, webhooks
from app.webhooks.schemas import (
    DeliveryOut,
    DeliveryQuery,
    NewWebhookOut,
    ReplayIn,
    ReplayOut,
    RotateIn,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
)

router = Router(prefix="/v1/webhooks", tags=["webhooks"])
Manager = Annotated[Actor, require_scope("webhooks:manage")]
SEND_RESPONSES = document_problems(webhooks.WebhookDisabled)
CREATE_RESPONSES = document_problems(webhooks.TooManyWebhooks)


@router.post("", summary="Create a webhook", status_code=201, response_model=NewWebhookOut, responses=CREATE_RESPONSES)
async def create_webhook(request: Request, body: WebhookIn, actor: Manager) -> Response:
    """Create a webhook for events of public content. No later response contains the secret.

    Messages are `POST {"type", "timestamp", "data": {"id", …, "etag", "position", "cache_groups"}}` with the headers of
    [Standard Webhooks](https://www.standardwebhooks.com): `webhook-id` (the same at every attempt, so that receivers
    recognise repetitions), `webhook-timestamp` and `webhook-signature`. They have no content: fetch their subjects.
    Messages about one article are sent in order. Without a 2xx within 15 seconds a message is retried after 5 s, 5 min,
    30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, or later if `Retry-After` says so. 410, or five days of failures only,
    disable the webhook.
    """

    def action(session: Session, actor: Actor) -> str:
        return webhooks.create_webhook(session, actor, settings(request), body)

    show, path = webhooks.get_webhook_with_secret, "/v1/webhooks/{id}"
    return await write(request, actor, action, render=show, model=NewWebhookOut, status=201, location=path, secret=True)


@router.get("", summary="List webhooks", response_model=ListOut[WebhookOut])
async def list_webhooks(request: Request, query: PageParameters, actor: Manager) -> Response:
    """List webhooks, newest first, without their secrets."""
    page = await database(request).read(webhooks.list_webhooks, actor, query)
    return reply_private_list(request, ListOut[WebhookOut], page, query)


@router.get("/{webhook}", summary="Get a webhook", response_model=WebhookOut)
async def get_webhook(request: Request, webhook: IdPath, query: ReadParameters, actor: Manager) -> Response:
    """Return a webhook, and how its deliveries succeed."""
    row = await database(request).read(webhooks.read_webhook, actor, webhook)
    return reply_private(request, WebhookOut, row, query, versioned=True)


@router.patch("/{webhook}", summary="Change a webhook", response_model=WebhookOut)
async def update_webhook(
    request: Request, webhook: IdPath, body: WebhookPatch, versions: ExpectedVersions, actor: Manager
) -> Response:
    """Change a webhook by merge patch (RFC 7396). Disabling it cancels its waiting deliveries."""
    args = (settings(request), webhook, body, versions)
    return await write(request, actor, webhooks.update_webhook, *args, render=webhooks.get_webhook, model=WebhookOut)


@router.delete("/{webhook}", summary="Delete a webhook", status_code=204)
async def delete_webhook(request: Request, webhook: IdPath, versions: ExpectedVersions, actor: Manager) -> Response:
    """Delete a webhook and cancel its waiting deliveries."""
    return await write(request, actor, webhooks.delete_webhook, webhook, versions, status=204)


@router.post("/{webhook}/rotate", summary="Rotate the secret of a webhook", response_model=NewWebhookOut)
async def rotate_webhook_secret(
    request: Request, webhook: IdPath, body: RotateIn, versions: ExpectedVersions, actor: Manager
) -> Response:
    """Replace the secret. During `overlap_hours` messages are signed with both secrets."""
    args, render = (webhook, body, versions), webhooks.get_webhook_with_secret
    return await write(request, actor, webhooks.rotate_secret, *args, render=render, model=NewWebhookOut, secret=True)


@router.post(
    "/{webhook}/test",
    summary="Send a test message to a webhook",
    status_code=202,
    response_model=DeliveryOut,
    responses=SEND_RESPONSES,
)
async def test_webhook(request: Request, webhook: IdPath, actor: Manager) -> Response:
    """Send a message of type `webhook.test`; its delivery is listed with the others."""
    return await write(
        request, actor, webhooks.send_test, webhook, render=webhooks.get_delivery, model=DeliveryOut, status=202
    )


@router.get("/{webhook}/deliveries", summary="List the deliveries of a webhook", response_model=ListOut[DeliveryOut])
async def list_deliveries(
    request: Request, webhook: IdPath, query: Annotated[DeliveryQuery, Query()], actor: Manager
) -> Response:
    """List deliveries, newest first, with the answers. Delivered ones are kept for 14 days, dead ones for 90."""
    page = await database(request).scan(webhooks.list_deliveries, actor, webhook, query)
    return reply_private_list(request, ListOut[DeliveryOut], page, query)


@router.post(
    "/{webhook}/deliveries/{delivery}/redeliver",
    summary="Redeliver a message",
    status_code=202,
    response_model=DeliveryOut,
    responses=SEND_RESPONSES | document_problems(webhooks.WebhookDisabled, webhooks.DeliveryRunning),
)
async def redeliver_message(request: Request, webhook: IdPath, delivery: IdPath, actor: Manager) -> Response:
    """Send a message again, whether delivered or not, with the same body and `webhook-id`."""
    action, render = webhooks.redeliver_message, webhooks.get_delivery
    return await write(request, actor, action, webhook, delivery, render=render, model=DeliveryOut, status=202)


@router.post(
    "/{webhook}/replay",
    summary="Replay events to a webhook",
    status_code=202,
    response_model=ReplayOut,
    responses=SEND_RESPONSES,
)
async def replay_events(request: Request, webhook: IdPath, body: ReplayIn, actor: Manager) -> Response:
    """Send the events of a time span again, also those from before the webhook existed, if they are still public.

    Messages keep their `webhook-id`, by which receivers recognise repetitions; waiting ones are not sent twice.
    """
    args = (webhook, body, settings(request).time_zone)
    return await write(
        request, actor, replays.start_replay, *args, render=replays.get_replay, model=ReplayOut, status=202
    )
