"""Reading who is named for what, and who was given what."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.articles.projection import WrongState, lock_article
from app.articles.reading import ARTICLE
from app.articles.rendering import AccessRecord, CachedRow, cache_key_of, render_articles, select_cached
from app.articles.site import Site
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Invalid, NotFound
from app.db import Database
from app.db.columns import parse_time, table_of
from app.events.catalog import ArticlePublished, LoggedEvent
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tables import ApiKey
from app.partners.schemas import PartnersIn
from app.partners.tables import EarlyReader, Fetch
from app.web.paging import PageQuery, Sort, bind_cursor, fetch_page, page_of

EARLY, FETCH, _KEY = table_of(EarlyReader), table_of(Fetch), table_of(ApiKey)
_LAST, _NAMED = Sort("-last_at", descending=True), Sort("-named_at", descending=True)
_COMING = (
    ARTICLE.c.state.in_(["published", "scheduled"])
    & ~ARTICLE.c.public
    & (
        ARTICLE.c.expires_at.is_(None)
        | (ARTICLE.c.expires_at > sa.bindparam("moment", type_=ARTICLE.c.expires_at.type))
    )
)
_JOINED = EARLY.join(ARTICLE, ARTICLE.c.id == EARLY.c.article_id)
_IS_NAMED = (
    sa.select(sa.literal(1))
    .select_from(_JOINED)
    .where(
        EARLY.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
        EARLY.c.key_id == sa.bindparam("key", type_=_KEY.c.id.type),
        _COMING,
    )
)


def is_named(connection: sa.Connection, article_id: str, key_id: str) -> bool:
    """Whether a key may read an article that is about to be public."""
    return connection.execute(_IS_NAMED, {"article": article_id, "key": key_id, "moment": now()}).first() is not None


def article(connection: sa.Connection, ref: str, actor: Actor) -> sa.RowMapping:
    """Id and version of an article that the caller may edit; 404 for all others."""
    column = ARTICLE.c.id if is_id(ref) else ARTICLE.c.slug
    row = (
        connection.execute(sa.select(ARTICLE.c.id, ARTICLE.c.version, ARTICLE.c.section_id).where(column == ref))
        .mappings()
        .first()
    )
    if row is None or not actor.may_in(row["section_id"]):
        raise NotFound
    return row


def named(connection: sa.Connection, article_id: str) -> dict[str, Any]:
    """Who is named for an article, in the shape of `PartnersOut`, with the article's version."""
    version = connection.execute(sa.select(ARTICLE.c.version).where(ARTICLE.c.id == article_id)).scalar_one()
    keys = sa.select(_KEY.c.id, _KEY.c.name).join(EARLY, EARLY.c.key_id == _KEY.c.id)
    rows = connection.execute(keys.where(EARLY.c.article_id == article_id).order_by(_KEY.c.name, _KEY.c.id)).mappings()
    return {"article_id": article_id, "keys": [dict(row) for row in rows], "version": version}


def fetches(connection: sa.Connection, article_id: str, asked: PageQuery) -> dict[str, Any]:
    """A page of what partners were given of an article, the last fetched first."""
    tables = FETCH.outerjoin(_KEY, _KEY.c.id == FETCH.c.key_id)
    query = sa.select(FETCH, _KEY.c.name).select_from(tables).where(FETCH.c.article_id == article_id)
    found = fetch_page(connection, query, _LAST, FETCH.c.last_at, asked, within=article_id)
    rows = [{**row, "key": {"id": row["key_id"], "name": row["name"] or ""}} for row in found["data"]]
    return {**found, "data": rows}


def early(
    connection: sa.Connection, actor: Actor, site: Site, formats: tuple[str, ...], asked: PageQuery
) -> dict[str, Any]:
    """A page of the articles to come that a key is named for, as JSON, the last named first."""
    values: dict[str, Any] = {
        "key": actor.id,
        "moment": now(),
        "cache_key": cache_key_of(site),
        "most": asked.limit + 1,
    }
    ids = sa.select(EARLY.c.article_id.label("id"), EARLY.c.named_at.label("key")).select_from(_JOINED)
    ids = ids.where(EARLY.c.key_id == sa.bindparam("key", type_=_KEY.c.id.type), _COMING)
    total = None
    if asked.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(ids.subquery()), values).scalar_one()
    sort = _NAMED.bound_to(asked, "early", actor.id or "")
    order = EARLY.c.named_at, EARLY.c.article_id
    if asked.cursor:
        values |= bind_cursor(sort.decode(asked.cursor))
        ids = ids.where(_NAMED.after(*order))
    page = ids.order_by(*_NAMED.order_by(*order)).limit(sa.bindparam("most", type_=sa.BigInteger())).subquery("page")
    query = select_cached(formats=formats, page=page).order_by(*_NAMED.order_by(page.c.key, page.c.id))
    rows = [{**row, "key": parse_time(row["key"])} for row in connection.execute(query, values).mappings()]
    found = page_of(rows, asked.limit, sort, "key", total)
    return {**found, "data": render_articles(connection, cast("list[CachedRow]", found["data"]), site, formats)}


EVERY = 1.0  # seconds between writes of the ledger
MOST = 100_000  # lines that wait while the store is away
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SAME = [FETCH.c.article_id, FETCH.c.key_id, FETCH.c.revision]
log = structlog.get_logger("broadsheet.syndication")


def name(session: Session, actor: Actor, ref: str, data: PartnersIn, versions: frozenset[int] | None) -> str:
    """Let these keys, and no others, read an article before it is public; returns its id."""
    article = lock_article(session, actor, ref, versions, [])
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
        record_action(session, actor, "article.partners", "article", article.id, {"keys": sorted(wanted)})
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
        self._writing = asyncio.Lock()
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

    def note(self, key_id: str, receipts: Sequence[AccessRecord]) -> None:
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
        """Write down what is held, after what is being written; what cannot be written now is held on to."""
        async with self._writing:
            await self._write_held()

    async def _write_held(self) -> None:
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


def published(session: Session, entry: LoggedEvent) -> None:
    """Forget its early readers."""
    match entry.event:
        case ArticlePublished(subject_id=article_id):
            forget(session, article_id)
