"""The memory of an import: what came from where, and what became of it here since."""

import json
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.audit.tables import Audit
from app.importers.tables import ImportSource
from app.kit.schema import table_of

_KNOWN, _AUDIT = table_of(ImportSource), table_of(Audit)
_LONGEST = 200


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


class Ledger:
    """The entries of one source."""

    def __init__(self, source: str) -> None:
        self.source = foreign_id(source)

    def _row(self, kind: str, key: str) -> sa.ColumnElement[bool]:
        return (_KNOWN.c.source == self.source) & (_KNOWN.c.kind == kind) & (_KNOWN.c.foreign_id == foreign_id(key))

    def known(self, connection: sa.Connection, kind: str, key: str) -> Known | None:
        """What was noted of a thing, or None if it never came."""
        query = sa.select(_KNOWN.c.local_id, _KNOWN.c.fingerprint).where(self._row(kind, key))
        row = connection.execute(query).first()
        return None if row is None else Known(*row)

    def local(self, connection: sa.Connection, kind: str, key: str, table: sa.Table) -> str | None:
        """The id here of a thing that came and is still there."""
        query = sa.select(table.c.id).join(_KNOWN, _KNOWN.c.local_id == table.c.id).where(self._row(kind, key))
        return connection.execute(query).scalar_one_or_none()

    def has(self, connection: sa.Connection, kind: str, local_id: str) -> bool:
        """Whether a row here stands for something of this source already."""
        mine = (_KNOWN.c.local_id == local_id) & (_KNOWN.c.source == self.source) & (_KNOWN.c.kind == kind)
        return connection.execute(sa.select(_KNOWN.c.local_id).where(mine).limit(1)).first() is not None

    def note(self, session: Session, kind: str, key: str, known: Known) -> None:
        """Remember what became of a thing, in place of what was noted before."""
        values = {"source": self.source, "kind": kind, "foreign_id": foreign_id(key)}
        session.merge(ImportSource(**values, local_id=known.local_id, fingerprint=known.fingerprint))


def is_there(connection: sa.Connection, table: sa.Table, local_id: str) -> bool:
    """Whether a row was not deleted since."""
    return connection.execute(sa.select(table.c.id).where(table.c.id == local_id)).first() is not None


def is_edited(connection: sa.Connection, local_id: str) -> bool:
    """Whether anybody has made or changed a row here: all but imports, commands and the clock."""
    by_people = (_AUDIT.c.subject_id == local_id) & (_AUDIT.c.actor_kind != "system")
    return connection.execute(sa.select(_AUDIT.c.id).where(by_people).limit(1)).first() is not None
