"""Series over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.identity.routes import Public, Versions, write
from app.kit.fields import chosen
from app.kit.http import database, reply_list
from app.kit.paging import ListOut
from app.publication import routes
from app.publication.routes import CHANGES, COUNTED, CREATES, DELETES, Reading, Writer
from app.publication.schemas import TermQuery
from app.publication.series import actions, queries
from app.publication.series.schemas import SeriesIn, SeriesOut, SeriesPatch

router = APIRouter(prefix="/v1/series", tags=["series"])


@router.get(
    "", operation_id="listSeries", summary="List series", response_model=ListOut[SeriesOut], responses=routes.READS
)
async def index(request: Request, query: Annotated[TermQuery, Query()], actor: Public) -> Response:
    """Series with their numbers of public articles."""
    fields = chosen(SeriesOut, query.fields)
    page = await database(request).read(queries.page, query)
    return reply_list(request, ListOut[SeriesOut], page, fields, groups=("series", COUNTED))


@router.get(
    "/{series}", operation_id="getSeries", summary="Get a series", response_model=SeriesOut, responses=routes.SHOWS
)
async def show(request: Request, series: str, query: Reading, actor: Public) -> Response:
    """One series, by id or slug; a slug that it had before leads on to the present one."""
    return await routes.show(request, queries.by_ref, series, SeriesOut, query, own="series")


@router.post(
    "",
    operation_id="createSeries",
    summary="Create a series",
    status_code=201,
    response_model=SeriesOut,
    responses=CREATES,
)
async def create(request: Request, body: SeriesIn, actor: Writer) -> Response:
    """Make a series. 409 `name_taken` names the existing one if a series has this name in whatever letter case."""
    return await write(
        request,
        actor,
        actions.create,
        body,
        show=queries.shown,
        model=SeriesOut,
        status=201,
        location="/v1/series/{id}",
    )


@router.patch(
    "/{series}", operation_id="updateSeries", summary="Change a series", response_model=SeriesOut, responses=CHANGES
)
async def change(request: Request, series: str, body: SeriesPatch, versions: Versions, actor: Writer) -> Response:
    """Change a series by RFC 7396 merge patch. The address of an old slug leads on to the new one."""
    return await write(request, actor, actions.change, series, body, versions, show=queries.shown, model=SeriesOut)


@router.delete("/{series}", operation_id="deleteSeries", summary="Delete a series", status_code=204, responses=DELETES)
async def delete(request: Request, series: str, versions: Versions, actor: Writer) -> Response:
    """Delete a series; 409 `in_use` while articles in whatever state are part of it. Its notices go too."""
    return await write(request, actor, actions.delete, series, versions, status=204)
