"""Which cache groups have become stale: what the log holds beyond a horizon, as soon as it is visible.

Consumers read the log in an order without gaps, for which a fresh event may have to wait. An eviction must not wait: it
takes events in any order, each once.
"""

from dataclasses import dataclass, field

import sqlalchemy as sa

from app.db.columns import table_of
from app.events.log import SETTLED_XID
from app.events.schemas import START, Position
from app.events.tables import Event

MAX_EVENTS = 2000  # that are read at once; after more than these everything counts as stale
_EVENT = table_of(Event)


@dataclass(frozen=True)
class Horizon:
    """What has been seen of the log.

    On SQLite all up to the event `seq`, since its order is that of commits. On PostgreSQL all below the transaction
    `xid`, and of those that were not settled then the events `unsettled`, with their transactions.
    """

    seq: int = 0
    xid: int = 0
    unsettled: dict[int, int] = field(default_factory=dict)

    def covers(self, position: Position) -> bool:
        """Whether the event at a position was seen."""
        if position == START or position.seq <= self.seq:
            return True
        return 0 < position.xid < self.xid or position.seq in self.unsettled


def read_horizon(connection: sa.Connection) -> Horizon:
    """Return what is visible now as a horizon."""
    return read_stale_groups(connection, None)[0]


def read_stale_groups(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    """Return the new horizon, and the cache groups of what lies between; None where all answers count as stale."""
    if connection.dialect.name == "sqlite":
        return _read_sqlite(connection, horizon)
    return _read_postgres(connection, horizon)


_LAST = sa.select(sa.func.max(_EVENT.c.seq))
_FROM = sa.select(_EVENT.c.seq, _EVENT.c.groups).where(_EVENT.c.seq >= sa.bindparam("seq"))
_FROM = _FROM.order_by(_EVENT.c.seq).limit(MAX_EVENTS + 2)


def _read_sqlite(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    if horizon is None:
        return Horizon(connection.execute(_LAST).scalar_one() or 0), None
    rows = connection.execute(_FROM, {"seq": horizon.seq}).all()
    if horizon.seq and (not rows or rows[0].seq != horizon.seq):  # another log is there than before
        return Horizon(connection.execute(_LAST).scalar_one() or 0), None
    new = rows[1:] if horizon.seq else rows
    if len(new) > MAX_EVENTS:
        return Horizon(connection.execute(_LAST).scalar_one()), None
    return Horizon(new[-1].seq if new else horizon.seq), {group for row in new for group in row.groups}


# An event is stored under an id that is not below its transaction's, and whatever commits after a snapshot has one that
# is not below the snapshot's xmin. So all that was not visible then has an id at or above that.
_SETTLED = sa.select(SETTLED_XID.label("xid")).subquery()
_UNSEEN = (_EVENT.c.xid >= sa.bindparam("low", type_=sa.BigInteger)) & _EVENT.c.seq.not_in(
    sa.bindparam("seen", expanding=True, type_=sa.BigInteger)
)
_BEYOND = sa.select(_SETTLED.c.xid.label("settled"), _EVENT.c.xid, _EVENT.c.seq, _EVENT.c.groups)
_BEYOND = _BEYOND.select_from(_SETTLED.outerjoin(_EVENT, _UNSEEN))
_SETTLED_NOW = sa.select(SETTLED_XID)


def _read_postgres(connection: sa.Connection, horizon: Horizon | None) -> tuple[Horizon, set[str] | None]:
    if horizon is None:
        start = Horizon(0, connection.execute(_SETTLED_NOW).scalar_one())
        return _read_postgres(connection, start)[0], None
    rows = connection.execute(_BEYOND, {"low": horizon.xid, "seen": list(horizon.unsettled)}).all()
    settled, new = rows[0].settled, [row for row in rows if row.seq is not None]
    seen = {**horizon.unsettled, **{row.seq: row.xid for row in new}}
    ahead = Horizon(0, settled, {seq: xid for seq, xid in seen.items() if xid >= settled})
    if settled < horizon.xid:  # another server, or another log
        return ahead, None
    return ahead, {group for row in new for group in row.groups}
