"""Phrases over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import VERSIONED, Versions, requires, write
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply, reply_list
from app.kit.ids import IdPath
from app.kit.paging import ListOut
from app.kit.problems import (
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    documented,
)
from app.moderation.phrases import actions, queries
from app.moderation.phrases.schemas import PhraseIn, PhraseOut, PhrasePatch, PhraseQuery, PhrasesIn, PhrasesOut

router = APIRouter(prefix="/v1/moderation/phrases", tags=["moderation"])
Moderator = Annotated[Actor, requires("comments:moderate")]
LISTS = documented(Unauthorized, Forbidden)
DELETES = documented(*VERSIONED)


@router.get(
    "", operation_id="listPhrases", summary="List watched phrases", response_model=ListOut[PhraseOut], responses=LISTS
)
async def index(request: Request, query: Annotated[PhraseQuery, Query()], actor: Moderator) -> Response:
    """The phrases that are watched for, newest first."""
    page = await database(request).scan(queries.page, query)
    return reply_list(request, ListOut[PhraseOut], page, chosen(PhraseOut, query.fields), groups=(), private=True)


@router.get(
    "/{phrase}",
    operation_id="getPhrase",
    summary="Get a watched phrase",
    response_model=PhraseOut,
    responses=documented(Unauthorized, Forbidden, NotFound),
)
async def show(request: Request, phrase: IdPath, query: Annotated[ReadQuery, Query()], actor: Moderator) -> Response:
    """One phrase."""
    row = await database(request).read(queries.by_id, phrase)
    if row is None:
        raise NotFound
    body = dump(PhraseOut, row, chosen(PhraseOut, query.fields))
    return reply(request, body, version=row["version"], groups=(), private=True)


@router.post(
    "",
    operation_id="createPhrase",
    summary="Watch for a phrase",
    status_code=201,
    response_model=PhraseOut,
    responses=documented(Unauthorized, Forbidden, Invalid, actions.TooManyPhrases),
)
async def create(request: Request, body: PhraseIn, actor: Moderator) -> Response:
    """Watch for a phrase in comments, names of authors and links; what stands already is not judged again."""
    location = "/v1/moderation/phrases/{id}"
    return await write(
        request, actor, actions.create, body, show=queries.shown, model=PhraseOut, status=201, location=location
    )


@router.post(
    "/bulk",
    operation_id="createPhrases",
    summary="Watch for many phrases",
    response_model=PhrasesOut,
    responses=documented(Unauthorized, Forbidden, Invalid, actions.TooManyPhrases),
)
async def create_many(request: Request, body: PhrasesIn, actor: Moderator) -> Response:
    """Watch for up to 500 phrases, all of them or none; answers those that are new.

    What is watched for already, by the same text and `match`, stays as it is.
    """
    return await write(request, actor, actions.create_many, body, show=queries.list_made, model=PhrasesOut)


@router.patch(
    "/{phrase}",
    operation_id="updatePhrase",
    summary="Change a watched phrase",
    response_model=PhraseOut,
    responses=DELETES | documented(Invalid),
)
async def change(request: Request, phrase: IdPath, body: PhrasePatch, versions: Versions, actor: Moderator) -> Response:
    """Change a phrase by RFC 7396 merge patch."""
    return await write(request, actor, actions.change, phrase, body, versions, show=queries.shown, model=PhraseOut)


@router.delete(
    "/{phrase}", operation_id="deletePhrase", summary="Delete a watched phrase", status_code=204, responses=DELETES
)
async def delete(request: Request, phrase: IdPath, versions: Versions, actor: Moderator) -> Response:
    """Watch for a phrase no longer."""
    return await write(request, actor, actions.delete, phrase, versions, status=204)
