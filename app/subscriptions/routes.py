"""Routes of subscriptions, subscribers, suppressed addresses and unsubscribe links."""

import html
from typing import Annotated, Literal, TypedDict
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import Form, Query, Request
from sqlmodel import Session
from starlette.responses import HTMLResponse, Response

from app.core.ids import IdPath, TokenPath
from app.core.problems import FORBIDDEN, Forbidden, Invalid, NotFound, Responses, document_problems
from app.core.settings import Settings
from app.db.rows import JsonObject
from app.identity.access import Public, SelfService, ThirdParty, enforce_limit, require_admission, require_scope
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.identity.services import IdentityServices
from app.identity.writes import WriteResult, write, write_private
from app.publication.terms import require_all_sections
from app.site.profile import find_name
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
from app.subscriptions.subscriptions import (
    MAX_SUBSCRIPTIONS,
    PresentedSubscription,
    find_subscription,
    present_subscriptions,
)
from app.web.fields import dump_json
from app.web.paging import ListOut, Page
from app.web.responses import (
    PRIVATE_CACHE_CONTROL,
    database,
    reply,
    reply_private,
    reply_private_list,
    settings,
)
from app.web.routing import ReadParameters, Router

opt_ins_router = Router(prefix="/v1/subscriptions", tags=["subscriptions"])
_PORTS = {"http": 80, "https": 443}


class ForeignPage(Invalid, code="foreign_page", title="This page is not on the publication's site"):
    """The page is neither on the publication's site nor on one of its front ends."""


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return the origin of a URL (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)


def _check_page(url: str | None, chosen: Settings) -> None:
    own = {_origin(one) for one in (chosen.site_url, *chosen.frontend_origins)}
    if url is not None and _origin(url) not in own:
        raise ForeignPage(pointer="/confirm_url", code="foreign_page")


async def _admit(request: Request, _actor: Actor) -> None:
    await enforce_limit(request, "subscribe")


def _show_accepted(_connection: sa.Connection, _result: object) -> JsonObject:
    return {"accepted": True}


@opt_ins_router.post(
    "",
    summary="Request a subscription",
    status_code=202,
    response_model=AcceptedOut,
    responses=document_problems(Forbidden, UnknownTarget, ForeignPage),
)
async def request_subscription(
    request: Request, body: SubscriptionIn, actor: Annotated[Actor, require_admission(_admit)]
) -> Response:
    """Request a subscription. The response reveals nothing about the address.

    A confirmation mail is sent: at most three to a mailbox in six hours, and none to suppressed addresses. Its link
    expires after three days. Callers with a confirmed address (a JWT of the publication's site with `email_verified`,
    a guest with a confirmed e-mail, or a manage token) need not send it: the subscription starts at once, without a
    mail.
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
    "/confirm", summary="Confirm a subscription", response_model=ConfirmedOut, responses=document_problems(TokenInvalid)
)
async def confirm_subscription(request: Request, body: ConfirmIn, actor: Public) -> Response:
    """Confirm a subscription with the token from the mail.

    The `manage_token` lists, changes and ends all subscriptions of this address; the client stores it for the reader.
    Confirming again within three days returns it again, unless it was rotated. If the subscription was requested with
    a comment, the e-mail of the comment's author is confirmed too.
    """
    vault = IdentityServices.of(request).vault

    def work(session: Session, actor: Actor) -> WriteResult:
        return WriteResult(opt_ins.confirm_subscription(session, actor, vault, body.token))

    def render(connection: sa.Connection, subscription_id: str, _first: bool) -> JsonObject:
        row = find_subscription(connection, subscription_id)
        if row is None:  # it has ended meanwhile
            raise TokenInvalid(pointer="/token", code="token_invalid")
        token = create_manage_token(connection, vault, row["subscriber_id"])
        return {"subscription": present_subscriptions(connection, [row])[0], "manage_token": token}

    return await write_private(request, actor, work, render=render, model=ConfirmedOut)


subscribers_router = Router(prefix="/v1/subscribers", tags=["subscriptions"])
Manager = Annotated[Actor, require_scope("subscribers:manage")]


@subscribers_router.get("", summary="List subscribers", response_model=ListOut[SubscriberOut])
async def list_subscribers(request: Request, query: Annotated[SubscriberQuery, Query()], actor: Manager) -> Response:
    """List addresses with subscriptions, confirmed or not, newest first."""
    require_all_sections(actor, "subscribers:manage")
    page = await database(request).scan(subscribers.list_subscribers, query)
    return reply_private_list(request, ListOut[SubscriberOut], page, query)


@subscribers_router.get("/{subscriber}", summary="Get a subscriber", response_model=OneSubscriberOut)
async def get_subscriber(request: Request, subscriber: IdPath, query: ReadParameters, actor: Manager) -> Response:
    """Return a subscriber with all subscriptions."""
    require_all_sections(actor, "subscribers:manage")
    row = await database(request).scan(subscribers.get_subscriber, subscriber)
    return reply_private(request, OneSubscriberOut, row, query)


@subscribers_router.delete("/{subscriber}", summary="Delete a subscriber", status_code=204)
async def delete_subscriber(request: Request, subscriber: IdPath, actor: Manager) -> Response:
    """Delete the address and end its subscriptions. Use `POST /v1/suppressions` to prevent that it subscribes again."""
    return await write(request, actor, subscribers.delete_subscriber, subscriber, status=204)


suppressions_router = Router(prefix="/v1/suppressions", tags=["subscriptions"])


@suppressions_router.get("", summary="List suppressed addresses", response_model=ListOut[SuppressionOut])
async def list_suppressions(request: Request, query: Annotated[SuppressionQuery, Query()], actor: Manager) -> Response:
    """List suppressed addresses, which get no mail, newest first. Use `email` to look up an address."""
    require_all_sections(actor, "subscribers:manage")
    page = await database(request).scan(suppressions.list_suppressions, query)
    return reply_private_list(request, ListOut[SuppressionOut], page, query)


@suppressions_router.post("", summary="Suppress an address", status_code=201, response_model=SuppressionOut)
async def create_suppression(request: Request, body: SuppressionIn, actor: Manager) -> Response:
    """Suppress an address and end its subscriptions, such as after a complaint that a mail provider forwarded.

    Suppressing it again changes nothing. Addresses are also suppressed by unsubscribing from everything and by hard
    bounces (SMTP 5xx for the recipient).
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


@suppressions_router.delete("/{suppression}", summary="Lift the suppression of an address", status_code=204)
async def lift_suppression(request: Request, suppression: IdPath, actor: Manager) -> Response:
    """Lift a suppression, so that the address can subscribe again. Former subscriptions are not restored."""
    return await write(request, actor, suppressions.lift_suppression, suppression, status=204)


unsubscribing_router = Router(prefix="/v1/unsubscribe", tags=["subscriptions"])
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
_PAGE_RESPONSE: Responses = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


async def _page(request: Request, title: str, body: str) -> Response:
    name = html.escape(await database(request).read(find_name, settings(request).site_name))
    return HTMLResponse(_PAGE.format(title=f"{title} · {name}", body=body), headers=PAGE_HEADERS)


class UnsubscribeScope(TypedDict):
    """What an unsubscribe link ends, as `UnsubscribeOut`."""

    everything: bool
    subscriptions: list[PresentedSubscription]


def _read_scope(connection: sa.Connection, vault: Vault, token: str) -> UnsubscribeScope:
    scope = unsubscribing.read_scope(vault, token)
    rows = [row for row in unsubscribing.list_in_scope(connection, scope) if row["confirmed_at"]]
    return {"everything": scope.everything, "subscriptions": present_subscriptions(connection, rows)}


def _show_done(_connection: sa.Connection, _result: object) -> JsonObject:
    return {"unsubscribed": True}


@unsubscribing_router.get(
    "/{token}", summary="Get what an unsubscribe link ends", response_model=UnsubscribeOut, responses=_PAGE_RESPONSE
)
async def get_unsubscribe(request: Request, token: TokenPath, actor: ThirdParty) -> Response:
    """Return what an unsubscribe link ends, without ending it, because mail scanners follow links.

    Browsers (`Accept: text/html`) get a page with a button.
    """
    scope = await database(request).scan(_read_scope, IdentityServices.of(request).vault, token)
    if not _wants_page(request):
        return reply(request, dump_json(UnsubscribeOut, scope), groups=(), private=True)
    if scope["everything"]:
        return await _page(request, "Unsubscribe", f"<p>You will get no more mail from us.</p>{_BUTTON}")
    if not scope["subscriptions"]:
        return await _page(request, "Unsubscribed", "<p>You will get no more of these mails.</p>")
    names = dict.fromkeys(row["target"]["name"] or "all of this site" for row in scope["subscriptions"])
    listed = "".join(f"<li>{html.escape(name)}</li>" for name in names)
    return await _page(request, "Unsubscribe", f"<p>You will get no more mail about:</p><ul>{listed}</ul>{_BUTTON}")


@unsubscribing_router.post(
    "/{token}", summary="Unsubscribe by a link from a mail", response_model=UnsubscribedOut, responses=_PAGE_RESPONSE
)
async def unsubscribe_address(
    request: Request,
    token: TokenPath,
    actor: ThirdParty,
    one_click: Annotated[
        Literal["One-Click"],
        Form(alias="List-Unsubscribe", description="Form field of RFC 8058; no cookie is needed."),
    ],
) -> Response:
    """End the subscriptions behind a mail at once, without signing in. Repeating it changes nothing.

    The link of a mail about a discussion ends all subscriptions to that discussion.
    """
    vault = IdentityServices.of(request).vault
    answer = await write(
        request, actor, unsubscribing.unsubscribe, vault, token, render=_show_done, model=UnsubscribedOut
    )
    if _wants_page(request):
        return await _page(request, "Unsubscribed", "<p>You will get no more of these mails.</p>")
    return answer


management_router = Router(prefix="/v1/subscriptions", tags=["subscriptions"])


def _list_own(connection: sa.Connection, actor: Actor) -> Page[PresentedSubscription]:
    me = subscriptions.find_owner(connection, actor)
    rows = subscriptions.list_subscriptions(connection, me["id"]) if me else []
    return {
        "data": subscriptions.present_subscriptions(connection, rows),
        "page": {"next": None, "prev": None, "limit": MAX_SUBSCRIPTIONS, "total": len(rows)},
    }


def _get_own(connection: sa.Connection, subscription_id: str) -> PresentedSubscription:
    row = subscriptions.find_subscription(connection, subscription_id)
    if row is None:
        raise NotFound
    return subscriptions.present_subscriptions(connection, [row])[0]


@management_router.get(
    "", summary="List the caller's subscriptions", response_model=ListOut[SubscriptionOut], responses=FORBIDDEN
)
async def list_subscriptions(request: Request, query: ReadParameters, actor: SelfService) -> Response:
    """List all subscriptions of the caller, oldest first, on one page of at most 1,000.

    Requires a manage token, or a JWT of the publication's site with `email_verified`.
    """
    own = await database(request).scan_fresh(_list_own, actor)
    return reply_private_list(request, ListOut[SubscriptionOut], own, query)


@management_router.post(
    "/rotate",
    summary="Replace the manage token",
    response_model=ManageTokenOut,
    responses=document_problems(Forbidden, NotFound),
)
async def rotate_manage_token(request: Request, actor: Public) -> Response:
    """Revoke all manage tokens of this address, including the one that is sent, and return a new one."""
    vault = IdentityServices.of(request).vault

    def rotate(session: Session, actor: Actor) -> WriteResult:
        return WriteResult(management.rotate_manage_token(session, actor))

    def render(connection: sa.Connection, subscriber_id: str, _first: bool) -> JsonObject:
        return {"manage_token": management.create_manage_token(connection, vault, subscriber_id)}

    return await write_private(request, actor, rotate, render=render, model=ManageTokenOut)


@management_router.patch(
    "/{subscription}", summary="Change a subscription", response_model=SubscriptionOut, responses=FORBIDDEN
)
async def update_subscription(
    request: Request, subscription: IdPath, body: SubscriptionPatch, actor: Public
) -> Response:
    """Change the frequency of a subscription. Items that wait for a digest stay in it."""
    return await write(
        request, actor, management.update_subscription, subscription, body, render=_get_own, model=SubscriptionOut
    )


@management_router.delete("/{subscription}", summary="End a subscription", status_code=204, responses=FORBIDDEN)
async def end_subscription(request: Request, subscription: IdPath, actor: Public) -> Response:
    """End a subscription. Mails that wait because of it are not sent."""
    return await write(request, actor, management.end_subscription, subscription, status=204)
