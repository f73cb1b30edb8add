"""Subscribers over HTTP, for staff."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, NotFound, Unauthorized, documented
from app.publication.actions import unlimited
from app.subscriptions.subscribers import actions, queries
from app.subscriptions.subscribers.schemas import OneSubscriberOut, SubscriberOut, SubscriberQuery

router = APIRouter(prefix="/v1/subscribers", tags=["subscriptions"])
Manager = Annotated[Actor, requires("subscribers:manage")]


@router.get(
    "",
    operation_id="listSubscribers",
    summary="List subscribers",
    response_model=ListOut[SubscriberOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[SubscriberQuery, Query()], actor: Manager) -> Response:
    """Addresses with subscriptions, newest first, also those that wait to be confirmed."""
    unlimited(actor)
    page = await database(request).scan(queries.page, query)
    return reply_list(
        request, ListOut[SubscriberOut], page, chosen(SubscriberOut, query.fields), groups=(), private=True
    )


@router.get(
    "/{subscriber}",
    operation_id="getSubscriber",
    summary="Get a subscriber",
    response_model=OneSubscriberOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def show(request: Request, subscriber: IdPath, query: Annotated[ReadQuery, Query()], actor: Manager) -> Response:
    """One of them with all that it is subscribed to."""
    unlimited(actor)
    found = await database(request).scan(queries.shown, subscriber)
    body = dump(OneSubscriberOut, found, chosen(OneSubscriberOut, query.fields))
    return reply(request, body, groups=(), private=True)


@router.delete(
    "/{subscriber}",
    operation_id="deleteSubscriber",
    summary="Delete a subscriber",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def delete(request: Request, subscriber: IdPath, actor: Manager) -> Response:
    """Forget the address and end its subscriptions. It may subscribe again: `POST /v1/suppressions` prevents that."""
    return await write(request, actor, actions.delete, subscriber, status=204)
