"""Keyset paging: a cursor is the sort key of the last row sent, so page 4,000 costs what page 1 does.

It also names the query that it was given for: with other filters, in another order or list it is refused.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Generic, Literal, TypeVar, cast

import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.sql.elements import ColumnElement

from app.core.clock import format_rfc3339
from app.core.ids import is_id
from app.core.problems import InvalidParameter
from app.db.columns import parse_time
from app.web.responses import ReadQuery

T = TypeVar("T")
PAGING_PARAMETERS = frozenset({"limit", "cursor", "count", "fields", "formats", "include", "min_position", "replies"})
"""Parameters that may change from page to page: they choose no rows and no order."""
WRONG_QUERY = "The cursor belongs to another list, filter or order."
INVALID_CURSOR = "The cursor is not one that this server gave."
Key = tuple[datetime | str | int, str]
_encode_sorted = json.JSONEncoder(sort_keys=True).encode  # `json.dumps` would make an encoder for each call
_encode_unicode = json.JSONEncoder(ensure_ascii=False).encode
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class PageOut(BaseModel):
    """Where the list goes on."""

    next: str | None = Field(description="Opaque cursor of the next page, null on the last.")
    limit: int = Field(description="The most that a page holds.")
    total: int | None = Field(description="All that match, with `count=exact`; else null.")


class ListOut(BaseModel, Generic[T]):
    """A page of a list."""

    data: list[T]
    page: PageOut


class PageQuery(ReadQuery):
    """Parameters that every list takes."""

    limit: int = Field(20, ge=1, le=100, description="The most that a page holds, 1 to 100.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=2500,
        description="`page.next` of the page before.",
        json_schema_extra={"pattern": r"^[A-Za-z0-9_-]+={0,2}$"},
    )
    count: Literal["none", "exact"] = Field("none", description="`exact` fills `page.total`, at the cost of counting.")

    def fingerprint(self, *scope: str) -> str:
        """Tell this query from all others, whatever page of it is asked for; `scope` names what the list is within."""
        filters: dict[str, Any] = {}
        if filter_names := self.model_fields_set - PAGING_PARAMETERS:  # most pages have no filters, and every page asks
            kept = self.model_dump(mode="json", include=filter_names, exclude_defaults=True)
            filters = {name: sorted(value) if isinstance(value, list) else value for name, value in kept.items()}
        text = _encode_sorted([type(self).__name__, scope, filters])
        return sha256(text.encode()).hexdigest()[:16]


def decode_cursor(cursor: str) -> list[Any]:
    """Return the list that a cursor encodes; 400 if it is not a cursor."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list):
        raise InvalidParameter("cursor", INVALID_CURSOR)
    return parts


def encode_cursor(*parts: object) -> str:
    """Encode values as a cursor."""
    return base64.urlsafe_b64encode(_encode_unicode(parts).encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Sort:
    """One allowed order: a column and the id that breaks its ties, both in the same direction."""

    name: str
    descending: bool = False
    kind: type = datetime
    query: str = field(default="", compare=False)  # fingerprint of the query that cursors belong to

    def bound_to(self, asked: PageQuery, *scope: str) -> "Sort":
        """The same order, with cursors of this query alone; `scope` names what the list is within, as its parent."""
        return Sort(self.name, self.descending, self.kind, asked.fingerprint(*scope))

    def encode(self, value: datetime | str | int, row_id: str) -> str:
        """Return the cursor of the page after this row."""
        if self.kind is datetime:
            value = format_rfc3339(parse_time(value) if isinstance(value, str) else cast(datetime, value))
        return encode_cursor(self.query, self.name, value, row_id)

    def is_in(self, cursor: str) -> bool:
        """Whether a cursor names this order; `decode` says whether it is good."""
        return decode_cursor(cursor)[1:2] == [self.name]

    def decode(self, cursor: str) -> Key:
        """The sort key inside a cursor of this very query and order; anything else is a 400."""
        try:
            query, name, key, row_id = decode_cursor(cursor)
            value = datetime.fromisoformat(key).astimezone(UTC) if self.kind is datetime else key
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidParameter("cursor", INVALID_CURSOR) from None
        bad_value = type(value) is not self.kind
        bad_value = bad_value or (isinstance(value, int) and not -(2**63) <= value < 2**63)
        bad_value = bad_value or (isinstance(value, str) and _UNSTORABLE.search(value) is not None)
        bad_value = bad_value or query != self.query
        if name != self.name or bad_value or not isinstance(row_id, str) or not is_id(row_id):
            raise InvalidParameter("cursor", WRONG_QUERY)
        return value, row_id

    def order_by(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """ORDER BY for the sort column and the id."""
        return [column.desc() if self.descending else column.asc() for column in columns]

    def after(self, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
        """The rows after the bound parameters `after_key` and `after_id`: one range of the index, at any depth."""
        here = sa.tuple_(*columns)
        kind = sa.BigInteger() if self.kind is int else columns[0].type  # a number of another's making may be large
        there = sa.tuple_(sa.bindparam("after_key", type_=kind), sa.bindparam("after_id", type_=columns[1].type))
        return here < there if self.descending else here > there


def bind_cursor(key: Key | None) -> dict[str, Any]:
    """Return the bound parameters that `Sort.after` names."""
    return {"after_key": key[0], "after_id": key[1]} if key else {}


def page_of(rows: Sequence[Any], limit: int, sort: Sort, column: str, total: int | None = None) -> dict[str, Any]:
    """A `ListOut` of rows that were asked for with one beyond the limit; `column` holds the sort key."""
    cursor = sort.encode(rows[limit - 1][column], rows[limit - 1]["id"]) if len(rows) > limit else None
    return {"data": rows[:limit], "page": {"next": cursor, "limit": limit, "total": total}}


def _table_of(column: Any) -> str:
    """The name of the table that a column is of, whatever label it has."""
    return str(getattr(column, "element", column).table.name)


def fetch_page(
    connection: sa.Connection,
    statement: sa.Select[Any],
    sort: Sort,
    column: ColumnElement[Any],
    asked: PageQuery,
    *,
    within: str = "",
) -> dict[str, Any]:
    """One page of a query over a table with an `id`, ordered by one of its selected columns, as `ListOut` has it.

    `within` is the id of what the list is a part of, if it is one: cursors belong to it.
    """
    total = None
    if asked.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(statement.subquery())).scalar_one()
    row_id = statement.selected_columns["id"]
    sort = sort.bound_to(asked, _table_of(row_id), within)
    key = sort.decode(asked.cursor) if asked.cursor else None
    statement = statement.order_by(*sort.order_by(column, row_id)).limit(asked.limit + 1)
    if key:
        statement = statement.where(sort.after(column, row_id))
    rows = connection.execute(statement, bind_cursor(key)).mappings().all()
    return page_of(rows, asked.limit, sort, str(column.key), total)
