"""The import engine: decides what to do with each entry, and writes a batch of entries per transaction."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from app.core.problems import Problem
from app.db import Database, is_unavailable
from app.identity.schemas import EVERYTHING, Actor
from app.importers.ledger import ImportedRow, Ledger, is_edited, row_exists
from app.importers.report import Outcome, Report

IMPORT = Actor("system", name="import", grants=(EVERYTHING,))
BATCH_SIZE = 40  # entries that are decided at a time
MAX_TRANSACTION_SECONDS = 0.03  # other writers wait briefly, and commits still cost little
MAX_ATTEMPTS = 5
T = TypeVar("T")


class Entry(Protocol):
    """Something to import; `fingerprint` changes exactly when an update would write something."""

    kind: str  # its kind in the ledger
    row: str  # its kind in the report
    key: str  # unique among its kind in the source
    label: str  # the id shown in the report
    title: str
    table: sa.Table  # the table of the imported row
    notes: list[str]  # differences from the source, for the report

    @property
    def fingerprint(self) -> str: ...

    def find_existing(self, connection: sa.Connection) -> str | None:
        """Find the id of a row that was not imported but represents the same thing."""

    def prepare(self, connection: sa.Connection, local_id: str | None) -> None:
        """Do the slow and fallible work outside the transaction; raise ValueError with the reason of a failure."""

    def create(self, session: Session) -> str:
        """Create the row and return its id."""

    def update(self, session: Session, local_id: str) -> None:
        """Update the row of an earlier import."""


@dataclass(frozen=True)
class _Decision:
    entry: Entry
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    local_id: str | None = None


class Engine:
    """Decides what to do with each entry without writing, then writes; a dry run stops before writing."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self.db, self.ledger, self.report = db, ledger, report
        self.failed: set[tuple[str, str]] = set()  # kinds and keys of the entries that failed in this run

    def run(self, entries: Iterable[Entry]) -> None:
        """Import entries in order, each batch in one transaction."""
        source = iter(entries)
        while batch := list(islice(source, BATCH_SIZE)):
            with self.db.connect() as connection:
                decisions = [self._decide(connection, entry) for entry in batch]
            if not self.report.dry_run:
                decisions = self._write_all(decisions)
            for decision in decisions:
                entry = decision.entry
                if decision.outcome == "failed":
                    self.failed.add((entry.kind, entry.key))
                self.report.add(entry.row, entry.label, entry.title, decision.outcome, decision.reasons)

    def _decide(self, connection: sa.Connection, entry: Entry) -> _Decision:
        known = self.ledger.find(connection, entry.kind, entry.key)
        if known is None:
            local_id = entry.find_existing(connection)
            if local_id is not None:
                return _Decision(entry, "kept", ("it existed already and is used unchanged",), local_id)
            return self._prepare(connection, entry, "new", None)
        if known.fingerprint == entry.fingerprint:
            return _Decision(entry, "unchanged")
        if not row_exists(connection, entry.table, known.local_id):
            return _Decision(entry, "kept", ("deleted in Broadsheet",))
        if is_edited(connection, known.local_id):
            return _Decision(entry, "kept", ("edited in Broadsheet",))
        return self._prepare(connection, entry, "updated", known.local_id)

    def _prepare(self, connection: sa.Connection, entry: Entry, outcome: Outcome, local_id: str | None) -> _Decision:
        try:
            entry.prepare(connection, local_id)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            return _Decision(entry, "failed", (f"{place}: {first['msg']}",))
        except ValueError as error:
            return _Decision(entry, "failed", (str(error),))
        return _Decision(entry, outcome, tuple(dict.fromkeys(entry.notes)), local_id)

    def _write_all(self, decisions: list[_Decision]) -> list[_Decision]:
        """Write a batch, and return what became of each entry."""
        if all(decision.outcome == "unchanged" for decision in decisions):
            return decisions
        written: list[_Decision] = []
        while len(written) < len(decisions):
            written += write_with_retries(self.db, partial(self._write_some, decisions[len(written) :]))
        return written

    def _write_some(self, decisions: list[_Decision], session: Session) -> list[_Decision]:
        """Write the first of some entries in one transaction, for a short time in which other writers wait."""
        until, written = time.monotonic() + MAX_TRANSACTION_SECONDS, list[_Decision]()
        for decision in decisions:
            if written and time.monotonic() > until:
                break
            written.append(self._apply(session, decision))
        return written

    def _apply(self, session: Session, decision: _Decision) -> _Decision:
        entry, local_id = decision.entry, decision.local_id
        if decision.outcome not in {"new", "updated"} and local_id is None:
            return decision
        try:
            with session.begin_nested():
                if decision.outcome == "new":
                    local_id = entry.create(session)
                elif decision.outcome == "updated" and local_id is not None:
                    entry.update(session, local_id)
                if local_id is not None:
                    known = ImportedRow(local_id, entry.fingerprint)
                    self.ledger.record(session.connection(), entry.kind, entry.key, known)
        except Problem as problem:
            return _Decision(entry, "failed", (problem.detail,))
        except IntegrityError:
            return _Decision(entry, "failed", ("it conflicts with a concurrent change; import again",))
        if decision.outcome in {"new", "updated"}:
            return replace(decision, reasons=tuple(dict.fromkeys(entry.notes)))  # some are known only now
        return decision


def write_with_retries(db: Database, work: Callable[[Session], T]) -> T:
    """Run `work` in a transaction, and again from the beginning after a serialization failure or while it is busy."""
    for attempt in range(MAX_ATTEMPTS):
        try:
            with db.batch_transaction() as session:
                return work(session)
        except DBAPIError as error:
            if not is_unavailable(error) or attempt == MAX_ATTEMPTS - 1:
                raise
            time.sleep(2**attempt / 4)
    raise AssertionError("the last attempt returns or raises")


def truncate(text: str, limit: int, label: str, notes: list[str]) -> str:
    """Truncate a text to `limit` characters, and note it for the report."""
    if len(text) <= limit:
        return text
    notes.append(f"{label} is cut to {limit:,} characters")
    return text[: limit - 1].rstrip() + "…"
