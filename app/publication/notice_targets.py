"""Reading notices, and finding their targets."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

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
_FIND_TERM: Final[Mapping[str, Callable[[sa.Connection, str], sa.RowMapping | None]]] = MappingProxyType(
    {"section": section, "series": series, "author": author}
)


class NoticeArticles(Protocol):
    """The articles that notices stand with, which the room above has."""

    def find(self, connection: sa.Connection, ref: str) -> sa.RowMapping | None:
        """Find an article by id or slug: `id`, `section_id`, and whether it is `shown`, now or at a set time."""

    def select_visible(self, actor: Actor) -> sa.Select[Any]:
        """SELECT the ids of the articles that a caller may see."""


def find_target(connection: sa.Connection, articles: NoticeArticles, scope: str, ref: str) -> sa.RowMapping | None:
    """Find what a notice stands with by id or slug, or None."""
    return articles.find(connection, ref) if scope == "article" else _FIND_TERM[scope](connection, ref)


def _visible_to(actor: Actor, articles: NoticeArticles) -> ColumnElement[bool]:
    """Restrict notices for keys that are limited to sections: none on drafts of other sections."""
    if actor.sections is None:
        return sa.true()
    return (_NOTICE.c.scope != "article") | _NOTICE.c.target_id.in_(articles.select_visible(actor))


def find_notice(
    connection: sa.Connection, actor: Actor, articles: NoticeArticles, notice_id: str
) -> sa.RowMapping | None:
    """Find a notice that the caller may read."""
    query = _BY_ID.where(_visible_to(actor, articles))
    return connection.execute(query, {"id": notice_id}).mappings().first() if is_id(notice_id) else None


def get_notice(connection: sa.Connection, notice_id: str) -> sa.RowMapping:
    """Return a notice by id."""
    return connection.execute(_BY_ID, {"id": notice_id}).mappings().one()


def list_notices(
    connection: sa.Connection, actor: Actor, articles: NoticeArticles, query: NoticeQuery
) -> dict[str, Any]:
    """Return a page of the notices that the caller may read, newest first."""
    statement = sa.select(_NOTICE).where(_visible_to(actor, articles))
    if query.scope is not None:
        statement = statement.where(_NOTICE.c.scope == query.scope)
    if query.target_id is not None:
        statement = statement.where(_NOTICE.c.target_id == query.target_id if is_id(query.target_id) else sa.false())
    return fetch_page(connection, statement, NEWEST_FIRST, _NOTICE.c.created_at, query)
