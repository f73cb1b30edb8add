"""Bans and watched phrases over HTTP."""

from ipaddress import ip_address
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from app.core.ids import IdPath
from app.core.problems import document_problems
from app.identity.access import ExpectedVersions, Moderator
from app.identity.services import IdentityServices
from app.identity.writes import write
from app.moderation import bans, phrases
from app.moderation.rule_schemas import (
    BanIn,
    BanOut,
    BanQuery,
    PhraseIn,
    PhraseOut,
    PhrasePatch,
    PhraseQuery,
    PhrasesIn,
    PhrasesOut,
    is_network_address,
)
from app.web.paging import ListOut
from app.web.responses import database, reply_private, reply_private_list
from app.web.routing import ReadParameters, Router

bans_router = Router(prefix="/v1/bans", tags=["moderation"])
CREATE_BAN_RESPONSES = document_problems(bans.AlreadyBanned)


@bans_router.get("", summary="List bans", response_model=ListOut[BanOut])
async def list_bans(request: Request, query: Annotated[BanQuery, Query()], actor: Moderator) -> Response:
    """List bans, newest first. Expired bans stay in the list until they are lifted.

    Moderators of some sections see bans of people who wrote there.
    """
    page = await database(request).scan(bans.list_bans, actor, query)
    return reply_private_list(request, ListOut[BanOut], page, query)


@bans_router.get("/{ban}", summary="Get a ban", response_model=BanOut)
async def get_ban(request: Request, ban: IdPath, query: ReadParameters, actor: Moderator) -> Response:
    """Get a ban, expired or not."""
    row = await database(request).scan(bans.find_ban, actor, ban)
    return reply_private(request, BanOut, row, query)


@bans_router.post("", summary="Ban a commenter", status_code=201, response_model=BanOut, responses=CREATE_BAN_RESPONSES)
async def create_ban(request: Request, body: BanIn, actor: Moderator) -> Response:
    """Exclude somebody from commenting, voting and reporting, by a comment of theirs or by an address.

    Network addresses are stored as hashes under salts that rotate every 30 days, so such a ban lasts 60 days at
    most.
    """
    address = None
    if body.kind == "address" and body.value is not None and is_network_address(body.value):
        address, _ = IdentityServices.of(request).vault.hash_address(str(ip_address(body.value)))
    return await write(
        request,
        actor,
        bans.create_ban,
        body,
        address,
        render=bans.get_ban,
        model=BanOut,
        status=201,
        location="/v1/bans/{id}",
    )


@bans_router.delete("/{ban}", summary="Lift a ban", status_code=204)
async def lift_ban(request: Request, ban: IdPath, actor: Moderator) -> Response:
    """Lift a ban."""
    return await write(request, actor, bans.lift_ban, ban, status=204)


phrases_router = Router(prefix="/v1/moderation/phrases", tags=["moderation"])


@phrases_router.get("", summary="List watched phrases", response_model=ListOut[PhraseOut])
async def list_phrases(request: Request, query: Annotated[PhraseQuery, Query()], actor: Moderator) -> Response:
    """List watched phrases, newest first."""
    page = await database(request).scan(phrases.list_phrases, query)
    return reply_private_list(request, ListOut[PhraseOut], page, query)


@phrases_router.get("/{phrase}", summary="Get a watched phrase", response_model=PhraseOut)
async def get_phrase(request: Request, phrase: IdPath, query: ReadParameters, actor: Moderator) -> Response:
    """Get a watched phrase."""
    row = await database(request).read(phrases.find_phrase, phrase)
    return reply_private(request, PhraseOut, row, query, versioned=True)


@phrases_router.post(
    "",
    summary="Watch for a phrase",
    status_code=201,
    response_model=PhraseOut,
    responses=document_problems(phrases.TooManyPhrases),
)
async def create_phrase(request: Request, body: PhraseIn, actor: Moderator) -> Response:
    """Watch for a phrase in comments, author names and links. Existing comments are not checked again."""
    location = "/v1/moderation/phrases/{id}"
    return await write(
        request,
        actor,
        phrases.create_phrase,
        body,
        render=phrases.get_phrase,
        model=PhraseOut,
        status=201,
        location=location,
    )


@phrases_router.post(
    "/bulk",
    summary="Watch for many phrases",
    response_model=PhrasesOut,
    responses=document_problems(phrases.TooManyPhrases),
)
async def create_phrases(request: Request, body: PhrasesIn, actor: Moderator) -> Response:
    """Watch for up to 500 phrases, all of them or none. The response lists the new ones.

    Phrases that exist already, with the same text and `match`, stay as they are.
    """
    return await write(request, actor, phrases.create_phrases, body, render=phrases.list_created, model=PhrasesOut)


@phrases_router.patch("/{phrase}", summary="Change a watched phrase", response_model=PhraseOut)
async def update_phrase(
    request: Request, phrase: IdPath, body: PhrasePatch, versions: ExpectedVersions, actor: Moderator
) -> Response:
    """Change a phrase by RFC 7396 merge patch."""
    return await write(
        request, actor, phrases.update_phrase, phrase, body, versions, render=phrases.get_phrase, model=PhraseOut
    )


@phrases_router.delete("/{phrase}", summary="Delete a watched phrase", status_code=204)
async def delete_phrase(request: Request, phrase: IdPath, versions: ExpectedVersions, actor: Moderator) -> Response:
    """Stop watching for a phrase."""
    return await write(request, actor, phrases.delete_phrase, phrase, versions, status=204)
