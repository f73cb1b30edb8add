"""Reading comments: a level of a thread, a flat view, one comment with those above it; each level is one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, shown
from app.anchors.anchors import COLUMNS as _ANCHOR
from app.articles.discussion_settings import PostingContext, find_posting_context
from app.comments.schemas import SORT_COLUMNS, SORTS, CommentQuery, ReplyQuery, links
from app.comments.tables import Comment, CommentRevision
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import ID, Row, table_of
from app.db.prepared import Prepared
from app.identity.participants import find
from app.identity.schemas import ANONYMOUS, Actor
from app.web.paging import PageQuery, bindings, page_of

C, _REVISION = table_of(Comment), table_of(CommentRevision)
MOST_ANCESTORS = 100
_OWN = (
    "id article_id parent_id root_id depth state featured replies upvotes downvotes best controversy participant_id "
    "author_id author_name author_kind badges html text created_at edited_at redacted_at"
).split()
COLUMNS: list[sa.ColumnElement[Any]] = [*(C.c[name] for name in _OWN), *_ANCHOR]
"""What `present` needs, of `TABLES`."""
TABLES = C.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
_ID = sa.bindparam("id", type_=C.c.id.type)
_ONE = sa.select(*COLUMNS, C.c.listed, C.c.source).select_from(TABLES).where(C.c.id == _ID)
_WHOLE = sa.select(C).where(C.c.id == _ID)
_LOCKED = _WHOLE.with_for_update()
_MOST = sa.bindparam("most", type_=sa.BigInteger())
_WHERE: dict[str, sa.ColumnElement[bool]] = {
    "under": (C.c.under_id == sa.bindparam("of", type_=C.c.id.type)) & C.c.listed,
    "all": (C.c.article_id == sa.bindparam("of", type_=C.c.id.type)) & (C.c.state == "published"),
}
_WHERE["inline"] = _WHERE["all"] & C.c.anchor_id.is_not(None)
_WHERE["anchor"] = _WHERE["all"] & (C.c.anchor_id == sa.bindparam("anchor", type_=C.c.id.type))
_FIRST_SORT = SORTS["oldest"]
_ALL_REPLIES = ReplyQuery()
_SAID = ("html", "text", "edited_at", "redacted_at", "featured")
_TOMBSTONE = {**dict.fromkeys(_SAID), "state": "removed", "author": None, "featured": False}


def present(row: Row) -> dict[str, Any]:
    """A row of `COLUMNS` as everyone reads it: all but published ones are tombstones, whatever they are."""
    out = {name: row[name] for name in ("id", "article_id", "parent_id", "root_id", "depth", "created_at", "replies")}
    if row["state"] == "published":
        out["state"] = "published"
        out.update(_said(row))
    else:
        out.update(_TOMBSTONE)
    out["votes"] = {"up": row["upvotes"], "down": row["downvotes"]}
    out["anchor"], out["links"] = shown(row), links(row)
    return out


def present_to_author(row: Row) -> dict[str, Any]:
    """The same with the text and the true state, for who wrote it."""
    return present(row) | {"state": row["state"], **_said(row)}


def _said(row: Row) -> dict[str, Any]:
    author = {"id": row["author_id"], "name": row["author_name"], "kind": row["author_kind"], "badges": row["badges"]}
    said = {name: row[name] for name in _SAID}
    said["author"] = author
    return said


def locked(session: Session, comment_id: str) -> sa.RowMapping:
    """All of one comment, which nobody else changes until this transaction ends; 404 if there is none."""
    row = session.execute(_LOCKED, {"id": comment_id}).mappings().first() if is_id(comment_id) else None
    if row is None:
        raise NotFound
    return row


def whole(store: sa.Connection | Session, comment_id: str) -> sa.RowMapping | None:
    """All of one comment as it is at this moment, or None."""
    return store.execute(_WHOLE, {"id": comment_id}).mappings().first() if is_id(comment_id) else None


def former_texts(connection: sa.Connection, comment_ids: Sequence[str]) -> Sequence[Row]:
    """The texts that comments had before each change, for whoever wrote them."""
    columns = [_REVISION.c[name] for name in ("comment_id", "number", "replaced_at", "replaced_by", "source", "text")]
    rows = sa.select(*columns).where(_REVISION.c.comment_id.in_(comment_ids))
    return connection.execute(rows.order_by(_REVISION.c.comment_id, _REVISION.c.number)).mappings().all()


def by_id(store: sa.Connection | Session, comment_id: str) -> sa.RowMapping | None:
    """One comment with `COLUMNS` and `listed`, whoever may see it."""
    return store.execute(_ONE, {"id": comment_id}).mappings().first() if is_id(comment_id) else None


@lru_cache(32)
def _level(kind: str, sort: str, paged: bool) -> Prepared:
    """A page of one view: one range of the index that is in its order."""
    order, column = SORTS[sort], C.c[SORT_COLUMNS[sort]]
    found = sa.select(*COLUMNS).select_from(TABLES).where(_WHERE[kind])
    if paged:
        found = found.where(order.after(column, C.c.id))
    return Prepared(found.order_by(*order.order_by(column, C.c.id)).limit(_MOST))


@lru_cache(8)
def _count(kind: str) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(C).where(_WHERE[kind])


@lru_cache(2)
def _first(dialect: str) -> Prepared:
    """The first replies to each of some comments: as many short walks along an index as there are comments."""
    inner = C.alias("reply")
    order = _FIRST_SORT.order_by(inner.c.created_at, inner.c.id)
    if dialect == "postgresql":
        asked: Any = sa.func.unnest(sa.bindparam("parents", type_=ARRAY(sa.Uuid(as_uuid=False))))
        parents = asked.table_valued(sa.column("value", ID)).render_derived("parent")
    else:
        asked = sa.func.json_each(sa.bindparam("parents", type_=sa.JSON()))
        parents = asked.table_valued(sa.column("value", ID))
    few = sa.select(inner.c.id).where(inner.c.under_id == parents.c.value, inner.c.listed)
    few = few.order_by(*order).limit(_MOST).correlate(parents)
    if dialect == "postgresql":  # which would scan the table for an IN with a LIMIT, as SQLite knows no LATERAL
        each = few.lateral("each_reply")
        tables: Any = parents.join(each, sa.true()).join(C, C.c.id == each.c.id)
    else:
        tables = parents.join(C, C.c.id.in_(few))
    tables = tables.outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    ordered = _FIRST_SORT.order_by(C.c.created_at, C.c.id)
    return Prepared(sa.select(*COLUMNS).select_from(tables).order_by(*ordered))


def _with_replies(connection: sa.Connection, rows: Sequence[Row], few: int) -> list[dict[str, Any]]:
    """Each with its first replies, if any are asked for: one statement more for all of them."""
    found: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    parents = [row["id"] for row in rows if row["replies"]]
    if few and parents:
        values = {"parents": parents, "most": few + 1}
        for reply in _first(connection.dialect.name).rows(connection, values):
            found[reply["parent_id"]].append(reply)
    comments = [present(row) for row in rows]
    for comment in comments:
        comment["first_replies"] = _replies(found[comment["id"]], few, comment["id"]) if few else None
    return comments


def _replies(rows: Sequence[Row], few: int, parent_id: str) -> dict[str, Any]:
    """The first replies, with the cursor of the list of all of them."""
    sort = _FIRST_SORT.bound_to(_ALL_REPLIES, parent_id) if len(rows) > few else _FIRST_SORT
    page = page_of(rows, few, sort, "created_at")
    return {**page, "data": [present(row) | {"first_replies": None} for row in page["data"]]}


def _page(
    connection: sa.Connection, kind: str, asked: PageQuery, sort: str, few: int, values: dict[str, Any]
) -> dict[str, Any]:
    order = SORTS[sort].bound_to(asked, *sorted(values.values()))
    key = order.decode(asked.cursor) if asked.cursor else None
    total = connection.execute(_count(kind), values).scalar_one() if asked.count == "exact" else None
    values = {**values, **bindings(key), "most": asked.limit + 1}
    rows = _level(kind, sort, key is not None).rows(connection, values)
    page = page_of(rows, asked.limit, order, SORT_COLUMNS[sort], total)
    return {**page, "data": _with_replies(connection, page["data"], few)}


def readable(store: sa.Connection | Session, ref: str) -> PostingContext:
    """The article by id or slug, if readers see it and its discussion; else 404."""
    article = find_posting_context(store, ref)
    if article is None or not article.public or article.rules.state == "hidden":
        raise NotFound
    return article


def discussion(connection: sa.Connection, ref: str, asked: CommentQuery) -> tuple[str, dict[str, Any]]:
    """A page of an article's discussion, and the article's id; 404 unless readers see both."""
    article = readable(connection, ref)
    kind, few = {"threads": "under"}.get(asked.view, asked.view), asked.replies if asked.view == "threads" else 0
    values = {"of": article.article_id}
    if asked.anchor is not None:
        kind, values["anchor"] = "anchor", asked.anchor
        few = 0
        if not is_id(asked.anchor):
            raise NotFound
    return article.article_id, _page(connection, kind, asked, asked.sort, few, values)


_WITHDRAWN = (
    sa.select(C.c.id, C.c.withdrawn_at)
    .where(C.c.article_id == sa.bindparam("of", type_=C.c.article_id.type), C.c.withdrawn_at.is_not(None))
    .order_by(C.c.withdrawn_at.desc(), C.c.id.desc())
    .limit(_MOST)
)


def withdrawn(connection: sa.Connection, article_id: str, most: int) -> Sequence[Row]:
    """Ids of comments on an article that readers once saw and do no longer, and since when: the last first."""
    return connection.execute(_WITHDRAWN, {"of": article_id, "most": most}).mappings().all()


def _shown_in(connection: sa.Connection, row: Row | None) -> Row:
    if row is None:
        raise NotFound
    readable(connection, row["article_id"])
    return row


def replies(connection: sa.Connection, comment_id: str, asked: ReplyQuery) -> tuple[str, dict[str, Any]]:
    """A page of the replies to a comment that has a place in its thread, and the article's id."""
    row = _shown_in(connection, by_id(connection, comment_id))
    if not row["listed"]:
        raise NotFound
    return row["article_id"], _page(connection, "under", asked, asked.sort, asked.replies, {"of": row["id"]})


def single(connection: sa.Connection, comment_id: str, actor: Actor, *, ancestors: bool) -> dict[str, Any]:
    """One comment as the caller may see it: its author sees it in every state but removed."""
    row = _shown_in(connection, by_id(connection, comment_id))
    mine = row["state"] != "removed" and actor is not ANONYMOUS and is_author(connection, actor, row)
    if not (row["listed"] or mine):
        raise NotFound
    found = present_to_author(row) | {"source": row["source"]} if mine else present(row)
    if ancestors:
        found["ancestors"] = _ancestors(connection, row["parent_id"]) if row["parent_id"] else []
    return found


@lru_cache(1)
def _above() -> sa.Select[Any]:
    start = sa.select(C.c.id, C.c.parent_id, C.c.depth, sa.literal(1).label("up")).where(C.c.id == _ID)
    chain = start.cte("above", recursive=True)
    step = sa.select(C.c.id, C.c.parent_id, C.c.depth, chain.c.up + 1).where(
        C.c.id == chain.c.parent_id, chain.c.up < MOST_ANCESTORS
    )
    chain = chain.union_all(step)
    tables = chain.join(C, C.c.id == chain.c.id).outerjoin(ANCHOR, ANCHOR.c.id == C.c.anchor_id)
    return sa.select(*COLUMNS).select_from(tables).order_by(C.c.depth)


def _ancestors(connection: sa.Connection, parent_id: str) -> list[dict[str, Any]]:
    return [present(row) for row in connection.execute(_above(), {"id": parent_id}).mappings()]


def is_author(store: sa.Connection | Session, actor: Actor, row: Row) -> bool:
    """Whether the caller wrote this comment: by the token for it, or as the one who takes part."""
    if actor.kind == "edit":
        return bool(actor.comment == row["id"])
    if actor.kind == "guest":
        return bool(actor.id == row["participant_id"])
    participant = find(store, actor) if actor.kind in ("reader", "key") else None
    return participant is not None and bool(participant["id"] == row["participant_id"])
