"""What a reader wrote, and what others replied to it."""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa

from app.articles.discussion_settings import RULE_COLUMNS, join_discussion
from app.articles.reading import ARTICLE
from app.comments.reading import COLUMNS, TABLES, C, CommentRow, FoundComment, present_comment, present_to_author
from app.comments.schemas import OwnQuery, OwnRepliesQuery
from app.db.rows import JsonObject, Statement
from app.identity.participants import find_caller
from app.identity.schemas import Actor
from app.web.paging import Page, PageInfo, Sort, fetch_page, map_page

_NEWEST = Sort("-created_at", descending=True)
_NOBODY = "00000000-0000-0000-0000-000000000000"
_STATE = next(column for column in RULE_COLUMNS if column.key == "set_state")
_MINE = C.alias("mine")


class OwnReplies(NamedTuple):
    """A page of replies, and how many came after the time that was asked for."""

    page: Page[JsonObject]
    unread: int


def _participant_of(connection: sa.Connection, actor: Actor) -> str:
    """Return the id of the participant behind a caller; one that nobody has for those who never wrote."""
    participant = find_caller(connection, actor)
    return participant["id"] if participant else _NOBODY


def _present_own(row: FoundComment) -> JsonObject:
    """Return a comment as its author sees it; of a removed one only that it was there."""
    if row["state"] == "removed":
        return {**present_comment(row), "source": None}
    return {**present_to_author(row), "source": row["source"]}


def list_own_comments(connection: sa.Connection, actor: Actor, query: OwnQuery) -> Page[JsonObject]:
    """List what a reader wrote, in every state, newest first."""
    mine = _participant_of(connection, actor)
    statement = sa.select(*COLUMNS, C.c.listed, C.c.source).select_from(TABLES).where(C.c.participant_id == mine)
    page = fetch_page(connection, statement, _NEWEST, C.c.created_at, query, FoundComment, within=mine)
    return map_page(page, _present_own)


@lru_cache(1)
def _select_replies() -> Statement:
    """Select what others replied to a reader's comments, where readers see it."""
    tables = join_discussion(TABLES.join(ARTICLE, ARTICLE.c.id == C.c.article_id), tally=False)
    tables = tables.join(_MINE, _MINE.c.id == C.c.parent_id)
    reader = sa.bindparam("reader", type_=C.c.participant_id.type)
    is_shown = ARTICLE.c.public & (sa.func.coalesce(_STATE, "open") != "hidden") & (C.c.state == "published")
    is_other = C.c.participant_id.is_(None) | (C.c.participant_id != reader)
    return sa.select(*COLUMNS).select_from(tables).where(_MINE.c.participant_id == reader, is_shown, is_other)


def list_replies_to_own(connection: sa.Connection, actor: Actor, query: OwnRepliesQuery) -> OwnReplies:
    """List what others replied to a reader's comments, newest first, since a time if one is given."""
    reader, since = _participant_of(connection, actor), query.since
    statement = _select_replies().params(reader=reader)
    if since is not None:
        statement = statement.where(C.c.created_at > _bind_time(since))
    page = fetch_page(connection, statement, _NEWEST, C.c.created_at, query, CommentRow, within=reader)
    is_all = query.cursor is None and page["page"]["next"] is None
    unread = len(page["data"]) if is_all else _count(connection, statement)
    return OwnReplies(map_page(page, present_comment), unread)


def _bind_time(since: datetime) -> sa.ColumnElement[datetime]:
    return sa.literal(since, C.c.created_at.type)


def _count(connection: sa.Connection, statement: Statement) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(statement.subquery())).scalar_one())


def present_replies(replies: OwnReplies) -> dict[str, list[JsonObject] | PageInfo | int]:
    """Return replies as `OwnRepliesOut`."""
    return {"data": replies.page["data"], "page": replies.page["page"], "unread": replies.unread}
