"""Unsubscribing over HTTP: one click for mail programs (RFC 8058), two for people."""

import html
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, Response

from app.identity.routes import World, write
from app.identity.secrets.actions import Vault
from app.kit.http import PRIVATE, database, dump, reply, settings
from app.kit.ids import TokenPath
from app.kit.problems import Invalid, NotFound, documented
from app.subscriptions.queries import present
from app.subscriptions.unsubscribing import actions, queries
from app.subscriptions.unsubscribing.schemas import UnsubscribedOut, UnsubscribeOut

router = APIRouter(prefix="/v1/unsubscribe", tags=["subscriptions"])
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": PRIVATE,
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
    return HTMLResponse(_PAGE.format(title=f"{title} · {name}", body=body), headers=SAFE)


def _shown(connection: sa.Connection, vault: Vault, token: str) -> dict[str, Any]:
    scope = queries.scope_of(vault, token)
    rows = [row for row in queries.within(connection, scope) if row["confirmed_at"]]
    return {"everything": scope.everything, "subscriptions": present(connection, rows)}


def _done(_connection: sa.Connection, _result: object) -> dict[str, Any]:
    return {"unsubscribed": True}


@router.get(
    "/{token}",
    operation_id="getUnsubscribe",
    summary="Show what an unsubscribe link ends",
    response_model=UnsubscribeOut,
    responses=_SHOWN | documented(NotFound),
)
async def show(request: Request, token: TokenPath, actor: World) -> Response:
    """What the link would end; looking at it changes nothing, so that programs which follow links do no harm.

    A browser (`Accept: text/html`) gets a page with one button.
    """
    found = await database(request).scan(_shown, request.app.state.vault, token)
    if not _wants_page(request):
        return reply(request, dump(UnsubscribeOut, found), groups=(), private=True)
    if found["everything"]:
        return _page(request, "Unsubscribe", f"<p>You will get no more mail from us at all.</p>{_BUTTON}")
    if not found["subscriptions"]:
        return _page(request, "Unsubscribed", "<p>You get no such mail any more.</p>")
    names = dict.fromkeys(row["target"]["name"] or "all of this site" for row in found["subscriptions"])
    listed = "".join(f"<li>{html.escape(name)}</li>" for name in names)
    return _page(request, "Unsubscribe", f"<p>You will get no more mail about:</p><ul>{listed}</ul>{_BUTTON}")


@router.post(
    "/{token}",
    operation_id="unsubscribeAddress",
    summary="Unsubscribe by the link of a mail",
    response_model=UnsubscribedOut,
    responses=_SHOWN | documented(NotFound, Invalid),
)
async def unsubscribe(
    request: Request,
    token: TokenPath,
    actor: World,
    one_click: Annotated[
        Literal["One-Click"],
        Form(alias="List-Unsubscribe", description="As RFC 8058 has it; the body is a form, and no cookie is needed."),
    ],
) -> Response:
    """End what the mail came from: at once, without signing in, from wherever it is sent. Twice changes nothing.

    A link from the mails of a discussion ends everything by which one hears of that discussion.
    """
    vault = request.app.state.vault
    answer = await write(request, actor, actions.unsubscribe, vault, token, show=_done, model=UnsubscribedOut)
    return _page(request, "Unsubscribed", "<p>You get no such mail any more.</p>") if _wants_page(request) else answer
