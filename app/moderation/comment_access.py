"""Comments as moderators see them, and which of them a key may moderate."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.tables import Article
from app.comments.reading import ShownComment
from app.comments.tables import Comment
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import Column, JsonObject, Store, fetch_row, get_row
from app.identity.participants import PARTICIPANT, ParticipantRow, find_caller
from app.identity.schemas import Actor


class JudgedComment(ShownComment):
    """A row of `COLUMNS`."""

    anchor_id: str | None
    removed_by: str | None
    source: str
    approved_text: bool
    risk: int
    version: int
    email: str | None
    article_slug: str
    article_title: str
    confirmed_at: datetime | None
    approved: int | None
    rejected: int | None


A, C = table_of(Article), table_of(Comment)
_COMMENT_COLUMNS = [
    C.c[name]
    for name in (
        "id article_id parent_id root_id depth anchor_id state removed_by source html text approved_text risk featured "
        "replies version created_at edited_at redacted_at shadow upvotes downvotes author_id author_name author_kind "
        "badges email"
    ).split()
]
_RELATED_COLUMNS = [
    A.c.slug.label("article_slug"),
    A.c.title.label("article_title"),
    PARTICIPANT.c.confirmed_at,
    PARTICIPANT.c.approved,
    PARTICIPANT.c.rejected,
]
COLUMNS: list[Column] = [*_COMMENT_COLUMNS, *_RELATED_COLUMNS]
TABLES = C.join(A, A.c.id == C.c.article_id).outerjoin(PARTICIPANT, PARTICIPANT.c.id == C.c.participant_id)
_SELECT_COMMENT = sa.select(*COLUMNS).select_from(TABLES).where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
_SELECT_SECTION = sa.select(A.c.section_id).where(A.c.id == sa.bindparam("id", type_=A.c.id.type))
_SELECT_AUTHOR = (
    sa.select(PARTICIPANT)
    .join(C, C.c.participant_id == PARTICIPANT.c.id)
    .where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
)


def present_comment(row: JudgedComment) -> JsonObject:
    """Return a row of `COLUMNS` in the shape of `JudgedCommentOut`."""
    out: JsonObject = dict(row)
    out["article"] = {"id": row["article_id"], "slug": row["article_slug"], "title": row["article_title"]}
    out["author"] = {
        "id": row["author_id"],
        "name": row["author_name"],
        "kind": row["author_kind"],
        "badges": row["badges"],
        "email": row["email"],
        "confirmed": row["confirmed_at"] is not None,
        "approved": row["approved"] or 0,
        "rejected": row["rejected"] or 0,
    }
    out["votes"] = {"up": row["upvotes"], "down": row["downvotes"]}
    return out


def get_comment(connection: sa.Connection, comment_id: str) -> JsonObject:
    """Return a comment as moderators see it."""
    return present_comment(get_row(connection, _SELECT_COMMENT, JudgedComment, {"id": comment_id}))


def is_in_reach(actor: Actor) -> ColumnElement[bool]:
    """Build the SQL condition for articles whose section the caller may moderate."""
    sections = actor.sections_for("comments:moderate")
    return sa.true() if sections is None else A.c.section_id.in_(sorted(sections))


def find_section(connection: sa.Connection, article_id: str) -> str | None:
    """Return the id of an article's section, or None."""
    section_id: str | None = connection.execute(_SELECT_SECTION, {"id": article_id}).scalar_one_or_none()
    return section_id


def may_moderate(connection: sa.Connection, actor: Actor, article_id: str) -> bool:
    """Whether the caller may moderate the comments of an article."""
    if actor.may_in("comments:moderate", None):
        return True
    return actor.may("comments:moderate") and actor.may_in("comments:moderate", find_section(connection, article_id))


def check_reach(connection: sa.Connection, actor: Actor, article_id: str) -> None:
    """Raise 404 for an article in a section that the caller may not moderate."""
    if not may_moderate(connection, actor, article_id):
        raise NotFound


def find_participant(store: Store, actor: Actor) -> ParticipantRow | None:
    """Return the caller's participant, also for the edit token of a comment, or None if they never took part."""
    if actor.kind == "edit":
        return fetch_row(store, _SELECT_AUTHOR, ParticipantRow, {"id": actor.comment})
    return find_caller(store, actor)
