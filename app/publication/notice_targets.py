"""Reading notices, and asking whether what they are for is there."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.core.ids import is_id
from app.db.columns import table_of
from app.identity.schemas import Actor
from app.publication.schemas import NoticeQuery
from app.publication.tables import Notice
from app.publication.term_queries import find_author as author
from app.publication.term_queries import find_section as section
from app.publication.term_queries import find_series as series
from app.web.paging import Sort, fetch_page

_NOTICE = table_of(Notice)
_BY_ID = sa.select(_NOTICE).where(_NOTICE.c.id == sa.bindparam("id"))
NEWEST_FIRST = Sort("-created_at", descending=True)
# Finds a target by id or slug. Rooms above add theirs in wiring.py: this floor does not know them.
TARGETS: dict[str, Callable[[sa.Connection, str], sa.RowMapping | None]] = {
    "section": section,
    "series": series,
    "author": author,
}
# Selects the ids of those targets that a caller may see, where these are not all of them; filled in wiring.py too.
SEEN: dict[str, Callable[[Actor], sa.Select[Any]]] = {}


def _visible_to(actor: Actor) -> ColumnElement[bool]:
    """A key that is limited to sections is not told what stands with drafts of other sections."""
    hidden = SEEN.items() if actor.sections is not None else ()
    conditions = [(_NOTICE.c.scope != scope) | _NOTICE.c.target_id.in_(ids(actor)) for scope, ids in hidden]
    return sa.and_(sa.true(), *conditions)


def find_notice(connection: sa.Connection, actor: Actor, notice_id: str) -> sa.RowMapping | None:
    """One notice that the caller may see, or None."""
    query = _BY_ID.where(_visible_to(actor))
    return connection.execute(query, {"id": notice_id}).mappings().first() if is_id(notice_id) else None


def get_notice(connection: sa.Connection, notice_id: str) -> sa.RowMapping:
    """A notice that was just written."""
    return connection.execute(_BY_ID, {"id": notice_id}).mappings().one()


def list_notices(connection: sa.Connection, actor: Actor, asked: NoticeQuery) -> dict[str, Any]:
    """A page of the notices that the caller may see, newest first."""
    query = sa.select(_NOTICE).where(_visible_to(actor))
    if asked.scope is not None:
        query = query.where(_NOTICE.c.scope == asked.scope)
    if asked.target_id is not None:
        query = query.where(_NOTICE.c.target_id == asked.target_id if is_id(asked.target_id) else sa.false())
    return fetch_page(connection, query, NEWEST_FIRST, _NOTICE.c.created_at, asked)
