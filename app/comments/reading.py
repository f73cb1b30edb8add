"""Reading comments: a level of a thread, a flat view, one comment with those above it; each level is one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, present_anchor
from app.anchors.anchors import COLUMNS as _ANCHOR
from app.articles.discussion_settings import PostingContext, find_posting_context
from app.comments.schemas import SORT_COLUMNS, SORTS, CommentQuery, ReplyQuery, links_of
from app.comments.tables import Comment, CommentRevision
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import ID, Row, table_of
from app.db.prepared import Prepared
from app.identity.participants import find_caller
from app.identity.schemas import ANONYMOUS, Actor
from app.web.paging import PageQuery, bind_cursor, page_of

C, _REVISION = table_of(Comment), table_of(CommentRevision)
MAX_ANCESTORS = 100
_COMMENT_COLUMNS = (
    "id article_id parent_id root_id depth state featured replies upvotes downvotes best controversy participant_id "
    "author_id author_name author_kind badges html text created_at edited_at redacted_at"
).split()
COLUMNS: list[sa.ColumnElement[Any]] = [*(C.c[name] for name in _COMMENT_COLUMNS), *_ANCHOR]
"""What `present` needs, of `TABLES`."""
TABLES = C.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
_ID = sa.bindparam("id", type_=C.c.id.type)
_SELECT_COMMENT = sa.select(*COLUMNS, C.c.listed, C.c.source).select_from(TABLES).where(C.c.id == _ID)
_SELECT_ALL_COLUMNS = sa.select(C).where(C.c.id == _ID)
_SELECT_FOR_UPDATE = _SELECT_ALL_COLUMNS.with_for_update()
_LIMIT = sa.bindparam("most", type_=sa.BigInteger())
_WHERE: dict[str, sa.ColumnElement[bool]] = {
    "under": (C.c.under_id == sa.bindparam("of", type_=C.c.id.type)) & C.c.listed,
    "all": (C.c.article_id == sa.bindparam("of", type_=C.c.id.type)) & (C.c.state == "published"),
}
_WHERE["inline"] = _WHERE["all"] & C.c.anchor_id.is_not(None)
_WHERE["anchor"] = _WHERE["all"] & (C.c.anchor_id == sa.bindparam("anchor", type_=C.c.id.type))
_REPLY_SORT = SORTS["oldest"]
_DEFAULT_REPLY_QUERY = ReplyQuery()
_CONTENT_COLUMNS = ("html", "text", "edited_at", "redacted_at", "featured")
_TOMBSTONE = {**dict.fromkeys(_CONTENT_COLUMNS), "state": "removed", "author": None, "featured": False}


def present_comment(row: Row) -> dict[str, Any]:
    """A row of `COLUMNS` as everyone reads it: all but published ones are tombstones, whatever they are."""
    out = {name: row[name] for name in ("id", "article_id", "parent_id", "root_id", "depth", "created_at", "replies")}
    if row["state"] == "published":
        out["state"] = "published"
        out.update(_present_content(row))
    else:
        out.update(_TOMBSTONE)
    out["votes"] = {"up": row["upvotes"], "down": row["downvotes"]}
    out["anchor"], out["links"] = present_anchor(row), links_of(row)
    return out


def present_to_author(row: Row) -> dict[str, Any]:
    """Present a comment to its author, with its text and actual state."""
    return present_comment(row) | {"state": row["state"], **_present_content(row)}


def _present_content(row: Row) -> dict[str, Any]:
    author = {"id": row["author_id"], "name": row["author_name"], "kind": row["author_kind"], "badges": row["badges"]}
    content = {name: row[name] for name in _CONTENT_COLUMNS}
    content["author"] = author
    return content


def lock_comment(session: Session, comment_id: str) -> sa.RowMapping:
    """Lock a comment until the transaction ends and return all its columns; 404 if there is none."""
    row = session.execute(_SELECT_FOR_UPDATE, {"id": comment_id}).mappings().first() if is_id(comment_id) else None
    if row is None:
        raise NotFound
    return row


def find_full_comment(store: sa.Connection | Session, comment_id: str) -> sa.RowMapping | None:
    """Return all columns of a comment, or None."""
    return store.execute(_SELECT_ALL_COLUMNS, {"id": comment_id}).mappings().first() if is_id(comment_id) else None


def list_revisions(connection: sa.Connection, comment_ids: Sequence[str]) -> Sequence[Row]:
    """List the earlier texts of comments, for their authors."""
    columns = [_REVISION.c[name] for name in ("comment_id", "number", "replaced_at", "replaced_by", "source", "text")]
    rows = sa.select(*columns).where(_REVISION.c.comment_id.in_(comment_ids))
    return connection.execute(rows.order_by(_REVISION.c.comment_id, _REVISION.c.number)).mappings().all()


def find_comment(store: sa.Connection | Session, comment_id: str) -> sa.RowMapping | None:
    """Return a comment with `COLUMNS` and `listed`, or None; visibility is not checked."""
    return store.execute(_SELECT_COMMENT, {"id": comment_id}).mappings().first() if is_id(comment_id) else None


@lru_cache(32)
def _select_page(kind: str, sort: str, paged: bool) -> Prepared[dict[str, Any]]:
    """A page of one view: one range of the index that is in its order."""
    order, column = SORTS[sort], C.c[SORT_COLUMNS[sort]]
    statement = sa.select(*COLUMNS).select_from(TABLES).where(_WHERE[kind])
    if paged:
        statement = statement.where(order.after(column, C.c.id))
    return Prepared(statement.order_by(*order.order_by(column, C.c.id)).limit(_LIMIT))


@lru_cache(8)
def _select_count(kind: str) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(C).where(_WHERE[kind])


@lru_cache(2)
def _select_first_replies(dialect: str) -> Prepared[dict[str, Any]]:
    """The first replies to each of some comments: as many short walks along an index as there are comments."""
    inner = C.alias("reply")
    order = _REPLY_SORT.order_by(inner.c.created_at, inner.c.id)
    if dialect == "postgresql":
        unnested: Any = sa.func.unnest(sa.bindparam("parents", type_=ARRAY(sa.Uuid(as_uuid=False))))
        parents = unnested.table_valued(sa.column("value", ID)).render_derived("parent")
    else:
        unnested = sa.func.json_each(sa.bindparam("parents", type_=sa.JSON()))
        parents = unnested.table_valued(sa.column("value", ID))
    reply_ids = sa.select(inner.c.id).where(inner.c.under_id == parents.c.value, inner.c.listed)
    reply_ids = reply_ids.order_by(*order).limit(_LIMIT).correlate(parents)
    if dialect == "postgresql":  # which would scan the table for an IN with a LIMIT, as SQLite knows no LATERAL
        each = reply_ids.lateral("each_reply")
        tables: Any = parents.join(each, sa.true()).join(C, C.c.id == each.c.id)
    else:
        tables = parents.join(C, C.c.id.in_(reply_ids))
    tables = tables.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    ordered = _REPLY_SORT.order_by(C.c.created_at, C.c.id)
    return Prepared(sa.select(*COLUMNS).select_from(tables).order_by(*ordered))


def _present_with_replies(connection: sa.Connection, rows: Sequence[Row], reply_limit: int) -> list[dict[str, Any]]:
    """Each with its first replies, if any are asked for: one statement more for all of them."""
    replies: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    parents = [row["id"] for row in rows if row["replies"]]
    if reply_limit and parents:
        values = {"parents": parents, "most": reply_limit + 1}
        for reply in _select_first_replies(connection.dialect.name).rows(connection, values):
            replies[reply["parent_id"]].append(reply)
    comments = [present_comment(row) for row in rows]
    for comment in comments:
        comment["first_replies"] = (
            _present_replies(replies[comment["id"]], reply_limit, comment["id"]) if reply_limit else None
        )
    return comments


def _present_replies(rows: Sequence[Row], reply_limit: int, parent_id: str) -> dict[str, Any]:
    """The first replies, with the cursor of the list of all of them."""
    sort = _REPLY_SORT.bound_to(_DEFAULT_REPLY_QUERY, parent_id) if len(rows) > reply_limit else _REPLY_SORT
    page = page_of(rows, reply_limit, sort, "created_at")
    return {**page, "data": [present_comment(row) | {"first_replies": None} for row in page["data"]]}


def _list_comments(
    connection: sa.Connection, kind: str, query: PageQuery, sort: str, reply_limit: int, values: dict[str, Any]
) -> dict[str, Any]:
    order = SORTS[sort].bound_to(query, *sorted(values.values()))
    key = order.decode(query.cursor) if query.cursor else None
    total = connection.execute(_select_count(kind), values).scalar_one() if query.count == "exact" else None
    values = {**values, **bind_cursor(key), "most": query.limit + 1}
    rows = _select_page(kind, sort, key is not None).rows(connection, values)
    page = page_of(rows, query.limit, order, SORT_COLUMNS[sort], total)
    return {**page, "data": _present_with_replies(connection, page["data"], reply_limit)}


def get_readable_article(store: sa.Connection | Session, ref: str) -> PostingContext:
    """Return the article with this id or slug; 404 unless readers see it and its discussion."""
    article = find_posting_context(store, ref)
    if article is None or not article.public or article.rules.state == "hidden":
        raise NotFound
    return article


def list_discussion(connection: sa.Connection, ref: str, query: CommentQuery) -> tuple[str, dict[str, Any]]:
    """Return the article's id and a page of its discussion; 404 unless readers see both."""
    article = get_readable_article(connection, ref)
    kind, reply_limit = (
        {"threads": "under"}.get(query.view, query.view),
        query.replies if query.view == "threads" else 0,
    )
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


def list_withdrawn(connection: sa.Connection, article_id: str, limit: int) -> Sequence[Row]:
    """Ids of comments on an article that readers once saw and do no longer, and since when: the last first."""
    return connection.execute(_WITHDRAWN, {"of": article_id, "most": limit}).mappings().all()


def _require_readable(connection: sa.Connection, row: Row | None) -> Row:
    if row is None:
        raise NotFound
    get_readable_article(connection, row["article_id"])
    return row


def list_replies(connection: sa.Connection, comment_id: str, query: ReplyQuery) -> tuple[str, dict[str, Any]]:
    """A page of the replies to a comment that has a place in its thread, and the article's id."""
    row = _require_readable(connection, find_comment(connection, comment_id))
    if not row["listed"]:
        raise NotFound
    return row["article_id"], _list_comments(connection, "under", query, query.sort, query.replies, {"of": row["id"]})


def get_comment(connection: sa.Connection, comment_id: str, actor: Actor, *, ancestors: bool) -> dict[str, Any]:
    """One comment as the caller may see it: its author sees it in every state but removed."""
    row = _require_readable(connection, find_comment(connection, comment_id))
    is_own = row["state"] != "removed" and actor is not ANONYMOUS and is_author(connection, actor, row)
    if not (row["listed"] or is_own):
        raise NotFound
    comment = present_to_author(row) | {"source": row["source"]} if is_own else present_comment(row)
    if ancestors:
        comment["ancestors"] = _list_ancestors(connection, row["parent_id"]) if row["parent_id"] else []
    return comment


@lru_cache(1)
def _select_ancestors() -> sa.Select[Any]:
    start = sa.select(C.c.id, C.c.parent_id, C.c.depth, sa.literal(1).label("up")).where(C.c.id == _ID)
    chain = start.cte("above", recursive=True)
    step = sa.select(C.c.id, C.c.parent_id, C.c.depth, chain.c.up + 1).where(
        C.c.id == chain.c.parent_id, chain.c.up < MAX_ANCESTORS
    )
    chain = chain.union_all(step)
    tables = chain.join(C, C.c.id == chain.c.id).outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    return sa.select(*COLUMNS).select_from(tables).order_by(C.c.depth)


def _list_ancestors(connection: sa.Connection, parent_id: str) -> list[dict[str, Any]]:
    return [present_comment(row) for row in connection.execute(_select_ancestors(), {"id": parent_id}).mappings()]


def is_author(store: sa.Connection | Session, actor: Actor, row: Row) -> bool:
    """Return whether the caller wrote this comment, by its edit token or as its participant."""
    if actor.kind == "edit":
        return bool(actor.comment == row["id"])
    if actor.kind == "guest":
        return bool(actor.id == row["participant_id"])
    participant = find_caller(store, actor) if actor.kind in ("reader", "key") else None
    return participant is not None and bool(participant["id"] == row["participant_id"])
