"""Suppressions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.publication.actions import unlimited
from app.subscriptions.suppressions import actions, queries
from app.subscriptions.suppressions.schemas import SuppressionIn, SuppressionOut, SuppressionQuery

router = APIRouter(prefix="/v1/suppressions", tags=["subscriptions"])
Manager = Annotated[Actor, requires("subscribers:manage")]


@router.get(
    "",
    operation_id="listSuppressions",
    summary="List suppressed addresses",
    response_model=ListOut[SuppressionOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[SuppressionQuery, Query()], actor: Manager) -> Response:
    """Addresses that get no mail whatever is asked for them, newest first; `email` tells whether one is among them."""
    unlimited(actor)
    page = await database(request).scan(queries.page, query)
    fields = chosen(SuppressionOut, query.fields)
    return reply_list(request, ListOut[SuppressionOut], page, fields, groups=(), private=True)


@router.post(
    "",
    operation_id="createSuppression",
    summary="Suppress an address",
    status_code=201,
    response_model=SuppressionOut,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def create(request: Request, body: SuppressionIn, actor: Manager) -> Response:
    """Send an address nothing more, and end its subscriptions: for complaints that mail providers hand on.

    Doing it twice changes nothing. Unsubscribing from everything and hard bounces (SMTP 5xx for the recipient) do the
    same by themselves.
    """
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=queries.shown,
        model=SuppressionOut,
        status=201,
    )


@router.delete(
    "/{suppression}",
    operation_id="liftSuppression",
    summary="Lift the suppression of an address",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def lift(request: Request, suppression: IdPath, actor: Manager) -> Response:
    """Let an address subscribe again. The subscriptions that it had do not come back."""
    return await write(request, actor, actions.lift, suppression, status=204)
