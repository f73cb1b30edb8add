"""Shared responses of terms, notices and pictures."""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from app.core.models import BaseModel
from app.core.problems import Conflict, NotFound, Responses, document_problems
from app.db.rows import JsonObject
from app.publication.references import PLURALS, TERM_TABLES, Kind, resolve_reference
from app.publication.terms import InUse, NameTaken, SlugTaken
from app.web.fields import dump_json, parse_fields
from app.web.paging import ReadQuery
from app.web.responses import database, redirect, reply

COUNTS_GROUP = "articles"  # counts change with articles' events

R = TypeVar("R", bound=Mapping[str, object])

REDIRECT_RESPONSE: Responses = {301: {"description": "A former slug; `Location` has the present URL."}}
CREATE_RESPONSES = document_problems(SlugTaken, NameTaken, Conflict)
UPDATE_RESPONSES = document_problems(SlugTaken, NameTaken)
DELETE_RESPONSES = document_problems(InUse)


async def reply_row(
    request: Request,
    read: Callable[[sa.Connection, str], R | None],
    ref: str,
    model: type[BaseModel],
    query: ReadQuery,
    *,
    present: Callable[[R], JsonObject] = dict,
    own: str = "",
    groups: tuple[str, ...] = (),
) -> Response:
    """Return one row by id or slug, or 404. Public if `own` names its cache group, as `tag` in `tag:{id}`."""
    fields = parse_fields(model, query.fields)
    row = await database(request).read(read, ref)
    if row is None:
        if own in TERM_TABLES:
            return await redirect_former_slug(request, cast(Kind, own), ref, "/v1/{plural}/{slug}")
        raise NotFound
    return reply(
        request,
        dump_json(model, present(row), fields),
        groups=(f"{own}:{row['id']}", *groups),
        version=cast(int, row["version"]),
        private=not own,
    )


async def redirect_former_slug(request: Request, kind: Kind, ref: str, path: str) -> Response:
    """Redirect from a former slug of a term, or 404; `path` is filled with `plural` and `slug`."""
    reference = await database(request).read(resolve_reference, kind, ref)
    if reference is None:
        raise NotFound
    plural = PLURALS[kind]
    return redirect(request, path.format(plural=plural, slug=reference.slug), (plural, f"{kind}:{reference.id}"))
