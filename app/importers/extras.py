"""Things of an import that have no place here yet, kept as data: menus, terms of other taxonomies."""

from typing import Any

import sqlalchemy as sa

from app.db import Database
from app.db.columns import table_of
from app.importers.engine import BATCH, patiently
from app.importers.ledger import foreign_id
from app.importers.tables import ImportExtra

EXTRA = table_of(ImportExtra)
_THIS = sa.and_(*(EXTRA.c[name] == sa.bindparam(f"{name}_is") for name in ("source", "kind", "foreign_id")))
_FIND = sa.select(EXTRA.c.data).where(_THIS)
_UPDATE = sa.update(EXTRA).where(_THIS).values(data=sa.bindparam("data"))


class Extras:
    """The data of one source; what is the same as before is not written again."""

    def __init__(self, db: Database, source: str, *, dry_run: bool) -> None:
        self._db, self._source, self._dry_run = db, source, dry_run
        self._waiting: list[tuple[dict[str, str], dict[str, Any]]] = []
        self._seen: set[tuple[str, str]] = set()

    def keep(self, kind: str, key: str, data: dict[str, Any]) -> None:
        """Keep one thing, in place of what an earlier import kept of it; of two in one import the first counts."""
        if (kind, key) in self._seen:
            return
        self._seen.add((kind, key))
        this = {"source_is": self._source, "kind_is": kind, "foreign_id_is": foreign_id(key)}
        self._waiting.append((this, data))
        if len(self._waiting) >= BATCH:
            self.finish()

    def finish(self) -> None:
        """Write what waits, in one transaction."""
        waiting, self._waiting = self._waiting, []
        if self._dry_run or not waiting:
            return
        with self._db.connect() as connection:
            stored = [connection.execute(_FIND, this).scalar_one_or_none() for this, _ in waiting]
        changed = [entry for entry, old in zip(waiting, stored, strict=True) if entry[1] != old]
        if changed:
            patiently(self._db, lambda session: _write(session.connection(), changed))


def _write(connection: sa.Connection, entries: list[tuple[dict[str, str], dict[str, Any]]]) -> None:
    for this, data in entries:
        _write_one(connection, this, data)


def _write_one(connection: sa.Connection, this: dict[str, str], data: dict[str, Any]) -> None:
    if connection.execute(_FIND, this).first() is None:
        row = {name.removesuffix("_is"): value for name, value in this.items()}
        connection.execute(sa.insert(EXTRA).values(**row, data=data))
    else:
        connection.execute(_UPDATE, {**this, "data": data})
