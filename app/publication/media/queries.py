"""Reading media."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from app.kit.ids import is_id
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.schema import table_of
from app.publication.media.schemas import public
from app.publication.media.tables import Media

_MEDIA = table_of(Media)
_BY_ID = sa.select(_MEDIA).where(_MEDIA.c.id == sa.bindparam("id"))
NEWEST = Sort("-created_at", descending=True)


def by_ref(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One picture by id, or None; pictures have no slugs."""
    return connection.execute(_BY_ID, {"id": ref}).mappings().first() if is_id(ref) else None


def present(row: Mapping[Any, Any], api: str) -> dict[str, Any]:
    """A row in the shape of `MediaOut`, its files at the address of this API."""
    return {**row, **public(row, api), "warnings": []}


def shown(connection: sa.Connection, media_id: str, api: str) -> dict[str, Any]:
    """A picture that was just written, in the shape of `MediaOut`."""
    return present(connection.execute(_BY_ID, {"id": media_id}).mappings().one(), api)


def find_sizes(connection: sa.Connection, keys: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
    """Width and height of stored pictures by the keys of their files."""
    if not keys:
        return {}
    columns = (_MEDIA.c.key, _MEDIA.c.width, _MEDIA.c.height)
    rows = connection.execute(sa.select(*columns).where(_MEDIA.c.key.in_(sorted(keys))))
    return {row.key: (row.width, row.height) for row in rows}


def page(connection: sa.Connection, asked: PageQuery, api: str) -> dict[str, Any]:
    """A page of pictures, newest first."""
    found = fetch(connection, sa.select(_MEDIA), NEWEST, _MEDIA.c.created_at, asked)
    return {**found, "data": [present(row, api) for row in found["data"]]}


def is_stored(connection: sa.Connection, key: str) -> bool:
    """Whether any picture has this file."""
    return connection.execute(sa.select(_MEDIA.c.id).where(_MEDIA.c.key == key).limit(1)).first() is not None
