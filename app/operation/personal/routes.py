"""What is stored about the caller, or about somebody known by an e-mail address, over HTTP."""

from typing import Annotated, cast

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.identity.actions import Callers
from app.identity.routes import Own, Public, requires, write
from app.identity.schemas import Actor
from app.identity.secrets.actions import Vault
from app.kit.http import database, dump, reply
from app.kit.problems import Forbidden, Invalid, Unauthorized, documented
from app.operation.personal import actions, queries
from app.operation.personal.schemas import Data, PersonalData, PersonIn

router = APIRouter(prefix="/v1", tags=["privacy"])
Officer = Annotated[Actor, requires("admin")]


@router.get(
    "/me/data",
    operation_id="getOwnData",
    summary="Get one's own data",
    response_model=PersonalData,
    responses=documented(Unauthorized, Forbidden),
)
async def show(request: Request, actor: Own) -> Response:
    """Everything that is stored about the caller.

    With a guest token: what was done with that token; the e-mail that was typed with it proves nothing. With a JWT of
    the publication's site that says `email_verified`, or with the manage token of subscriptions: also all to whom that
    e-mail was proven, and every comment and report that bears it. Of a JWT without it: what that reader did. At most
    10,000 entries of each kind.
    """
    found = await database(request).scan(queries.everything, actor)
    return reply(request, dump(PersonalData, found), groups=(), private=True)


@router.delete(
    "/me/data",
    operation_id="eraseOwnData",
    summary="Erase one's own data",
    status_code=204,
    responses=documented(Unauthorized, Forbidden),
)
async def erase(request: Request, actor: Public) -> Response:
    """Erase all of it for good: texts, names, e-mails, votes, reactions, reports and appeals; the token ends.

    Comments that were answered keep their place as tombstones that hold nothing. What moderators decided stays in
    their log without words, and a ban stays where it needs no name: on a network address, or as the hash of an e-mail.
    That an address wants no mail stays as well, as a hash.
    """
    answer = await write(request, actor, actions.erase_me, status=204)
    cast(Callers, request.app.state.callers).forget(actor.id)
    return answer


def _name_of(request: Request, email: str) -> str:
    """What stands for an address in the audit log: the same each time, and no way back without the server's secret."""
    return cast(Vault, request.app.state.vault).public_id(f"email:{email}")


@router.post(
    "/persons/export",
    operation_id="exportPerson",
    summary="Export a person's data",
    response_model=PersonalData,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def export_person(request: Request, body: PersonIn, actor: Officer) -> Response:
    """Everything that is stored about an e-mail address, for who answers the requests of persons.

    The same as `GET /v1/me/data` gives to who has proven the address. Make sure first that it is theirs. The address
    stands in the body, as addresses of requests are logged on their way; the audit log has a pseudonym of it.
    """
    await database(request).write(lambda session: actions.note_export(session, actor, _name_of(request, body.email)))

    def find(connection: sa.Connection) -> Data:
        return queries.export_person(connection, queries.person_with(connection, body.email))

    whole = await database(request).scan(find)
    return reply(request, dump(PersonalData, whole), groups=(), private=True)


@router.post(
    "/persons/erase",
    operation_id="erasePerson",
    summary="Erase a person's data",
    status_code=204,
    responses=documented(Unauthorized, Forbidden, Invalid),
)
async def erase_person(request: Request, body: PersonIn, actor: Officer) -> Response:
    """Erase all that is stored about an e-mail address, for who answers the requests of persons.

    The same as `DELETE /v1/me/data` by who has proven the address: comments that were answered become tombstones, bans
    and the wish for no mail stay as hashes. 204 also where nothing was stored.
    """
    erased: list[str] = []

    def erase(session: Session, caller: Actor) -> None:
        erased.extend(actions.erase_person(session, caller, body.email, _name_of(request, body.email)))

    answer = await write(request, actor, erase, status=204)
    for participant_id in erased:
        cast(Callers, request.app.state.callers).forget(participant_id)
    return answer
