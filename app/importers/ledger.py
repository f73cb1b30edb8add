"""The import ledger: which row was imported from which thing of a source, so that a repeated import updates it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.db.columns import table_of
from app.db.rows import insert_into
from app.identity.tables import Audit
from app.importers.tables import ImportSource

_IMPORT, _AUDIT = table_of(ImportSource), table_of(Audit)
_KEY = [_IMPORT.c.source, _IMPORT.c.kind, _IMPORT.c.foreign_id]
_THIS = sa.and_(*(column == sa.bindparam(column.name) for column in _KEY))
_FIND = sa.select(_IMPORT.c.local_id, _IMPORT.c.fingerprint).where(_THIS)
_MAX_FOREIGN_ID = 200  # characters
_MAX_KEYS = 500  # per query
_FIND_MANY = sa.select(_IMPORT.c.foreign_id, _IMPORT.c.local_id, _IMPORT.c.fingerprint).where(
    _IMPORT.c.source == sa.bindparam("source"),
    _IMPORT.c.kind == sa.bindparam("kind"),
    _IMPORT.c.foreign_id.in_(sa.bindparam("ids", expanding=True)),
)


class ImportedRow(NamedTuple):
    """The row that an earlier import wrote, and the fingerprint of the imported values."""

    local_id: str
    fingerprint: str


def foreign_id(text: str) -> str:
    """Return an id as it is stored: hashed if it is too long or may be an e-mail address."""
    return text if len(text) <= _MAX_FOREIGN_ID and "@" not in text else f"sha256:{sha256(text.encode()).hexdigest()}"


def compute_fingerprint(values: Mapping[str, object]) -> str:
    """Compute a SHA-256 fingerprint of values, independent of their order."""
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@lru_cache(16)
def _local(table: sa.Table) -> sa.Select[tuple[str]]:
    return sa.select(table.c.id).join(_IMPORT, _IMPORT.c.local_id == table.c.id).where(_THIS)


class Ledger:
    """The ledger of one source, such as `wordpress:site.example`."""

    def __init__(self, source: str) -> None:
        self.source = foreign_id(source)

    def _key(self, kind: str, key: str) -> dict[str, str]:
        return {"source": self.source, "kind": kind, "foreign_id": foreign_id(key)}

    def find(self, connection: sa.Connection, kind: str, key: str) -> ImportedRow | None:
        """Find the entry of a thing, or None if it was never imported."""
        row = connection.execute(_FIND, self._key(kind, key)).first()
        return None if row is None else ImportedRow(*row)

    def find_all(self, connection: sa.Connection, kind: str, keys: Iterable[str]) -> dict[str, ImportedRow]:
        """Find the entries of many things, by key; those never imported are left out."""
        keys = {foreign_id(key): key for key in keys}
        ids, entries = list(keys), dict[str, ImportedRow]()
        for start in range(0, len(ids), _MAX_KEYS):
            values = {"source": self.source, "kind": kind, "ids": ids[start : start + _MAX_KEYS]}
            entries |= {keys[row[0]]: ImportedRow(row[1], row[2]) for row in connection.execute(_FIND_MANY, values)}
        return entries

    def add_all(self, connection: sa.Connection, kind: str, known: Mapping[str, ImportedRow]) -> None:
        """Add entries of things that were imported for the first time."""
        rows = [{**self._key(kind, key), **entry._asdict()} for key, entry in known.items()]
        if rows:
            connection.execute(sa.insert(_IMPORT), rows)

    def find_local_id(self, connection: sa.Connection, kind: str, key: str, table: sa.Table) -> str | None:
        """Find the id of the row imported from a thing, if it still exists."""
        row = connection.execute(_local(table), self._key(kind, key)).first()
        return None if row is None else str(row[0])

    def has(self, connection: sa.Connection, kind: str, local_id: str) -> bool:
        """Tell whether a row was imported from this source."""
        mine = (_IMPORT.c.local_id == local_id) & (_IMPORT.c.source == self.source) & (_IMPORT.c.kind == kind)
        return connection.execute(sa.select(_IMPORT.c.local_id).where(mine).limit(1)).first() is not None

    def has_kind(self, connection: sa.Connection, kind: str) -> bool:
        """Tell whether anything of a kind was imported."""
        mine = (_IMPORT.c.source == self.source) & (_IMPORT.c.kind == kind)
        return connection.execute(sa.select(_IMPORT.c.kind).where(mine).limit(1)).first() is not None

    def record(self, connection: sa.Connection, kind: str, key: str, known: ImportedRow) -> None:
        """Insert or update the entry of a thing."""
        insert = insert_into(connection, _IMPORT)
        changes = {name: insert.excluded[name] for name in ImportedRow._fields}
        statement = insert.on_conflict_do_update(index_elements=_KEY, set_=changes)
        connection.execute(statement, {**self._key(kind, key), **known._asdict()})


def forget_people(session: Session, participant_ids: Sequence[str]) -> None:
    """Delete the entries of erased people. The entries of their comments stay: these have ids of their own."""
    people = (_IMPORT.c.kind == "reader") & _IMPORT.c.local_id.in_(participant_ids)
    session.execute(sa.delete(_IMPORT).where(people))


def row_exists(connection: sa.Connection, table: sa.Table, local_id: str) -> bool:
    """Tell whether a row exists."""
    return connection.execute(sa.select(table.c.id).where(table.c.id == local_id)).first() is not None


def is_edited(connection: sa.Connection, local_id: str) -> bool:
    """Tell whether a person has changed a row; imports, commands and the worker act as `system`."""
    by_people = (_AUDIT.c.subject_id == local_id) & (_AUDIT.c.actor_kind != "system")
    return connection.execute(sa.select(_AUDIT.c.id).where(by_people).limit(1)).first() is not None
