"""Keyset paging: a cursor is the sort key of the last row of a page, so that page 4,000 costs as much as page 1.

A cursor also contains a fingerprint of its query: with other filters, another order or another list it is refused. It
depends on nothing else, and so never expires. That of the page before is marked: its rows are read backwards, by the
same index, and then turned round.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Generic, Literal, TypedDict, TypeVar, cast

import sqlalchemy as sa
from pydantic import Field

from app.core.clock import format_rfc3339
from app.core.ids import is_id
from app.core.models import BaseModel
from app.core.problems import InvalidParameter
from app.core.schema_rules import FIELD_NAMES
from app.db.columns import parse_time
from app.db.rows import Column, Statement, fetch_rows

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R", bound=Mapping[str, object])  # a TypedDict
PAGING_PARAMETERS = frozenset(
    {"limit", "cursor", "count", "fields", "formats", "include", "min_position", "release", "replies"}
)
"""Parameters that may change from page to page, because they select no order, and no rows of themselves."""
POSITION_PATTERN = r"^[0-9]{1,19}\.[0-9]{1,19}$"
"""The syntax of `Broadsheet-Position`."""
WRONG_QUERY = "The cursor belongs to another list, filter or order."
INVALID_CURSOR = "The cursor is not one that this server has given."
SortValue = datetime | str | int
Place = Literal["first", "after", "before"]
"""Which page of a list is read: the first one, or that after or before a row."""
BEFORE = "before"
"""The last part of cursors of the page before a row."""
Key = tuple[SortValue, str]  # the value of the sort column, and the id
_encode_sorted = json.JSONEncoder(sort_keys=True).encode  # `json.dumps` would make an encoder for each call
_encode_unicode = json.JSONEncoder(ensure_ascii=False).encode
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class PageOut(BaseModel):
    """The position of a page in its list."""

    next: str | None = Field(description="Opaque cursor of the next page, null on the last.")
    prev: str | None = Field(
        None, description="Opaque cursor of the page before, null on the first, and where a list is read forwards only."
    )
    limit: int = Field(description="Maximum number of items on a page.")
    total: int | None = Field(description="Number of all matching items, with `count=exact`; else null.")


class ListOut(BaseModel, Generic[T]):
    """A page of a list."""

    data: list[T]
    page: PageOut


class PageInfo(TypedDict):
    """`PageOut` as a dictionary."""

    next: str | None
    prev: str | None
    limit: int
    total: int | None


class Page(TypedDict, Generic[T]):
    """`ListOut` as a dictionary, of rows or of what they are presented as."""

    data: list[T]
    page: PageInfo


def map_page(page: Page[T], present: Callable[[T], U]) -> Page[U]:
    """Return a page with each of its rows presented by a function."""
    return {"data": [present(row) for row in page["data"]], "page": page["page"]}


class ReadQuery(BaseModel):
    """Parameters of every read."""

    fields: str | None = Field(
        None,
        max_length=2000,
        description="Return exactly these fields, such as `title,authors.name`.",
        json_schema_extra=FIELD_NAMES,
    )
    min_position: str | None = Field(
        None,
        max_length=40,
        description="Wait (≤ 2 s) until this `Broadsheet-Position` is visible, else 503.",
        json_schema_extra={"pattern": POSITION_PATTERN},
    )


class PreviewedQuery(BaseModel):
    """The parameter of reads whose answers a release may change; a route that takes it needs to do nothing more."""

    release: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Token of a preview link of a release: what readers will see after it; 404 once it has ended.",
    )


class PreviewedReadQuery(PreviewedQuery, ReadQuery):
    """Parameters of reads of one thing that a release may change."""


class PageQuery(ReadQuery):
    """Parameters of every list."""

    limit: int = Field(20, ge=1, le=100, description="Maximum number of items on a page, 1 to 100.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=2500,
        description="`page.next` or `page.prev` of another page; it does not expire.",
        json_schema_extra={"pattern": r"^[A-Za-z0-9_-]+={0,2}$"},
    )
    count: Literal["none", "exact"] = Field("none", description="`exact` fills `page.total`, at the cost of counting.")

    def fingerprint(self, *scope: str) -> str:
        """Return a hash of the query without its page; `scope` names the resource to which the list belongs."""
        filters: dict[str, object] = {}
        if filter_names := self.model_fields_set - PAGING_PARAMETERS:  # most queries have no filters
            kept = self.model_dump(mode="json", include=filter_names, exclude_defaults=True)
            filters = {name: sorted(value) if isinstance(value, list) else value for name, value in kept.items()}
        text = _encode_sorted([type(self).__name__, scope, filters])
        return sha256(text.encode()).hexdigest()[:16]


def decode_cursor(cursor: str) -> list[object]:
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
    """An allowed order: a column, then the id, both in the same direction."""

    name: str
    descending: bool = False
    kind: type = datetime
    place: Place = "first"
    query: str = field(default="", compare=False)  # fingerprint of the query that cursors belong to

    def bound_to(self, query: PageQuery, *scope: str) -> "Sort":
        """Return the order of the page that a query asks for, with cursors bound to it.

        `scope` names the resource to which the list belongs.
        """
        place: Place = "first"
        if query.cursor is not None:
            place = "before" if decode_cursor(query.cursor)[4:] == [BEFORE] else "after"
        return Sort(self.name, self.descending, self.kind, place, query.fingerprint(*scope))

    @property
    def reads_back(self) -> bool:
        """Whether the rows of the page are read in the opposite order."""
        return self.place == "before"

    def encode(self, value: SortValue, row_id: str, *, before: bool = False) -> str:
        """Return the cursor of the page after this row, or before it."""
        if self.kind is datetime:
            value = format_rfc3339(parse_time(value) if isinstance(value, str) else cast(datetime, value))
        return encode_cursor(self.query, self.name, value, row_id, *([BEFORE] if before else []))

    def is_in(self, cursor: str) -> bool:
        """Whether a cursor names this order; `decode` checks the rest of it."""
        return decode_cursor(cursor)[1:2] == [self.name]

    def decode(self, cursor: str) -> Key:
        """Return the sort key in a cursor; 400 unless it belongs to this query and order."""
        try:
            query, name, key, row_id, *before = decode_cursor(cursor)
            value = datetime.fromisoformat(cast(str, key)).astimezone(UTC) if self.kind is datetime else key
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidParameter("cursor", INVALID_CURSOR) from None
        bad_value = type(value) is not self.kind
        bad_value = bad_value or (isinstance(value, int) and not -(2**63) <= value < 2**63)
        bad_value = bad_value or (isinstance(value, str) and _UNSTORABLE.search(value) is not None)
        bad_value = bad_value or query != self.query or before not in ([], [BEFORE])
        if name != self.name or bad_value or not isinstance(row_id, str) or not is_id(row_id):
            raise InvalidParameter("cursor", WRONG_QUERY)
        return cast(SortValue, value), row_id

    def order_by(self, *columns: Column) -> list[Column]:
        """Return the ORDER BY for the sort column and the id."""
        return [column.desc() if self.descending != self.reads_back else column.asc() for column in columns]

    def after(self, *columns: Column) -> sa.ColumnElement[bool]:
        """Select rows after the parameters `after_key` and `after_id`, as they are read: one range of an index."""
        kind = sa.BigInteger() if self.kind is int else columns[0].type  # a number in a forged cursor may be large
        key = sa.tuple_(sa.bindparam("after_key", type_=kind), sa.bindparam("after_id", type_=columns[1].type))
        return sa.tuple_(*columns) < key if self.descending != self.reads_back else sa.tuple_(*columns) > key


def bind_cursor(key: Key | None) -> dict[str, SortValue]:
    """Return the parameters of `Sort.after`; none without a cursor."""
    return {"after_key": key[0], "after_id": key[1]} if key else {}


def page_of(
    rows: Sequence[T], limit: int, sort: Sort, column: str, total: int | None = None, *, last_sort: Sort | None = None
) -> Page[T]:
    """Make a page of rows that were selected with one beyond the limit; `column` contains the sort key.

    `last_sort` is the order of its last row, if that is another one than that of its first.
    """
    shown, is_cut = list(rows[:limit]), len(rows) > limit
    if sort.reads_back:
        shown.reverse()
    following = previous = None
    if shown and (is_cut or sort.reads_back):
        following = _encode_row(last_sort or sort, shown[-1], column, before=False)
    if shown and (is_cut if sort.reads_back else sort.place == "after"):
        previous = _encode_row(sort, shown[0], column, before=True)
    return {"data": shown, "page": {"next": following, "prev": previous, "limit": limit, "total": total}}


def _encode_row(sort: Sort, row: object, column: str, *, before: bool) -> str:
    values = cast(Mapping[str, object], row)
    return sort.encode(cast(SortValue, values[column]), str(values["id"]), before=before)


def _table_of(column: Column) -> str:
    """Return the name of the table of a column, which may have a label."""
    return str(getattr(column, "element", column).table.name)


def fetch_page(
    connection: sa.Connection,
    statement: Statement,
    sort: Sort,
    column: Column,
    query: PageQuery,
    row_type: type[R],
    *,
    within: str = "",
) -> Page[R]:
    """Return a page of a query over a table with an `id`, in the order of one of its selected columns.

    `within` is the id of the resource to which the list belongs, if any; cursors are bound to it.
    """
    total, sort, statement, key = _select_page(connection, statement, sort, column, query, within)
    return page_of(fetch_rows(connection, statement, row_type, key), query.limit, sort, str(column.key), total)


def fetch_mappings(
    connection: sa.Connection, statement: Statement, sort: Sort, column: Column, query: PageQuery
) -> Page[dict[str, object]]:
    """Return a page as `fetch_page` does, of a query whose columns depend on the caller."""
    total, sort, statement, key = _select_page(connection, statement, sort, column, query, "")
    rows = [row._asdict() for row in connection.execute(statement, key)]
    return page_of(rows, query.limit, sort, str(column.key), total)


def _select_page(
    connection: sa.Connection, statement: Statement, sort: Sort, column: Column, query: PageQuery, within: str
) -> tuple[int | None, Sort, Statement, dict[str, SortValue]]:
    """Return the total, if it is requested, the sort bound to the query, and the statement with its parameters."""
    total = None
    if query.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(statement.subquery())).scalar_one()
    row_id = statement.selected_columns["id"]
    sort = sort.bound_to(query, _table_of(row_id), within)
    key = sort.decode(query.cursor) if query.cursor else None
    statement = statement.order_by(*sort.order_by(column, row_id)).limit(query.limit + 1)
    if key:
        statement = statement.where(sort.after(column, row_id))
    return total, sort, statement, bind_cursor(key)
