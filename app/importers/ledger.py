"""The memory of an import: what came from where, and what became of it here since."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import count_affected, table_of
from app.identity.tables import Audit
from app.importers.tables import ImportSource

_KNOWN, _AUDIT = table_of(ImportSource), table_of(Audit)
_THIS = sa.and_(*(_KNOWN.c[name] == sa.bindparam(f"{name}_is") for name in ("source", "kind", "foreign_id")))
_FIND = sa.select(_KNOWN.c.local_id, _KNOWN.c.fingerprint).where(_THIS)
_UPDATE = (
    sa.update(_KNOWN).where(_THIS).values(local_id=sa.bindparam("local_id"), fingerprint=sa.bindparam("fingerprint"))
)
_INSERT = sa.insert(_KNOWN)
_LONGEST = 200
_AT_ONCE = 500
_SEVERAL = sa.select(_KNOWN.c.foreign_id, _KNOWN.c.local_id, _KNOWN.c.fingerprint).where(
    _KNOWN.c.source == sa.bindparam("source"),
    _KNOWN.c.kind == sa.bindparam("kind"),
    _KNOWN.c.foreign_id.in_(sa.bindparam("ids", expanding=True)),
)


class Known(NamedTuple):
    """What became of a thing that was imported before."""

    local_id: str
    fingerprint: str


def foreign_id(text: str) -> str:
    """An id as it is kept: what is too long, or could be somebody's e-mail address, only as a hash."""
    return text if len(text) <= _LONGEST and "@" not in text else f"sha256:{sha256(text.encode()).hexdigest()}"


def fingerprint(values: dict[str, Any]) -> str:
    """The same for the same values, whatever their order; times are taken in ISO form."""
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@lru_cache(16)
def _local(table: sa.Table) -> sa.Select[tuple[str]]:
    return sa.select(table.c.id).join(_KNOWN, _KNOWN.c.local_id == table.c.id).where(_THIS)


class Ledger:
    """The entries of one source."""

    def __init__(self, source: str) -> None:
        self.source = foreign_id(source)

    def _of(self, kind: str, key: str) -> dict[str, str]:
        return {"source_is": self.source, "kind_is": kind, "foreign_id_is": foreign_id(key)}

    def known(self, connection: sa.Connection, kind: str, key: str) -> Known | None:
        """What was noted of a thing, or None if it never came."""
        row = connection.execute(_FIND, self._of(kind, key)).first()
        return None if row is None else Known(*row)

    def all_known(self, connection: sa.Connection, kind: str, keys: Iterable[str]) -> dict[str, Known]:
        """What was noted of many things, by key; those that never came are left out."""
        keys = {foreign_id(key): key for key in keys}
        listed, found = list(keys), dict[str, Known]()
        for start in range(0, len(listed), _AT_ONCE):
            values = {"source": self.source, "kind": kind, "ids": listed[start : start + _AT_ONCE]}
            found |= {keys[row[0]]: Known(row[1], row[2]) for row in connection.execute(_SEVERAL, values)}
        return found

    def note_all(self, connection: sa.Connection, kind: str, known: Mapping[str, Known]) -> None:
        """Remember what became of many things that came for the first time."""
        rows = [
            {"source": self.source, "kind": kind, "foreign_id": foreign_id(key), **entry._asdict()}
            for key, entry in known.items()
        ]
        if rows:
            connection.execute(_INSERT, rows)

    def local(self, connection: sa.Connection, kind: str, key: str, table: sa.Table) -> str | None:
        """The id here of a thing that came and is still there."""
        row = connection.execute(_local(table), self._of(kind, key)).first()
        return None if row is None else str(row[0])

    def has(self, connection: sa.Connection, kind: str, local_id: str) -> bool:
        """Whether a row here stands for something of this source already."""
        mine = (_KNOWN.c.local_id == local_id) & (_KNOWN.c.source == self.source) & (_KNOWN.c.kind == kind)
        return connection.execute(sa.select(_KNOWN.c.local_id).where(mine).limit(1)).first() is not None

    def has_any(self, connection: sa.Connection, kind: str) -> bool:
        """Whether anything of a kind came."""
        mine = (_KNOWN.c.source == self.source) & (_KNOWN.c.kind == kind)
        return connection.execute(sa.select(_KNOWN.c.kind).where(mine).limit(1)).first() is not None

    def note(self, connection: sa.Connection, kind: str, key: str, known: Known) -> None:
        """Remember what became of a thing, in place of what was noted before."""
        if count_affected(connection.execute(_UPDATE, {**self._of(kind, key), **known._asdict()})) == 0:
            there = {"source": self.source, "kind": kind, "foreign_id": foreign_id(key)}
            connection.execute(_INSERT, {**there, **known._asdict()})


def forget(session: Session, participant_ids: Sequence[str]) -> None:
    """Drop what ties erased people to what they were called elsewhere: their comments stay known by their own ids."""
    people = (_KNOWN.c.kind == "reader") & _KNOWN.c.local_id.in_(participant_ids)
    session.execute(sa.delete(_KNOWN).where(people))


def is_there(connection: sa.Connection, table: sa.Table, local_id: str) -> bool:
    """Whether a row was not deleted since."""
    return connection.execute(sa.select(table.c.id).where(table.c.id == local_id)).first() is not None


def is_edited(connection: sa.Connection, local_id: str) -> bool:
    """Whether anybody has made or changed a row here: all but imports, commands and the clock."""
    by_people = (_AUDIT.c.subject_id == local_id) & (_AUDIT.c.actor_kind != "system")
    return connection.execute(sa.select(_AUDIT.c.id).where(by_people).limit(1)).first() is not None
