"""One's own subscriptions over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.identity.routes import Done, Own, Public, write, write_private
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.kit.schema import Row
from app.subscriptions import queries
from app.subscriptions.actions import MOST
from app.subscriptions.management import actions
from app.subscriptions.schemas import ManageTokenOut, SubscriptionOut, SubscriptionPatch

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])


def _all(connection: sa.Connection, actor: Actor) -> dict[str, Any]:
    me = queries.owner(connection, actor)
    rows = queries.of_subscriber(connection, me["id"]) if me else []
    return {"data": queries.present(connection, rows), "page": {"next": None, "limit": MOST, "total": len(rows)}}


def _one(connection: sa.Connection, subscription_id: str) -> Row:
    row = queries.single(connection, subscription_id)
    if row is None:
        raise NotFound
    return queries.present(connection, [row])[0]


@router.get(
    "",
    operation_id="listSubscriptions",
    summary="List one's own subscriptions",
    response_model=ListOut[SubscriptionOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[ReadQuery, Query()], actor: Own) -> Response:
    """All subscriptions of the caller, the oldest first, on one page: there are 1,000 at most.

    The caller is known by the manage token, or by a JWT of the publication's site that says `email_verified`.
    """
    found = await database(request).fresh(_all, actor)
    fields = chosen(SubscriptionOut, query.fields)
    return reply_list(request, ListOut[SubscriptionOut], found, fields, groups=(), private=True)


@router.post(
    "/rotate",
    operation_id="rotateManageToken",
    summary="Replace the manage token",
    response_model=ManageTokenOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def rotate(request: Request, actor: Public) -> Response:
    """End every manage token that was given out for this address, the one sent too, and get a new one."""
    vault = request.app.state.vault

    def turn(session: Session, actor: Actor) -> Done:
        return Done(actions.rotate(session, actor))

    def render(connection: sa.Connection, subscriber_id: str, _first: bool) -> Row:
        return {"manage_token": actions.manage_token(connection, vault, subscriber_id)}

    return await write_private(request, actor, turn, render=render, model=ManageTokenOut)


@router.patch(
    "/{subscription}",
    operation_id="updateSubscription",
    summary="Change a subscription",
    response_model=SubscriptionOut,
    responses=documented(Unauthorized, Forbidden, NotFound, Invalid),
)
async def change(request: Request, subscription: IdPath, body: SubscriptionPatch, actor: Public) -> Response:
    """Change how often one hears of it. What was gathered for a digest already stays there."""
    return await write(request, actor, actions.change, subscription, body, show=_one, model=SubscriptionOut)


@router.delete(
    "/{subscription}",
    operation_id="endSubscription",
    summary="End a subscription",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def end(request: Request, subscription: IdPath, actor: Public) -> Response:
    """End it; what waits to be sent because of it is not sent."""
    return await write(request, actor, actions.end, subscription, status=204)
