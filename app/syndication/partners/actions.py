"""Naming partners, and keeping the ledger."""

import asyncio
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.articles.actions import WrongState, lock
from app.articles.partners.schemas import Receipt
from app.identity.audit.actions import record
from app.identity.keys.tables import ApiKey
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.db import Database
from app.kit.ids import new_id
from app.kit.problems import Invalid
from app.kit.schema import table_of
from app.syndication.partners.queries import EARLY, FETCH
from app.syndication.partners.schemas import PartnersIn

EVERY = 1.0  # seconds between writes of the ledger
MOST = 100_000  # lines that wait while the store is away
_KEY = table_of(ApiKey)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SAME = [FETCH.c.article_id, FETCH.c.key_id, FETCH.c.revision]
log = structlog.get_logger("broadsheet.syndication")


def name(session: Session, actor: Actor, ref: str, data: PartnersIn, versions: frozenset[int] | None) -> str:
    """Let these keys, and no others, read an article before it is public; returns its id."""
    article = lock(session, actor, ref, versions, [])
    wanted = set(data.keys)
    if article.public and wanted:
        raise WrongState("It is public already: partners read it as everybody does.")
    known = sa.select(_KEY.c.id, _KEY.c.scopes).where(_KEY.c.id.in_(sorted(wanted)), _KEY.c.revoked_at.is_(None))
    keys = {row.id for row in session.execute(known) if "syndicate" in row.scopes}
    if wanted - keys:
        raise Invalid("There is no such key with the scope syndicate.", pointer="/keys", code="not_found")
    here = EARLY.c.article_id == article.id
    before = set(session.execute(sa.select(EARLY.c.key_id).where(here)).scalars())
    session.execute(sa.delete(EARLY).where(here, EARLY.c.key_id.in_(sorted(before - wanted))))
    rows = [{"article_id": article.id, "key_id": key, "named_at": now()} for key in sorted(wanted - before)]
    if rows:
        session.execute(sa.insert(EARLY), rows)
    if before != wanted:
        record(session, actor, "article.partners", "article", article.id, {"keys": sorted(wanted)})
    return article.id


def forget(session: Session, article_id: str) -> None:
    """An article that is public has no early readers; should it be hidden again, they must be named again."""
    session.execute(sa.delete(EARLY).where(EARLY.c.article_id == article_id))


def _adding(dialect: str) -> Any:
    new = _INSERT[dialect](FETCH)
    more = {"times": FETCH.c.times + new.excluded.times, "last_at": new.excluded.last_at, "level": new.excluded.level}
    return new.on_conflict_do_update(index_elements=_SAME, set_=more)


_ADD = {dialect: _adding(dialect) for dialect in _INSERT}


def write_down(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add what partners were given to the ledger, in an order in which two processes never wait for each other."""
    rows = sorted(rows, key=lambda row: (row["article_id"], row["key_id"], row["revision"]))
    session.connection().execute(_ADD[session.get_bind().dialect.name], [{"id": new_id(), **row} for row in rows])


class Ledger:
    """The ledger of one process: what is given is noted in memory and written down every second, and at the end.

    A read must not wait for a write. Only a crash loses notes, of one second.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self._held: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name="ledger")

    async def stop(self) -> None:
        """Write down the rest; the store must still be open."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    def note(self, key_id: str, receipts: Sequence[Receipt]) -> None:
        """Note what a partner is given."""
        moment = now()
        for article_id, revision, level in receipts:
            same = (article_id, key_id, revision)
            if (row := self._held.get(same)) is not None:
                row |= {"last_at": moment, "level": level, "times": row["times"] + 1}
            elif len(self._held) < MOST:
                self._held[same] = {
                    **dict(zip(("article_id", "key_id", "revision"), same, strict=True)),
                    "level": level,
                    "first_at": moment,
                    "last_at": moment,
                    "times": 1,
                }
            else:
                log.error("the ledger is full while the store is away", article=article_id, key=key_id)

    async def flush(self) -> None:
        """Write down what is held; what cannot be written now is held on to."""
        held, self._held = self._held, {}
        if not held:
            return
        try:
            await self.db.write(write_down, list(held.values()))
        except DBAPIError as error:
            log.warning("the ledger cannot be written", error=type(error.orig).__name__)
            for same, row in held.items():
                if (later := self._held.get(same)) is not None:
                    later |= {"first_at": row["first_at"], "times": later["times"] + row["times"]}
                else:
                    self._held[same] = row

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.flush()


def forget_fetches(session: Session, article_id: str) -> None:
    """Drop the log of who fetched an article that is purged."""
    session.execute(sa.delete(FETCH).where(FETCH.c.article_id == article_id))
