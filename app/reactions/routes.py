"""Routes of votes and reactions."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.comments.routes import hash_address
from app.core.ids import IdPath, RefPath
from app.core.problems import FORBIDDEN, Forbidden, NotFound, Unauthorized, document_problems
from app.db.rows import JsonObject
from app.identity.access import SelfService, count_write, require_admission
from app.identity.schemas import Actor
from app.identity.writes import write
from app.reactions import reactions
from app.reactions.reactions import OwnComment, check_may_vote
from app.reactions.schemas import MyVotesOut, MyVotesQuery, ReactionIn, ReactionOut, VoteIn, VoteOut, Voter
from app.reactions.services import ReactionServices
from app.web.fields import dump_json
from app.web.responses import database, reply, settings
from app.web.routing import Router

router = Router(prefix="/v1", tags=["reactions"])


async def _admit(request: Request, actor: Actor) -> None:
    """Refuse callers who may not vote, and count the request before its body is read."""
    check_may_vote(actor)
    await count_write(request, actor)


Participant = Annotated[Actor, require_admission(_admit)]


def _voter(request: Request, actor: Actor) -> Voter:
    services = ReactionServices.of(request)
    return Voter(actor, services.vault, services.bans, hash_address(request))


def _show_result(_connection: sa.Connection, result: JsonObject) -> JsonObject:
    return result


@router.put(
    "/comments/{comment}/vote",
    summary="Vote on a comment",
    response_model=VoteOut,
    responses=document_problems(Forbidden, OwnComment),
)
async def vote_on_comment(request: Request, comment: IdPath, body: VoteIn, actor: Participant) -> Response:
    """Vote on a comment with 1 or -1, or withdraw the vote with 0. Each token has one vote per comment, and none on its
    own comments.

    `POST /v1/guests` creates a token for those who have not written anything. Of guests without a confirmed e-mail
    address behind one network address, only one is counted within 24 hours.
    """
    voter = _voter(request, actor)

    def cast(session: Session, _actor: Actor) -> JsonObject:
        return reactions.vote_on_comment(session, voter, comment, body.value)

    return await write(request, actor, cast, render=_show_result, model=VoteOut)


@router.put(
    "/articles/{article}/reaction", summary="React to an article", response_model=ReactionOut, responses=FORBIDDEN
)
async def set_reaction(request: Request, article: RefPath, body: ReactionIn, actor: Participant) -> Response:
    """React to an article with one of the names in its `reactions`, or withdraw the reaction with null.

    Each token has one reaction per article; `POST /v1/guests` creates a token. Guests are counted as for votes.
    """
    voter, names = _voter(request, actor), settings(request).reactions

    def choose(session: Session, _actor: Actor) -> JsonObject:
        return reactions.set_reaction(session, voter, article, body.value, names)

    return await write(request, actor, choose, render=_show_result, model=ReactionOut)


@router.get(
    "/me/votes",
    summary="Get one's own votes on an article",
    response_model=MyVotesOut,
    responses=document_problems(Forbidden, NotFound),
)
async def get_own_votes(request: Request, query: Annotated[MyVotesQuery, Query()], actor: SelfService) -> Response:
    """Get the caller's reaction to an article and their votes on its comments."""
    if actor.is_anonymous:
        raise Unauthorized("Send the token that you vote with.")
    if actor.kind == "edit":
        raise Forbidden("An edit token is valid for its comment only. Send the token that you vote with.")
    own = await database(request).scan(reactions.get_own_votes, actor, query.article)
    return reply(request, dump_json(MyVotesOut, own), groups=(), private=True)
