"""Reading comments: a level of a thread, a flat view, or one comment with its ancestors; each takes one statement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, AnchorRow, present_anchor
from app.anchors.anchors import COLUMNS as _ANCHOR
from app.articles.discussion_settings import PostingContext, find_posting_context
from app.comments.schemas import SORT_COLUMNS, SORTS, CommentQuery, CommentRevisionData, ReplyQuery, State
from app.comments.tables import Comment, CommentRevision
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import ID, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, Store, fetch_row, fetch_rows
from app.identity.participants import find_caller
from app.identity.schemas import Actor
from app.web.paging import Page, PageQuery, Place, bind_cursor, map_page, page_of


class ShownComment(TypedDict):
    """The columns of a comment that its readers see, without those of its anchor."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str
    depth: int
    state: State
    featured: bool
    replies: int
    upvotes: int
    downvotes: int
    author_id: str
    author_name: str
    author_kind: str
    badges: list[str]
    html: str
    text: str
    created_at: datetime
    edited_at: datetime | None
    redacted_at: datetime | None
    shadow: bool


class CommentRow(ShownComment):
    """A row of `COLUMNS`."""

    best: int
    controversy: int
    participant_id: str | None
    anchor_id: str | None
    anchor_kind: str | None
    anchor_exact: str | None
    anchor_question: str | None
    anchor_state: str | None
    anchor_revision: int | None
    anchor_block_id: str | None
    anchor_start: int | None
    anchor_end: int | None


class FoundComment(CommentRow):
    """A comment with its place in the thread and its source."""

    listed: bool
    source: str


class StoredComment(ShownComment):
    """All columns of a comment."""

    under_id: str
    anchor_id: str | None
    listed: bool
    best: int
    controversy: int
    participant_id: str | None
    email: str | None
    notify: str
    address_hash: str | None
    address_ranges: str | None
    source: str
    fingerprint: str
    request: str | None
    approved_text: bool
    risk: int
    removed_in: str | None
    version: int
    removed_by: str | None
    withdrawn_at: datetime | None


class WithdrawnComment(TypedDict):
    """A comment that is no longer public, and since when."""

    id: str
    withdrawn_at: datetime


C, _REVISION = table_of(Comment), table_of(CommentRevision)
MAX_ANCESTORS = 100
_COMMENT_COLUMNS = (
    "id article_id parent_id root_id depth state featured replies upvotes downvotes best controversy participant_id "
    "author_id author_name author_kind badges html text created_at edited_at redacted_at shadow"
).split()
COLUMNS: list[Column] = [*(C.c[name] for name in _COMMENT_COLUMNS), *_ANCHOR]
"""Columns of `TABLES` for `present_comment`: a `CommentRow`."""
TABLES = C.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
_ID = sa.bindparam("id", type_=C.c.id.type)
_SELECT_COMMENT = sa.select(*COLUMNS, C.c.listed, C.c.source).select_from(TABLES).where(C.c.id == _ID)
_SELECT_ALL_COLUMNS = sa.select(C).where(C.c.id == _ID)
_SELECT_FOR_UPDATE: Prepared[StoredComment] = Prepared(_SELECT_ALL_COLUMNS.with_for_update())
_LIMIT = sa.bindparam("most", type_=sa.BigInteger())
_WHERE: dict[str, sa.ColumnElement[bool]] = {
    "under": (C.c.under_id == sa.bindparam("of", type_=C.c.id.type)) & C.c.listed,
    "all": (C.c.article_id == sa.bindparam("of", type_=C.c.id.type)) & (C.c.state == "published"),
}
_WHERE["inline"] = _WHERE["all"] & C.c.anchor_id.is_not(None)
_WHERE["anchor"] = _WHERE["all"] & (C.c.anchor_id == sa.bindparam("anchor", type_=C.c.id.type))
_REPLY_SORT = SORTS["oldest"]
_DEFAULT_REPLY_QUERY = ReplyQuery()


def present_comment(row: CommentRow) -> JsonObject:
    """Return a comment as everybody sees it: a tombstone unless it is published."""
    return _present(row, present_anchor(row), is_shown=row["state"] == "published")


def present_to_author(row: CommentRow) -> JsonObject:
    """Return a comment as its author sees it: with its content and state also while it is not public."""
    return _present(row, present_anchor(row), is_shown=True)


def present_stored(row: StoredComment) -> JsonObject:
    """Return a new comment without an anchor as its author sees it."""
    return _present(row, None, is_shown=True)


def state_for_author(row: ShownComment) -> State:
    """Return the state of a comment as its author may know it: under a shadow ban it is published."""
    return "published" if row["shadow"] else row["state"]


def _present(row: ShownComment, anchor: AnchorRow | None, *, is_shown: bool) -> JsonObject:
    """Return a comment in the form of `CommentOut`, members in that order: pages of comments are not validated."""
    path, parent_id = f"/v1/comments/{row['id']}", row["parent_id"]
    return {
        "id": row["id"],
        "article_id": row["article_id"],
        "parent_id": parent_id,
        "root_id": row["root_id"],
        "depth": row["depth"],
        "state": state_for_author(row) if is_shown else "removed",
        "author": {
            "id": row["author_id"],
            "name": row["author_name"],
            "kind": row["author_kind"],
            "badges": row["badges"],
        }
        if is_shown
        else None,
        "html": row["html"] if is_shown else None,
        "text": row["text"] if is_shown else None,
        "created_at": row["created_at"],
        "edited_at": row["edited_at"] if is_shown else None,
        "redacted_at": row["redacted_at"] if is_shown else None,
        "replies": row["replies"],
        "votes": {"up": row["upvotes"], "down": row["downvotes"]},
        "anchor": anchor,
        "featured": is_shown and row["featured"],
        "links": {
            "self": path,
            "article": f"/v1/articles/{row['article_id']}",
            "parent": f"/v1/comments/{parent_id}" if parent_id else None,
            "replies": f"{path}/replies",
        },
    }


def lock_comment(session: Session, comment_id: str) -> StoredComment:
    """Lock a comment until the transaction ends and return all its columns; 404 if there is none."""
    row = _SELECT_FOR_UPDATE.row(session, {"id": comment_id}) if is_id(comment_id) else None
    if row is None:
        raise NotFound
    return row


def find_full_comment(store: Store, comment_id: str) -> StoredComment | None:
    """Return all columns of a comment, or None."""
    return fetch_row(store, _SELECT_ALL_COLUMNS, StoredComment, {"id": comment_id}) if is_id(comment_id) else None


def list_revisions(connection: sa.Connection, comment_ids: Sequence[str]) -> list[CommentRevisionData]:
    """List the former texts of comments, oldest first, for their authors."""
    columns = [_REVISION.c[name] for name in ("comment_id", "number", "replaced_at", "replaced_by", "source", "text")]
    rows = sa.select(*columns).where(_REVISION.c.comment_id.in_(comment_ids))
    return fetch_rows(connection, rows.order_by(_REVISION.c.comment_id, _REVISION.c.number), CommentRevisionData)


def find_comment(store: Store, comment_id: str) -> FoundComment | None:
    """Return a comment by id without checking its visibility, or None."""
    return fetch_row(store, _SELECT_COMMENT, FoundComment, {"id": comment_id}) if is_id(comment_id) else None


@lru_cache(64)
def _select_page(kind: str, sort: str, place: Place) -> Prepared[CommentRow]:
    """Build the query of a page of one view: a range of the index in the order of the sort."""
    order, column = replace(SORTS[sort], place=place), C.c[SORT_COLUMNS[sort]]
    statement = sa.select(*COLUMNS).select_from(TABLES).where(_WHERE[kind])
    if place != "first":
        statement = statement.where(order.after(column, C.c.id))
    return Prepared(statement.order_by(*order.order_by(column, C.c.id)).limit(_LIMIT))


@lru_cache(8)
def _select_count(kind: str) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(C).where(_WHERE[kind])


@lru_cache(2)
def _select_first_replies(dialect: str) -> Prepared[CommentRow]:
    """Build the query of the first replies to each of several comments: a short index walk for each of them."""
    inner = C.alias("reply")
    order = _REPLY_SORT.order_by(inner.c.created_at, inner.c.id)
    value = sa.column("value", ID)
    tables: sa.FromClause
    if dialect == "postgresql":
        unnested = sa.func.unnest(sa.bindparam("parents", type_=sa.ARRAY(sa.Uuid(as_uuid=False))))
        parents = unnested.table_valued(value).render_derived("parent")
    else:
        parents = sa.func.json_each(sa.bindparam("parents", type_=sa.JSON())).table_valued(value)
    reply_ids = sa.select(inner.c.id).where(inner.c.under_id == parents.c.value, inner.c.listed)
    reply_ids = reply_ids.order_by(*order).limit(_LIMIT).correlate(parents)
    if dialect == "postgresql":  # it would scan the table for an IN with a LIMIT; SQLite has no LATERAL
        each = reply_ids.lateral("each_reply")
        tables = parents.join(each, sa.true()).join(C, C.c.id == each.c.id)
    else:
        tables = parents.join(C, C.c.id.in_(reply_ids))
    tables = tables.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    ordered = _REPLY_SORT.order_by(C.c.created_at, C.c.id)
    return Prepared(sa.select(*COLUMNS).select_from(tables).order_by(*ordered))


def _present_with_replies(connection: sa.Connection, rows: Sequence[CommentRow], reply_limit: int) -> list[JsonObject]:
    """Return comments with up to `reply_limit` first replies each, which takes one statement for all of them."""
    replies: dict[str, list[CommentRow]] = {row["id"]: [] for row in rows}
    parents = [row["id"] for row in rows if row["replies"]]
    if reply_limit and parents:
        values = {"parents": parents, "most": reply_limit + 1}
        for reply in _select_first_replies(connection.dialect.name).rows(connection, values):
            replies[reply["parent_id"] or ""].append(reply)
    comments: list[JsonObject] = []
    for row in rows:
        comment = present_comment(row)
        comment["first_replies"] = _present_replies(replies[row["id"]], reply_limit, row["id"]) if reply_limit else None
        comments.append(comment)
    return comments


def _present_replies(rows: Sequence[CommentRow], reply_limit: int, parent_id: str) -> Page[JsonObject]:
    """Return the first replies as a page, with the cursor for the list of all replies."""
    sort = _REPLY_SORT.bound_to(_DEFAULT_REPLY_QUERY, parent_id) if len(rows) > reply_limit else _REPLY_SORT
    page = page_of(rows, reply_limit, sort, "created_at")
    return map_page(page, lambda row: present_comment(row) | {"first_replies": None})


def _list_comments(
    connection: sa.Connection, kind: str, query: PageQuery, sort: str, reply_limit: int, values: dict[str, str]
) -> Page[JsonObject]:
    order = SORTS[sort].bound_to(query, *sorted(values.values()))
    key = order.decode(query.cursor) if query.cursor else None
    total = connection.execute(_select_count(kind), values).scalar_one() if query.count == "exact" else None
    parameters = {**values, **bind_cursor(key), "most": query.limit + 1}
    rows = _select_page(kind, sort, order.place).rows(connection, parameters)
    page = page_of(rows, query.limit, order, SORT_COLUMNS[sort], total)
    return {"data": _present_with_replies(connection, page["data"], reply_limit), "page": page["page"]}


def get_readable_article(store: Store, ref: str) -> PostingContext:
    """Return the article with this id or slug; 404 unless readers see it and its discussion."""
    article = find_posting_context(store, ref)
    if article is None or not article.public or article.rules.state == "hidden":
        raise NotFound
    return article


def list_discussion(connection: sa.Connection, ref: str, query: CommentQuery) -> tuple[str, Page[JsonObject]]:
    """Return the article's id and a page of its discussion; 404 unless readers see both."""
    article = get_readable_article(connection, ref)
    kind = {"threads": "under"}.get(query.view, query.view)
    reply_limit = query.replies if query.view == "threads" else 0
    values = {"of": article.article_id}
    if query.anchor is not None:
        kind, values["anchor"] = "anchor", query.anchor
        reply_limit = 0
        if not is_id(query.anchor):
            raise NotFound
    return article.article_id, _list_comments(connection, kind, query, query.sort, reply_limit, values)


_WITHDRAWN = (
    sa.select(C.c.id, C.c.withdrawn_at)
    .where(C.c.article_id == sa.bindparam("of", type_=C.c.article_id.type), C.c.withdrawn_at.is_not(None))
    .order_by(C.c.withdrawn_at.desc(), C.c.id.desc())
    .limit(_LIMIT)
)


def list_withdrawn(connection: sa.Connection, article_id: str, limit: int) -> list[WithdrawnComment]:
    """List comments on an article that were public and no longer are, the most recently withdrawn first."""
    return fetch_rows(connection, _WITHDRAWN, WithdrawnComment, {"of": article_id, "most": limit})


def _get_readable_comment(connection: sa.Connection, comment_id: str) -> FoundComment:
    """Return a comment whose discussion readers see; 404 otherwise."""
    row = find_comment(connection, comment_id)
    if row is None:
        raise NotFound
    get_readable_article(connection, row["article_id"])
    return row


def list_replies(connection: sa.Connection, comment_id: str, query: ReplyQuery) -> tuple[str, Page[JsonObject]]:
    """Return the article's id and a page of the replies to a comment; 404 unless its thread shows the comment."""
    row = _get_readable_comment(connection, comment_id)
    if not row["listed"]:
        raise NotFound
    return row["article_id"], _list_comments(connection, "under", query, query.sort, query.replies, {"of": row["id"]})


def get_comment(
    connection: sa.Connection, comment_id: str, actor: Actor, *, ancestors: bool = False
) -> tuple[str, JsonObject]:
    """Return the article's id and a comment as the caller may see it: its author sees it unless it is removed."""
    row = _get_readable_comment(connection, comment_id)
    is_shown = row["state"] != "removed" and not actor.is_anonymous
    is_own = is_shown and is_author(connection, actor, row["id"], row["participant_id"])
    if not (row["listed"] or is_own):
        raise NotFound
    comment = present_to_author(row) | {"source": row["source"]} if is_own else present_comment(row)
    if ancestors:
        comment["ancestors"] = _list_ancestors(connection, row["parent_id"]) if row["parent_id"] else []
    return row["article_id"], comment


@lru_cache(1)
def _select_ancestors() -> Statement:
    start = sa.select(C.c.id, C.c.parent_id, C.c.depth, sa.literal(1).label("up")).where(C.c.id == _ID)
    chain = start.cte("above", recursive=True)
    step = sa.select(C.c.id, C.c.parent_id, C.c.depth, chain.c.up + 1).where(
        C.c.id == chain.c.parent_id, chain.c.up < MAX_ANCESTORS
    )
    chain = chain.union_all(step)
    tables = chain.join(C, C.c.id == chain.c.id).outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    return sa.select(*COLUMNS).select_from(tables).order_by(C.c.depth)


def _list_ancestors(connection: sa.Connection, parent_id: str) -> list[JsonObject]:
    rows = fetch_rows(connection, _select_ancestors(), CommentRow, {"id": parent_id})
    return [present_comment(row) for row in rows]


def is_author(store: Store, actor: Actor, comment_id: str, participant_id: str | None) -> bool:
    """Return whether the caller wrote a comment of this participant, by its edit token or as the participant."""
    if actor.kind == "edit":
        return actor.comment == comment_id
    if actor.kind == "guest":
        return actor.id == participant_id
    participant = find_caller(store, actor) if actor.kind == "reader" or actor.is_staff else None
    return participant is not None and bool(participant["id"] == participant_id)
