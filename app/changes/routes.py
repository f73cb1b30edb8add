"""The change feed over HTTP."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from app.changes import changes
from app.changes.schemas import ChangeOut, ChangesOut, ChangesQuery, CursorExpired
from app.core.clock import unix_time
from app.core.problems import Unavailable, document_problems
from app.db.base import require_primary
from app.db.rows import JsonObject
from app.events.cache_groups import LOG_GROUP
from app.identity.access import Public
from app.identity.services import IdentityServices
from app.web.fields import parse_fields
from app.web.keeping import KEPT_FOR, KEPT_UNTIL
from app.web.responses import database, reply_page
from app.web.routing import Router

KEPT_SECONDS = 60.0  # in which a page stays as it is if nothing happens: then events may be too old to be listed
router = Router(prefix="/v1", tags=["syndication"])


@router.get(
    "/changes",
    summary="List changes of public content",
    response_model=ChangesOut,
    responses=document_problems(CursorExpired),
)
async def list_changes(request: Request, query: Annotated[ChangesQuery, Query()], actor: Public) -> Response:
    """List changes of public content since a cursor, oldest first and without gaps.

    Start with `/v1/export.ndjson`, and continue from the cursor in its first line. Some changes after it may be in the
    export already, which is harmless if `upsert` means “read it again”. With a new article read its discussion, too;
    with a withdrawn one delete it. Articles contain names, pictures and notices: a change of these affects every
    article that shows them, and a `discussion` all articles that it applies to, without changes of their own. Changes
    are kept for 100 days.
    """
    fields, types = parse_fields(ChangeOut, query.fields), query.chosen_types()
    log = IdentityServices.of(request).vault.log_name()
    db = database(request)
    is_replica = db.choose_replica() is not None

    def find(connection: sa.Connection, *, is_replica: bool) -> JsonObject:
        begin = changes.find_start(connection, log, query.cursor, is_replica=is_replica)
        return changes.list_changes(connection, begin, log, types, query.limit)

    try:
        page = await db.read(find, is_replica=is_replica)
    except Unavailable:
        if not is_replica:
            raise
        require_primary()  # whose page the follower had before
        page = await db.read(find, is_replica=False)
    if not is_replica:  # whose log ends elsewhere than the one that is followed
        request.scope["state"] |= {KEPT_FOR: (LOG_GROUP,), KEPT_UNTIL: unix_time() + KEPT_SECONDS}
    return reply_page(request, page, fields, groups=(), private=True)
