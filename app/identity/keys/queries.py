"""Reading API keys."""

from typing import Any

import sqlalchemy as sa

from app.identity.keys.tables import ApiKey
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.schema import Row, table_of

_KEY = table_of(ApiKey)
NEWEST = Sort("-created_at", descending=True)
_BY_HASH = sa.select(_KEY).where(_KEY.c.hash == sa.bindparam("hash"))
_BY_ID = sa.select(_KEY).where(_KEY.c.id == sa.bindparam("id"))


def by_hash(connection: sa.Connection, digest: str) -> Row | None:
    """The key with this hash, revoked and expired ones too."""
    return connection.execute(_BY_HASH, {"hash": digest}).mappings().first()


def by_id(connection: sa.Connection, key_id: str) -> sa.RowMapping | None:
    """One key, or None."""
    return connection.execute(_BY_ID, {"id": key_id}).mappings().first()


def reserved() -> sa.ColumnElement[bool]:
    """Whether a key that works looks like one of the parameters `a`, `b` and `c`, which hold skeletons of a name."""
    looks = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
    return sa.exists().where(_KEY.c.skeleton.in_(looks), _KEY.c.revoked_at.is_(None))


def page(connection: sa.Connection, asked: PageQuery) -> dict[str, Any]:
    """A page of keys, newest first."""
    return fetch(connection, sa.select(_KEY), NEWEST, _KEY.c.created_at, asked)
