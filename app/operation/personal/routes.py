"""What is stored about the caller, over HTTP."""

from typing import cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.identity.actions import Callers
from app.identity.routes import Own, Public, write
from app.kit.http import database, dump, reply
from app.kit.problems import Forbidden, Unauthorized, documented
from app.operation.personal import actions, queries
from app.operation.personal.schemas import PersonalData

router = APIRouter(prefix="/v1/me", tags=["privacy"])


@router.get("/data", response_model=PersonalData, responses=documented(Unauthorized, Forbidden))
async def show(request: Request, actor: Own) -> Response:
    """Everything that is stored about the caller.

    With a guest token: what was done with that token; the e-mail that was typed with it proves nothing. With a JWT of
    the publication's site that says `email_verified`, or with the manage token of subscriptions: also all to whom that
    e-mail was proven, and every comment and report that bears it. Of a JWT without it: what that reader did. At most
    10,000 entries of each kind.
    """
    found = await database(request).scan(queries.everything, actor)
    return reply(request, dump(PersonalData, found), groups=(), private=True)


@router.delete("/data", status_code=204, responses=documented(Unauthorized, Forbidden))
async def erase(request: Request, actor: Public) -> Response:
    """Erase all of it for good: texts, names, e-mails, votes, reactions, reports and appeals; the token ends.

    Comments that were answered keep their place as tombstones that hold nothing. What moderators decided stays in
    their log without words, and a ban stays where it needs no name: on a network address, or as the hash of an e-mail.
    That an address wants no mail stays as well, as a hash.
    """
    answer = await write(request, actor, actions.erase_me, status=204)
    cast(Callers, request.app.state.callers).forget(actor.id)
    return answer
