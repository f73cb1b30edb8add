"""Reading anchors: with the comments that speak of them, as the list of an article, and with the texts they are in."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from app.anchors.resolution import Text
from app.anchors.schemas import AnchorQuery
from app.anchors.tables import Anchor
from app.articles.body import block_map
from app.articles.queries import R
from app.kit.ids import is_id
from app.kit.paging import Sort, fetch
from app.kit.schema import Row, table_of

ANCHOR = table_of(Anchor)
_SHOWN = ("id", "kind", "exact", "question", "state", "revision", "block_id", "start", "end")
COLUMNS = [ANCHOR.c[name].label(f"anchor_{name}") for name in _SHOWN]
"""What a query joins to `ANCHOR` for `shown`; `anchor_id` is null where there is none."""
_PLACELESS = {"orphaned", "detached"}
_LISTED = [
    ANCHOR.c[name] for name in (*_SHOWN, *"article_id prefix suffix redacted comments created_at version".split())
]
_BY_ID = sa.select(*_LISTED).where(ANCHOR.c.id == sa.bindparam("id", type_=ANCHOR.c.id.type))
_IN_ORDER = Sort("start", kind=int)


def _placed(values: dict[str, Any]) -> dict[str, Any]:
    """Where it stood last is nobody's business while it has no place."""
    return values | {"block_id": None, "start": None, "end": None} if values["state"] in _PLACELESS else values


def shown(row: Row) -> dict[str, Any] | None:
    """The `anchor` of a comment's row with `COLUMNS`, in the shape of `AnchorOut`; None for a comment without one."""
    if row["anchor_kind"] is None:
        return None
    return _placed({name: row[f"anchor_{name}"] for name in _SHOWN})


def present(row: Row) -> dict[str, Any]:
    """A row of anchors in the shape of `PassageOut`."""
    return _placed(dict(row))


def by_id(connection: sa.Connection, anchor_id: str) -> sa.RowMapping | None:
    """One anchor, whoever may see its article."""
    return connection.execute(_BY_ID, {"id": anchor_id}).mappings().first() if is_id(anchor_id) else None


@lru_cache(8)
def _of_article(kind: str | None) -> sa.Select[Any]:
    found = sa.select(*_LISTED).where(ANCHOR.c.article_id == sa.bindparam("article_id", type_=ANCHOR.c.id.type))
    found = found.where((ANCHOR.c.comments > 0) | (ANCHOR.c.kind == "prompt"))
    return found.where(ANCHOR.c.kind == kind) if kind else found


def page(connection: sa.Connection, article_id: str, asked: AnchorQuery) -> dict[str, Any]:
    """An article's prompts and the passages that readers speak of, in the order of the text."""
    query = _of_article(asked.kind).params(article_id=article_id)
    found = fetch(connection, query, _IN_ORDER, ANCHOR.c.start, asked, within=article_id)
    return {**found, "data": [present(row) for row in found["data"]]}


def texts(connection: sa.Connection, article_id: str, revisions: set[int]) -> dict[int, Text]:
    """The texts of some revisions of an article."""
    query = sa.select(R.c.n, R.c.text, R.c.blocks).where(R.c.article_id == article_id, R.c.n.in_(sorted(revisions)))
    return {row.n: Text(row.text, tuple(block_map(row.blocks))) for row in connection.execute(query)}
