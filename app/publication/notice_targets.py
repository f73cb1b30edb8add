"""Reading notices, and finding their targets."""

from datetime import datetime
from typing import Literal, Protocol, TypedDict

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.core.ids import is_id
from app.db.columns import table_of
from app.db.rows import Statement, fetch_row, get_row
from app.identity.schemas import Actor
from app.publication.references import TERM_TABLES, resolve_reference
from app.publication.schemas import NoticeQuery, NoticeScope, Placement
from app.publication.tables import Notice
from app.publication.term_queries import is_section_shown
from app.web.paging import Page, Sort, fetch_page

_NOTICE = table_of(Notice)
_BY_ID = sa.select(_NOTICE).where(_NOTICE.c.id == sa.bindparam("id"))
NEWEST_FIRST = Sort("-created_at", descending=True)


TargetScope = Literal["section", "series", "author", "article"]


class NoticeRow(TypedDict):
    """A notice as it is stored."""

    id: str
    scope: NoticeScope
    target_id: str | None
    placement: Placement
    html: str
    text: str
    position: int
    version: int
    created_at: datetime
    updated_at: datetime


class NoticeTarget(TypedDict):
    """The term or article that a notice is shown with."""

    id: str
    section_id: str | None  # of an article; of a section its own id
    shown: bool  # whether readers see it, now or at a set time


class NoticeArticles(Protocol):
    """The articles that notices stand with, which the room above has."""

    def find(self, connection: sa.Connection, ref: str) -> NoticeTarget | None:
        """Find an article by id or slug."""

    def select_visible(self, actor: Actor) -> Statement:
        """SELECT the ids of the articles that a caller may see."""


def find_target(
    connection: sa.Connection,
    articles: NoticeArticles,
    scope: TargetScope,
    ref: str,
) -> NoticeTarget | None:
    """Find the target of a notice by id, slug or former slug, or return None."""
    if scope == "article":
        return articles.find(connection, ref)
    reference = resolve_reference(connection, scope, ref)
    if reference is None:
        return None
    if scope == "section":
        shown = is_section_shown(connection, reference.id)
        return {"id": reference.id, "section_id": reference.id, "shown": shown}
    table = TERM_TABLES[scope]
    shown = connection.execute(sa.select(table.c.shown > 0).where(table.c.id == reference.id)).scalar_one()
    return {"id": reference.id, "section_id": None, "shown": shown}


def _visible_to(actor: Actor, articles: NoticeArticles) -> ColumnElement[bool]:
    """Restrict notices for keys that are limited to sections: none on drafts of other sections."""
    if actor.draft_sections is None:
        return sa.true()
    return (_NOTICE.c.scope != "article") | _NOTICE.c.target_id.in_(articles.select_visible(actor))


def find_notice(connection: sa.Connection, actor: Actor, articles: NoticeArticles, notice_id: str) -> NoticeRow | None:
    """Find a notice that the caller may read."""
    query = _BY_ID.where(_visible_to(actor, articles))
    return fetch_row(connection, query, NoticeRow, {"id": notice_id}) if is_id(notice_id) else None


def get_notice(connection: sa.Connection, notice_id: str) -> NoticeRow:
    """Return a notice by id."""
    return get_row(connection, _BY_ID, NoticeRow, {"id": notice_id})


def list_notices(
    connection: sa.Connection, actor: Actor, articles: NoticeArticles, query: NoticeQuery
) -> Page[NoticeRow]:
    """Return a page of the notices that the caller may read, newest first."""
    statement = sa.select(_NOTICE).where(_visible_to(actor, articles))
    if query.scope is not None:
        statement = statement.where(_NOTICE.c.scope == query.scope)
    if query.target_id is not None:
        statement = statement.where(_NOTICE.c.target_id == query.target_id if is_id(query.target_id) else sa.false())
    return fetch_page(connection, statement, NEWEST_FIRST, _NOTICE.c.created_at, query, NoticeRow)
