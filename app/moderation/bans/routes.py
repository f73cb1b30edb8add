"""Bans over HTTP."""

from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized, documented
from app.moderation.bans import actions, queries
from app.moderation.bans.schemas import BanIn, BanOut, BanQuery, is_network_address

router = APIRouter(prefix="/v1/bans", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]
IMPOSES = documented(Unauthorized, Forbidden, Invalid, actions.AlreadyBanned)


@router.get(
    "",
    operation_id="listBans",
    summary="List bans",
    response_model=ListOut[BanOut],
    responses=documented(Unauthorized, Forbidden),
)
async def index(request: Request, query: Annotated[BanQuery, Query()], actor: Moderator) -> Response:
    """All bans, newest first; those that have ended stay in the list until they are lifted."""
    page = await database(request).scan(queries.page, query)
    return reply_list(request, ListOut[BanOut], page, chosen(BanOut, query.fields), groups=(), private=True)


@router.get(
    "/{ban}",
    operation_id="getBan",
    summary="Get a ban",
    response_model=BanOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def show(request: Request, ban: IdPath, query: Annotated[ReadQuery, Query()], actor: Moderator) -> Response:
    """One ban, also one that has ended."""
    row = await database(request).read(queries.find_ban, ban)
    if row is None:
        raise NotFound
    return reply(request, dump(BanOut, row, chosen(BanOut, query.fields)), groups=(), private=True)


@router.post(
    "", operation_id="createBan", summary="Ban a commenter", status_code=201, response_model=BanOut, responses=IMPOSES
)
async def create(request: Request, body: BanIn, actor: Moderator) -> Response:
    """Exclude somebody from commenting, voting and reporting, by what stands behind a comment or by an address.

    Network addresses are known under salts that change every 30 days, so that such a ban ends after 60 at the latest.
    """
    address = None
    if body.kind == "address" and body.value is not None and is_network_address(body.value):
        address, _ = request.app.state.vault.address_hashes(str(ip_address(body.value)))
    return await write(
        request,
        actor,
        actions.create,
        body,
        address,
        show=queries.shown,
        model=BanOut,
        status=201,
        location="/v1/bans/{id}",
    )


@router.delete(
    "/{ban}",
    operation_id="liftBan",
    summary="Lift a ban",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def lift(request: Request, ban: IdPath, actor: Moderator) -> Response:
    """Lift a ban."""
    return await write(request, actor, actions.lift, ban, status=204)
