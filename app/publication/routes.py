"""How sections, tags, authors and series are answered: the same headers for all of them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.identity.routes import VERSIONED, requires
from app.identity.schemas import Actor
from app.kit.fields import chosen
from app.kit.http import ReadQuery, database, dump, reply
from app.kit.problems import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    documented,
)
from app.publication.actions import InUse, SlugTaken

Reading = Annotated[ReadQuery, Query()]
Reader = Annotated[Actor, requires("content:read")]
Writer = Annotated[Actor, requires("content:write")]
COUNTED = "articles"  # numbers of articles move with the articles' own facts

READS = documented(NotFound)
CREATES = documented(Unauthorized, Forbidden, SlugTaken, Invalid, Conflict)
CHANGES = documented(*VERSIONED, SlugTaken, Invalid)
DELETES = documented(*VERSIONED, InUse)


async def show(
    request: Request,
    read: Callable[[sa.Connection, str], sa.RowMapping | None],
    ref: str,
    model: type[BaseModel],
    query: ReadQuery,
    *,
    present: Callable[[sa.RowMapping], Mapping[str, Any]] = dict,
    own: str = "",
    groups: tuple[str, ...] = (),
) -> Response:
    """One row by id or slug, or 404. Public where `own` names its own cache group, as `tag` in `tag:{id}`."""
    fields = chosen(model, query.fields)
    row = await database(request).read(read, ref)
    if row is None:
        raise NotFound
    return reply(
        request,
        dump(model, present(row), fields),
        groups=(f"{own}:{row['id']}", *groups),
        version=row["version"],
        modified=row["updated_at"],
        private=not own,
    )
