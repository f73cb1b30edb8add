"""Asking for subscriptions and confirming them, over HTTP."""

import html
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request
from sqlmodel import Session
from starlette.responses import HTMLResponse, Response

from app.core.ids import IdPath, TokenPath
from app.core.problems import Forbidden, Invalid, NotFound, Unauthorized, document_problems
from app.core.settings import Settings
from app.db.columns import Row
from app.identity.access import Public, SelfService, ThirdParty, enforce_limit, require_admission, require_scope
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.identity.services import IdentityServices
from app.identity.writes import WriteResult, write, write_private
from app.publication.terms import require_all_sections
from app.subscriptions import management, opt_ins, subscribers, subscriptions, suppressions, unsubscribing
from app.subscriptions.management import create_manage_token
from app.subscriptions.opt_ins import NetworkOrigin, TokenInvalid, UnknownTarget
from app.subscriptions.schemas import (
    AcceptedOut,
    ConfirmedOut,
    ConfirmIn,
    ManageTokenOut,
    OneSubscriberOut,
    SubscriberOut,
    SubscriberQuery,
    SubscriptionIn,
    SubscriptionOut,
    SubscriptionPatch,
    SuppressionIn,
    SuppressionOut,
    SuppressionQuery,
    UnsubscribedOut,
    UnsubscribeOut,
)
from app.subscriptions.subscriptions import MAX_SUBSCRIPTIONS, find_subscription, present_subscriptions
from app.web.fields import parse_fields
from app.web.paging import ListOut
from app.web.responses import PRIVATE_CACHE_CONTROL, ReadQuery, database, dump_json, reply, reply_list, settings

opt_ins_router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
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
    await enforce_limit(request, "subscribe")


def _show_accepted(_connection: sa.Connection, _result: object) -> dict[str, Any]:
    return {"accepted": True}


@opt_ins_router.post(
    "",
    operation_id="requestSubscription",
    summary="Request a subscription",
    status_code=202,
    response_model=AcceptedOut,
    responses=document_problems(Unauthorized, Forbidden, UnknownTarget, ForeignPage, Invalid),
)
async def request_subscription(
    request: Request, body: SubscriptionIn, actor: Annotated[Actor, require_admission(_admit)]
) -> Response:
    """Ask for a subscription. The answer is the same whatever is known of the address.

    A mail asks its reader to confirm: at most three to one mailbox in six hours, and none to an address that wants
    none. It expires after three days. A caller who has shown that the address is theirs (a JWT of the publication's
    site that says `email_verified`, a guest whose e-mail is confirmed, a manage token) need not send it, gets no mail,
    and finds the subscription in `GET /v1/subscriptions` right after.
    """
    _check_page(body.confirm_url, settings(request))
    host = request.client.host if request.client else None
    vault = IdentityServices.of(request).vault
    ranges = (vault.hash_ranges(host) if host else None) or (None, None)
    places = NetworkOrigin(vault.hash_address(host)[0] if host else None, *ranges)
    return await write(
        request, actor, opt_ins.request_subscription, body, places, render=_show_accepted, model=AcceptedOut, status=202
    )


@opt_ins_router.post(
    "/confirm",
    operation_id="confirmSubscription",
    summary="Confirm a subscription",
    response_model=ConfirmedOut,
    responses=document_problems(TokenInvalid, Invalid),
)
async def confirm_subscription(request: Request, body: ConfirmIn, actor: Public) -> Response:
    """Confirm a subscription with the token from the mail; from now on it holds.

    The `manage_token` lists, changes and ends all subscriptions of this address; keep it with the reader. Confirming
    again within three days changes nothing and gives it again, until it was exchanged for another. Somebody who asked
    for it with a comment has thereby confirmed the e-mail of that comment as their own.
    """
    vault = IdentityServices.of(request).vault

    def work(session: Session, actor: Actor) -> WriteResult:
        return WriteResult(opt_ins.confirm_subscription(session, actor, vault, body.token))

    def render(connection: sa.Connection, subscription_id: str, _first: bool) -> Row:
        row = find_subscription(connection, subscription_id)
        if row is None:  # it has ended since
            raise TokenInvalid(pointer="/token", code="token_invalid")
        token = create_manage_token(connection, vault, row["subscriber_id"])
        return {"subscription": present_subscriptions(connection, [row])[0], "manage_token": token}

    return await write_private(request, actor, work, render=render, model=ConfirmedOut)


subscribers_router = APIRouter(prefix="/v1/subscribers", tags=["subscriptions"])
Manager = Annotated[Actor, require_scope("subscribers:manage")]


@subscribers_router.get(
    "",
    operation_id="listSubscribers",
    summary="List subscribers",
    response_model=ListOut[SubscriberOut],
    responses=document_problems(Unauthorized, Forbidden),
)
async def list_subscribers(request: Request, query: Annotated[SubscriberQuery, Query()], actor: Manager) -> Response:
    """Addresses with subscriptions, newest first, also those that wait to be confirmed."""
    require_all_sections(actor)
    page = await database(request).scan(subscribers.list_subscribers, query)
    return reply_list(
        request, ListOut[SubscriberOut], page, parse_fields(SubscriberOut, query.fields), groups=(), private=True
    )


@subscribers_router.get(
    "/{subscriber}",
    operation_id="getSubscriber",
    summary="Get a subscriber",
    response_model=OneSubscriberOut,
    responses=document_problems(Unauthorized, Forbidden, NotFound),
)
async def get_subscriber(
    request: Request, subscriber: IdPath, query: Annotated[ReadQuery, Query()], actor: Manager
) -> Response:
    """One of them with all that it is subscribed to."""
    require_all_sections(actor)
    row = await database(request).scan(subscribers.get_subscriber, subscriber)
    body = dump_json(OneSubscriberOut, row, parse_fields(OneSubscriberOut, query.fields))
    return reply(request, body, groups=(), private=True)


@subscribers_router.delete(
    "/{subscriber}",
    operation_id="deleteSubscriber",
    summary="Delete a subscriber",
    status_code=204,
    responses=document_problems(Unauthorized, Forbidden, NotFound),
)
async def delete_subscriber(request: Request, subscriber: IdPath, actor: Manager) -> Response:
    """Forget the address and end its subscriptions. It may subscribe again: `POST /v1/suppressions` prevents that."""
    return await write(request, actor, subscribers.delete_subscriber, subscriber, status=204)


suppressions_router = APIRouter(prefix="/v1/suppressions", tags=["subscriptions"])


@suppressions_router.get(
    "",
    operation_id="listSuppressions",
    summary="List suppressed addresses",
    response_model=ListOut[SuppressionOut],
    responses=document_problems(Unauthorized, Forbidden),
)
async def list_suppressions(request: Request, query: Annotated[SuppressionQuery, Query()], actor: Manager) -> Response:
    """Addresses that get no mail whatever is asked for them, newest first; `email` tells whether one is among them."""
    require_all_sections(actor)
    page = await database(request).scan(suppressions.list_suppressions, query)
    fields = parse_fields(SuppressionOut, query.fields)
    return reply_list(request, ListOut[SuppressionOut], page, fields, groups=(), private=True)


@suppressions_router.post(
    "",
    operation_id="createSuppression",
    summary="Suppress an address",
    status_code=201,
    response_model=SuppressionOut,
    responses=document_problems(Unauthorized, Forbidden, Invalid),
)
async def create_suppression(request: Request, body: SuppressionIn, actor: Manager) -> Response:
    """Send an address nothing more, and end its subscriptions: for complaints that mail providers hand on.

    Doing it twice changes nothing. Unsubscribing from everything and hard bounces (SMTP 5xx for the recipient) do the
    same by themselves.
    """
    return await write(
        request,
        actor,
        suppressions.create_suppression,
        body,
        render=suppressions.get_suppression,
        model=SuppressionOut,
        status=201,
    )


@suppressions_router.delete(
    "/{suppression}",
    operation_id="liftSuppression",
    summary="Lift the suppression of an address",
    status_code=204,
    responses=document_problems(Unauthorized, Forbidden, NotFound),
)
async def lift_suppression(request: Request, suppression: IdPath, actor: Manager) -> Response:
    """Let an address subscribe again. The subscriptions that it had do not come back."""
    return await write(request, actor, suppressions.lift_suppression, suppression, status=204)


unsubscribing_router = APIRouter(prefix="/v1/unsubscribe", tags=["subscriptions"])
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": PRIVATE_CACHE_CONTROL,
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept",
}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:32em;margin:4em auto;"
    "padding:0 1em}}button{{font:inherit;padding:.5em 1em}}</style><h1>{title}</h1>{body}</html>"
)
_BUTTON = (
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    "<button>Unsubscribe</button></form>"
)
_SHOWN: Any = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page(request: Request, title: str, body: str) -> Response:
    name = html.escape(settings(request).site_name)
    return HTMLResponse(_PAGE.format(title=f"{title} · {name}", body=body), headers=PAGE_HEADERS)


def _read_scope(connection: sa.Connection, vault: Vault, token: str) -> dict[str, Any]:
    scope = unsubscribing.read_scope(vault, token)
    rows = [row for row in unsubscribing.list_in_scope(connection, scope) if row["confirmed_at"]]
    return {"everything": scope.everything, "subscriptions": present_subscriptions(connection, rows)}


def _show_done(_connection: sa.Connection, _result: object) -> dict[str, Any]:
    return {"unsubscribed": True}


@unsubscribing_router.get(
    "/{token}",
    operation_id="getUnsubscribe",
    summary="Show what an unsubscribe link ends",
    response_model=UnsubscribeOut,
    responses=_SHOWN | document_problems(NotFound),
)
async def get_unsubscribe(request: Request, token: TokenPath, actor: ThirdParty) -> Response:
    """What the link would end; looking at it changes nothing, so that programs which follow links do no harm.

    A browser (`Accept: text/html`) gets a page with one button.
    """
    scope = await database(request).scan(_read_scope, IdentityServices.of(request).vault, token)
    if not _wants_page(request):
        return reply(request, dump_json(UnsubscribeOut, scope), groups=(), private=True)
    if scope["everything"]:
        return _page(request, "Unsubscribe", f"<p>You will get no more mail from us at all.</p>{_BUTTON}")
    if not scope["subscriptions"]:
        return _page(request, "Unsubscribed", "<p>You get no such mail any more.</p>")
    names = dict.fromkeys(row["target"]["name"] or "all of this site" for row in scope["subscriptions"])
    listed = "".join(f"<li>{html.escape(name)}</li>" for name in names)
    return _page(request, "Unsubscribe", f"<p>You will get no more mail about:</p><ul>{listed}</ul>{_BUTTON}")


@unsubscribing_router.post(
    "/{token}",
    operation_id="unsubscribeAddress",
    summary="Unsubscribe by the link of a mail",
    response_model=UnsubscribedOut,
    responses=_SHOWN | document_problems(NotFound, Invalid),
)
async def unsubscribe_address(
    request: Request,
    token: TokenPath,
    actor: ThirdParty,
    one_click: Annotated[
        Literal["One-Click"],
        Form(alias="List-Unsubscribe", description="As RFC 8058 has it; the body is a form, and no cookie is needed."),
    ],
) -> Response:
    """End what the mail came from: at once, without signing in, from wherever it is sent. Twice changes nothing.

    A link from the mails of a discussion ends everything by which one hears of that discussion.
    """
    vault = IdentityServices.of(request).vault
    answer = await write(
        request, actor, unsubscribing.unsubscribe, vault, token, render=_show_done, model=UnsubscribedOut
    )
    return _page(request, "Unsubscribed", "<p>You get no such mail any more.</p>") if _wants_page(request) else answer


management_router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])


def _list_own(connection: sa.Connection, actor: Actor) -> dict[str, Any]:
    me = subscriptions.find_owner(connection, actor)
    rows = subscriptions.list_subscriptions(connection, me["id"]) if me else []
    return {
        "data": subscriptions.present_subscriptions(connection, rows),
        "page": {"next": None, "limit": MAX_SUBSCRIPTIONS, "total": len(rows)},
    }


def _get_own(connection: sa.Connection, subscription_id: str) -> Row:
    row = subscriptions.find_subscription(connection, subscription_id)
    if row is None:
        raise NotFound
    return subscriptions.present_subscriptions(connection, [row])[0]


@management_router.get(
    "",
    operation_id="listSubscriptions",
    summary="List one's own subscriptions",
    response_model=ListOut[SubscriptionOut],
    responses=document_problems(Unauthorized, Forbidden),
)
async def list_subscriptions(request: Request, query: Annotated[ReadQuery, Query()], actor: SelfService) -> Response:
    """All subscriptions of the caller, the oldest first, on one page: there are 1,000 at most.

    The caller is known by the manage token, or by a JWT of the publication's site that says `email_verified`.
    """
    own = await database(request).scan_fresh(_list_own, actor)
    fields = parse_fields(SubscriptionOut, query.fields)
    return reply_list(request, ListOut[SubscriptionOut], own, fields, groups=(), private=True)


@management_router.post(
    "/rotate",
    operation_id="rotateManageToken",
    summary="Replace the manage token",
    response_model=ManageTokenOut,
    responses=document_problems(Unauthorized, Forbidden, NotFound),
)
async def rotate_manage_token(request: Request, actor: Public) -> Response:
    """End every manage token that was given out for this address, the one sent too, and get a new one."""
    vault = IdentityServices.of(request).vault

    def turn(session: Session, actor: Actor) -> WriteResult:
        return WriteResult(management.rotate_manage_token(session, actor))

    def render(connection: sa.Connection, subscriber_id: str, _first: bool) -> Row:
        return {"manage_token": management.create_manage_token(connection, vault, subscriber_id)}

    return await write_private(request, actor, turn, render=render, model=ManageTokenOut)


@management_router.patch(
    "/{subscription}",
    operation_id="updateSubscription",
    summary="Change a subscription",
    response_model=SubscriptionOut,
    responses=document_problems(Unauthorized, Forbidden, NotFound, Invalid),
)
async def update_subscription(
    request: Request, subscription: IdPath, body: SubscriptionPatch, actor: Public
) -> Response:
    """Change how often one hears of it. What was gathered for a digest already stays there."""
    return await write(
        request, actor, management.update_subscription, subscription, body, render=_get_own, model=SubscriptionOut
    )


@management_router.delete(
    "/{subscription}",
    operation_id="endSubscription",
    summary="End a subscription",
    status_code=204,
    responses=document_problems(Unauthorized, Forbidden, NotFound),
)
async def end_subscription(request: Request, subscription: IdPath, actor: Public) -> Response:
    """End it; what waits to be sent because of it is not sent."""
    return await write(request, actor, management.end_subscription, subscription, status=204)
