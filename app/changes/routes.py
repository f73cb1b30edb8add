"""The change feed over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.changes import changes
from app.changes.schemas import ChangeOut, ChangesOut, ChangesQuery, CursorExpired
from app.core.problems import document_problems
from app.identity.access import Public
from app.identity.services import IdentityServices
from app.web.fields import parse_fields
from app.web.responses import database, reply_list, settings

router = APIRouter(prefix="/v1", tags=["syndication"])


@router.get(
    "/changes",
    operation_id="listChanges",
    summary="List changes of public content",
    response_model=ChangesOut,
    responses=document_problems(CursorExpired),
)
async def list_changes(request: Request, query: Annotated[ChangesQuery, Query()], actor: Public) -> Response:
    """What of the public content changed since a cursor, oldest first, without a gap. Nothing is told that is not, or
    was not, public.

    Begin with `/v1/export.ndjson` and follow from the cursor in its first line: what it then tells once more does no
    harm if `upsert` is taken as “read it again”. An article that you do not hold comes with its discussion, one that is
    withdrawn takes it along. Articles show names, pictures and notices: a change of these changes the articles that
    show them, and a `discussion` those that it is for, without a line for each. Changes are kept for a hundred days.
    """
    fields, types = parse_fields(ChangeOut, query.fields), query.chosen_types()
    log = IdentityServices.of(request).vault.log_name()
    is_replica = bool(settings(request).read_database_url)

    def find(connection: sa.Connection) -> dict[str, Any]:
        begin = changes.start(connection, log, query.cursor, is_replica=is_replica)
        return changes.page(connection, begin, log, types, query.limit)

    page = await database(request).read(find)
    return reply_list(request, ChangesOut, page, fields, groups=(), private=True)
