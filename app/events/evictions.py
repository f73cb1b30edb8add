"""Which cache groups have become stale: what the log holds beyond a horizon, as soon as it is visible.

Consumers read the log in an order without gaps, for which a fresh event may have to wait. An eviction must not wait: it
takes events in any order, each once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import sqlalchemy as sa

from app.db.columns import table_of
from app.db.prepared import Prepared
from app.events.log import SETTLED_XID
from app.events.schemas import START, Position
from app.events.tables import Event

MAX_EVENTS = 2000  # that are read at once, or remembered; where there are more, everything counts as stale
_EVENT = table_of(Event)


@dataclass(frozen=True)
class Horizon:
    """A position up to which the log has been read.

    On SQLite: all events up to `seq`, since their order is that of commits. On PostgreSQL: all events of transactions
    below `xid`, and those of later transactions that `unsettled` lists with their transactions; None where there are
    too many, because a transaction has been open for long. A standby that has replayed `lsn` has all of them.
    """

    seq: int = 0
    xid: int = 0
    unsettled: Mapping[int, int] | None = field(default_factory=dict)
    lsn: int = 0

    def covers(self, position: Position) -> bool:
        """Whether the event at a position was seen."""
        if position == START or position.seq <= self.seq:
            return True
        return 0 < position.xid < self.xid or position.seq in (self.unsettled or ())


def read_horizon(connection: sa.Connection) -> Horizon:
    """Return what is visible now as a horizon."""
    return read_stale_groups(connection, None)[0]


def read_stale_groups(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    """Return the new horizon, and the cache groups of what lies between; None where all answers count as stale."""
    if connection.dialect.name == "sqlite":
        return _read_sqlite(connection, horizon)
    return _read_postgres(connection, horizon)


_LAST = sa.select(sa.func.max(_EVENT.c.seq))
_FROM = sa.select(_EVENT.c.seq, _EVENT.c.groups).where(_EVENT.c.seq >= sa.bindparam("seq", type_=sa.BigInteger()))


class _Change(TypedDict):
    seq: int
    groups: list[str]


_SELECT_FROM: Prepared[_Change] = Prepared(_FROM.order_by(_EVENT.c.seq).limit(MAX_EVENTS + 2))


def _read_sqlite(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    if horizon is None:
        return Horizon(connection.execute(_LAST).scalar_one() or 0), None
    rows = _SELECT_FROM.rows(connection, {"seq": horizon.seq})
    if horizon.seq and (not rows or rows[0]["seq"] != horizon.seq):  # another log is there than before
        return Horizon(connection.execute(_LAST).scalar_one() or 0), None
    new = rows[1:] if horizon.seq else rows
    if len(new) > MAX_EVENTS:
        return Horizon(connection.execute(_LAST).scalar_one()), None
    return Horizon(new[-1]["seq"] if new else horizon.seq), {group for row in new for group in row["groups"]}


# An event is stored under an id that is not below its transaction's, and whatever commits after a snapshot has one that
# is not below the snapshot's xmin. So all that was not visible then has an id at or above that.
# Behind all commits that are visible: a commit is in the log before it can be seen.
_WAL_LSN = sa.func.pg_wal_lsn_diff(sa.func.pg_current_wal_insert_lsn(), sa.literal_column("'0/0'"))
_NOW = sa.select(SETTLED_XID.label("xid"), sa.cast(_WAL_LSN, sa.BigInteger).label("lsn")).subquery()
_SEEN = sa.bindparam("seen", type_=sa.ARRAY(sa.BigInteger))
_BEYOND = sa.select(_EVENT.c.xid, _EVENT.c.seq, _EVENT.c.groups)
_BEYOND = _BEYOND.where(_EVENT.c.xid >= sa.bindparam("low", type_=sa.BigInteger), _EVENT.c.seq != sa.all_(_SEEN))
_UNSEEN = _BEYOND.limit(sa.bindparam("most")).subquery()
_LOOK = sa.select(_NOW.c.xid.label("settled"), _NOW.c.lsn, _UNSEEN.c.xid, _UNSEEN.c.seq, _UNSEEN.c.groups)
_LOOK = _LOOK.select_from(_NOW.outerjoin(_UNSEEN, sa.true()))
_UNSETTLED = sa.select(_EVENT.c.seq).where(_EVENT.c.xid >= _NOW.c.xid).limit(sa.bindparam("most")).subquery()
_COUNT = sa.select(_NOW.c.xid.label("settled"), _NOW.c.lsn)
_COUNT = _COUNT.add_columns(sa.select(sa.func.count()).select_from(_UNSETTLED).scalar_subquery().label("number"))


def _read_postgres(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    if horizon is None or horizon.unsettled is None:
        return _start_again(connection), None
    values = {"low": horizon.xid, "seen": list(horizon.unsettled), "most": MAX_EVENTS + 1}
    rows = connection.execute(_LOOK, values).all()
    settled, lsn, new = rows[0].settled, rows[0].lsn, [row for row in rows if row.seq is not None]
    if settled < horizon.xid or lsn < horizon.lsn:  # another server, or another log
        return _start_again(connection), None
    seen = {**horizon.unsettled, **{row.seq: row.xid for row in new}}
    unsettled = {seq: xid for seq, xid in seen.items() if xid >= settled}
    if max(len(new), len(unsettled)) > MAX_EVENTS:
        return _start_again(connection), None
    ahead = Horizon(0, settled, unsettled, lsn if new else horizon.lsn)
    return ahead, {group for row in new for group in row.groups}


def _start_again(connection: sa.Connection) -> Horizon:
    """Return what is visible now as a horizon, after which everything counts as stale."""
    now = connection.execute(_COUNT, {"most": MAX_EVENTS + 1}).one()
    if now.number > MAX_EVENTS:
        return Horizon(0, now.settled, None, now.lsn)
    rows = connection.execute(_LOOK, {"low": now.settled, "seen": [], "most": MAX_EVENTS + 1}).all()
    unsettled = {row.seq: row.xid for row in rows if row.seq is not None}
    return Horizon(0, now.settled, unsettled if len(unsettled) <= MAX_EVENTS else None, rows[0].lsn)
