"""Asking for subscriptions and confirming them, over HTTP."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.identity.routes import Done, Public, admits, limit, write, write_private
from app.identity.schemas import Actor
from app.kit.http import settings
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented
from app.kit.schema import Row
from app.kit.settings import Settings
from app.subscriptions.management.actions import manage_token
from app.subscriptions.opt_ins import actions
from app.subscriptions.opt_ins.actions import Places, TokenInvalid
from app.subscriptions.opt_ins.queries import UnknownTarget
from app.subscriptions.opt_ins.schemas import AcceptedOut, ConfirmedOut, ConfirmIn, SubscriptionIn
from app.subscriptions.queries import present, single

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
_PORTS = {"http": 80, "https": 443}


class ForeignPage(Invalid):
    """The page is on no site of this publication: its readers are not sent elsewhere."""

    code, title = "foreign_page", "This page is not on the publication's site"


def _origin(url: str) -> tuple[str, str, int | None]:
    """What browsers take for one site (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)


def _check_page(url: str | None, chosen: Settings) -> None:
    own = {_origin(one) for one in (chosen.site_url, *chosen.frontend_origins)}
    if url is not None and _origin(url) not in own:
        raise ForeignPage(pointer="/confirm_url", code="foreign_page")


async def _admit(request: Request, _actor: Actor) -> None:
    await limit(request, "subscribe")


def _accepted(_connection: sa.Connection, _result: object) -> dict[str, Any]:
    return {"accepted": True}


@router.post(
    "",
    operation_id="requestSubscription",
    summary="Request a subscription",
    status_code=202,
    response_model=AcceptedOut,
    responses=documented(Unauthorized, Forbidden, UnknownTarget, ForeignPage, Invalid),
)
async def ask(request: Request, body: SubscriptionIn, actor: Annotated[Actor, admits(_admit)]) -> Response:
    """Ask for a subscription. The answer is the same whatever is known of the address.

    A mail asks its reader to confirm: at most three to one mailbox in six hours, and none to an address that wants
    none. It expires after three days. A caller who has shown that the address is theirs (a JWT of the publication's
    site that says `email_verified`, a guest whose e-mail is confirmed, a manage token) need not send it, gets no mail,
    and finds the subscription in `GET /v1/subscriptions` right after.
    """
    _check_page(body.confirm_url, settings(request))
    host = request.client.host if request.client else None
    vault = request.app.state.vault
    ranges = (vault.range_hashes(host) if host else None) or (None, None)
    places = Places(vault.address_hashes(host)[0] if host else None, *ranges)
    return await write(request, actor, actions.request, body, places, show=_accepted, model=AcceptedOut, status=202)


@router.post(
    "/confirm",
    operation_id="confirmSubscription",
    summary="Confirm a subscription",
    response_model=ConfirmedOut,
    responses=documented(TokenInvalid, Invalid),
)
async def confirm(request: Request, body: ConfirmIn, actor: Public) -> Response:
    """Confirm a subscription with the token from the mail; from now on it holds.

    The `manage_token` lists, changes and ends all subscriptions of this address; keep it with the reader. Confirming
    again within three days changes nothing and gives it again, until it was exchanged for another. Somebody who asked
    for it with a comment has thereby confirmed the e-mail of that comment as their own.
    """
    vault = request.app.state.vault

    def work(session: Session, actor: Actor) -> Done:
        return Done(actions.confirm(session, actor, vault, body.token))

    def render(connection: sa.Connection, subscription_id: str, _first: bool) -> Row:
        row = single(connection, subscription_id)
        if row is None:  # it has ended since
            raise TokenInvalid(pointer="/token", code="token_invalid")
        token = manage_token(connection, vault, row["subscriber_id"])
        return {"subscription": present(connection, [row])[0], "manage_token": token}

    return await write_private(request, actor, work, render=render, model=ConfirmedOut)
