"""Bringing entries of any kind into the store, a batch for each transaction, and nothing twice."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from app.core.problems import Problem
from app.db import Database, is_unavailable
from app.identity.schemas import Actor
from app.importers.ledger import Known, Ledger, is_edited, is_there
from app.importers.report import Outcome, Report

IMPORT = Actor("system", name="import", scopes=frozenset({"admin"}))
BATCH = 40  # small enough that others who write need not wait long, large enough that commits cost little
TRIES = 5
T = TypeVar("T")


class Entry(Protocol):
    """One thing of the source; `fingerprint` changes when, and only when, something would be written anew."""

    kind: str  # in the ledger
    row: str  # in the report
    key: str  # unlike any other of its kind in the source
    label: str  # the id that the report shows
    title: str
    table: sa.Table  # where it goes
    notes: list[str]  # what does not come as it was

    @property
    def fingerprint(self) -> str: ...

    def existing(self, connection: sa.Connection) -> str | None:
        """The id of something that was here before and stands for the same."""

    def prepare(self, connection: sa.Connection, local_id: str | None) -> None:
        """Do all that takes long or may fail; ValueError says why it cannot be imported."""

    def create(self, session: Session) -> str:
        """Make it; returns its id here."""

    def update(self, session: Session, local_id: str) -> None:
        """Bring what came before to what it is now."""


@dataclass(frozen=True)
class _Decision:
    entry: Entry
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    local_id: str | None = None


class Engine:
    """Decides what becomes of each entry by looking only, then writes: a dry run leaves the second out."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self.db, self.ledger, self.report = db, ledger, report
        self.failed: set[tuple[str, str]] = set()  # kind and key of what could not be imported this time

    def run(self, entries: Iterable[Entry]) -> None:
        """Import entries in their order. Each batch is written whole or not at all."""
        source = iter(entries)
        while batch := list(islice(source, BATCH)):
            with self.db.connect() as connection:
                decisions = [self._decide(connection, entry) for entry in batch]
            if not self.report.dry_run:
                decisions = self._written(decisions)
            for done in decisions:
                if done.outcome == "failed":
                    self.failed.add((done.entry.kind, done.entry.key))
                self.report.add(done.entry.row, done.entry.label, done.entry.title, done.outcome, done.reasons)

    def _decide(self, connection: sa.Connection, entry: Entry) -> _Decision:
        known = self.ledger.known(connection, entry.kind, entry.key)
        if known is None:
            local_id = entry.existing(connection)
            if local_id is not None:
                return _Decision(entry, "kept", ("it was here already and is used as it is",), local_id)
            return self._prepared(connection, entry, "new", None)
        if known.fingerprint == entry.fingerprint:
            return _Decision(entry, "unchanged")
        if not is_there(connection, entry.table, known.local_id):
            return _Decision(entry, "kept", ("deleted here",))
        if is_edited(connection, known.local_id):
            return _Decision(entry, "kept", ("edited here",))
        return self._prepared(connection, entry, "updated", known.local_id)

    def _prepared(self, connection: sa.Connection, entry: Entry, outcome: Outcome, local_id: str | None) -> _Decision:
        try:
            entry.prepare(connection, local_id)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            return _Decision(entry, "failed", (f"{place}: {first['msg']}",))
        except ValueError as error:
            return _Decision(entry, "failed", (str(error),))
        return _Decision(entry, outcome, tuple(dict.fromkeys(entry.notes)), local_id)

    def _written(self, decisions: list[_Decision]) -> list[_Decision]:
        """Write a batch; when the database is busy or asks for it, all of it again."""
        if all(decision.outcome == "unchanged" for decision in decisions):
            return decisions
        return patiently(self.db, lambda session: [self._apply(session, decision) for decision in decisions])

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
                    known = Known(local_id, entry.fingerprint)
                    self.ledger.note(session.connection(), entry.kind, entry.key, known)
        except Problem as problem:
            return _Decision(entry, "failed", (problem.detail,))
        except IntegrityError:
            return _Decision(entry, "failed", ("somebody wrote the same at the same moment: import again",))
        return decision


def patiently(db: Database, work: Callable[[Session], T]) -> T:
    """Do work in one transaction; when the database is busy or asks for it, all of it again."""
    for attempt in range(TRIES):
        try:
            with db.batch_transaction() as session:
                return work(session)
        except DBAPIError as error:
            if not is_unavailable(error) or attempt == TRIES - 1:
                raise
            time.sleep(2**attempt / 4)
    raise AssertionError("the last try returns or raises")


def clipped(text: str, most: int, what: str, notes: list[str]) -> str:
    """The text, cut where it is too long, which is noted."""
    if len(text) <= most:
        return text
    notes.append(f"{what} is cut to {most:,} characters")
    return text[: most - 1].rstrip() + "…"
