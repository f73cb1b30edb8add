"""Parts of an export that Broadsheet has no model for, kept as JSON: menu entries, terms of other taxonomies."""

import sqlalchemy as sa

from app.db import Database
from app.db.columns import table_of
from app.db.rows import JsonObject, insert_into
from app.importers.engine import BATCH_SIZE, write_with_retries
from app.importers.ledger import foreign_id
from app.importers.tables import ImportExtra

EXTRA = table_of(ImportExtra)
_KEY = [EXTRA.c.source, EXTRA.c.kind, EXTRA.c.foreign_id]
_FIND = sa.select(EXTRA.c.data).where(*(column == sa.bindparam(column.name) for column in _KEY))


class Extras:
    """The extra data of one source; unchanged data is not written again."""

    def __init__(self, db: Database, source: str, *, dry_run: bool) -> None:
        self._db, self._source, self._dry_run = db, source, dry_run
        self._pending: list[JsonObject] = []  # rows
        self._seen: set[tuple[str, str]] = set()

    def keep(self, kind: str, key: str, data: JsonObject) -> None:
        """Store data under a kind and a key, replacing that of earlier imports; of duplicates the first is stored."""
        if (kind, key) in self._seen:
            return
        self._seen.add((kind, key))
        self._pending.append({"source": self._source, "kind": kind, "foreign_id": foreign_id(key), "data": data})
        if len(self._pending) >= BATCH_SIZE:
            self.finish()

    def finish(self) -> None:
        """Write the pending data in one transaction."""
        pending, self._pending = self._pending, []
        if self._dry_run or not pending:
            return
        with self._db.connect() as connection:
            stored = [connection.execute(_FIND, row).scalar_one_or_none() for row in pending]
        changed = [row for row, data in zip(pending, stored, strict=True) if row["data"] != data]
        if changed:
            write_with_retries(self._db, lambda session: _write(session.connection(), changed))


def _write(connection: sa.Connection, rows: list[JsonObject]) -> None:
    insert = insert_into(connection, EXTRA)
    connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_={"data": insert.excluded.data}), rows)
