"""Early access of partners to articles, and the log of what partners read."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.articles import rendering
from app.articles.projection import WrongState, lock_article
from app.articles.reading import ARTICLE
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.logs import get_logger
from app.core.problems import Invalid, NotFound
from app.db import Database
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, fetch_rows, insert_into
from app.events.catalog import ArticlePublished, LoggedEvent
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.identity.tables import ApiKey
from app.partners.schemas import PartnersIn
from app.partners.tables import EarlyReader, Fetch
from app.publication.schemas import Level
from app.publication.site import Site
from app.web.paging import Page, PageQuery, Sort, bind_cursor, fetch_page, map_page, page_of

EARLY, FETCH, _KEY = table_of(EarlyReader), table_of(Fetch), table_of(ApiKey)
_LAST_READ_FIRST, _LAST_NAMED_FIRST = Sort("-last_at", descending=True), Sort("-named_at", descending=True)
_IS_UPCOMING = (
    ARTICLE.c.state.in_(["published", "scheduled"])
    & ~ARTICLE.c.public
    & (
        ARTICLE.c.expires_at.is_(None)
        | (ARTICLE.c.expires_at > sa.bindparam("moment", type_=ARTICLE.c.expires_at.type))
    )
)
_IS_KEY = EARLY.c.key_id == sa.bindparam("key", type_=_KEY.c.id.type)
_EARLY_ARTICLES = EARLY.join(ARTICLE, ARTICLE.c.id == EARLY.c.article_id)
_SELECT_NAMED = (
    sa.select(sa.literal(1))
    .select_from(_EARLY_ARTICLES)
    .where(EARLY.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type), _IS_KEY, _IS_UPCOMING)
)


def is_named(connection: sa.Connection, article_id: str, key_id: str) -> bool:
    """Whether a key may read an article before it is public."""
    values = {"article": article_id, "key": key_id, "moment": now()}
    return connection.execute(_SELECT_NAMED, values).first() is not None


class EditableArticle(TypedDict):
    """An article that the caller may edit."""

    id: str
    version: int
    section_id: str | None


def get_editable_article(connection: sa.Connection, ref: str, actor: Actor) -> EditableArticle:
    """Return an article that the caller may edit, by id or slug; 404 for all others."""
    column = ARTICLE.c.id if is_id(ref) else ARTICLE.c.slug
    query = sa.select(ARTICLE.c.id, ARTICLE.c.version, ARTICLE.c.section_id).where(column == ref)
    row = fetch_row(connection, query, EditableArticle)
    if row is None or not actor.may_in("content:read", row["section_id"]):
        raise NotFound
    return row


class PartnerRow(TypedDict):
    """The key of a partner."""

    id: str
    name: str


class ArticlePartners(TypedDict):
    """The partners of an article, as `PartnersOut`, with the version of the article."""

    article_id: str
    keys: list[PartnerRow]
    version: int


def get_partners(connection: sa.Connection, article_id: str) -> ArticlePartners:
    """Return the partners who may read an article before it is public."""
    version = connection.execute(sa.select(ARTICLE.c.version).where(ARTICLE.c.id == article_id)).scalar_one()
    keys = sa.select(_KEY.c.id, _KEY.c.name).join(EARLY, EARLY.c.key_id == _KEY.c.id)
    query = keys.where(EARLY.c.article_id == article_id).order_by(_KEY.c.name, _KEY.c.id)
    return {"article_id": article_id, "keys": fetch_rows(connection, query, PartnerRow), "version": version}


class HeldRecord(TypedDict):
    """What a partner read of a revision, as held in memory until it is written."""

    article_id: str
    key_id: str
    revision: int
    level: Level
    first_at: datetime
    last_at: datetime
    times: int


class FetchRow(HeldRecord):
    """What a partner read of a revision, as stored, with the name of the key."""

    id: str
    name: str | None  # null if the key was deleted


def _present_fetch(row: FetchRow) -> JsonObject:
    return {**row, "key": {"id": row["key_id"], "name": row["name"] or ""}}


def list_access(connection: sa.Connection, article_id: str, query: PageQuery) -> Page[JsonObject]:
    """Return a page of what partners read of an article, as `FetchOut`, the last read first."""
    tables = FETCH.outerjoin(_KEY, _KEY.c.id == FETCH.c.key_id)
    statement = sa.select(FETCH, _KEY.c.name).select_from(tables).where(FETCH.c.article_id == article_id)
    page = fetch_page(connection, statement, _LAST_READ_FIRST, FETCH.c.last_at, query, FetchRow, within=article_id)
    return map_page(page, _present_fetch)


class EarlyRow(rendering.CachedRow):
    """An article that a key may read early, with the time at which the key was named."""

    key: str


def list_embargoed(
    connection: sa.Connection, actor: Actor, site: Site, formats: tuple[str, ...], query: PageQuery
) -> Page[rendering.RenderedArticle]:
    """Return a page of the articles that a key may read early, the last named first."""
    values: JsonObject = {
        "key": actor.id,
        "moment": now(),
        "cache_key": rendering.cache_key_of(site),
        "most": query.limit + 1,
    }
    ids = sa.select(EARLY.c.article_id.label("id"), EARLY.c.named_at.label("key")).select_from(_EARLY_ARTICLES)
    ids = ids.where(_IS_KEY, _IS_UPCOMING)
    total = None
    if query.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(ids.subquery()), values).scalar_one()
    sort = _LAST_NAMED_FIRST.bound_to(query, "early", actor.id or "")
    order = EARLY.c.named_at, EARLY.c.article_id
    if query.cursor:
        values |= bind_cursor(sort.decode(query.cursor))
        ids = ids.where(sort.after(*order))
    limited = ids.order_by(*sort.order_by(*order)).limit(sa.bindparam("most", type_=sa.BigInteger())).subquery("page")
    statement = rendering.select_cached(formats=formats, page=limited).order_by(
        *sort.order_by(limited.c.key, limited.c.id)
    )
    page = page_of(rendering.fetch_cached(connection, statement, EarlyRow, values), query.limit, sort, "key", total)
    return {"data": rendering.render_articles(connection, page["data"], site, formats), "page": page["page"]}


FLUSH_SECONDS: Final = 1.0  # between writes of the access log
MAX_HELD_RECORDS: Final = 100_000  # kept in memory while the store is not available
_RECORD_KEY = [FETCH.c.article_id, FETCH.c.key_id, FETCH.c.revision]
log = get_logger("broadsheet.syndication")


def set_partners(session: Session, actor: Actor, ref: str, data: PartnersIn, versions: frozenset[int] | None) -> str:
    """Set the keys that may read an article before it is public, and return its id."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    keys = set(data.keys)
    if article.public and keys:
        raise WrongState("The article is public already. Partners read it like everybody else.")
    active = sa.select(_KEY.c.id, _KEY.c.scopes).where(_KEY.c.id.in_(sorted(keys)), _KEY.c.revoked_at.is_(None))
    if keys - {row.id for row in session.execute(active) if "syndicate" in row.scopes}:
        raise Invalid("There is no such key with the scope syndicate.", pointer="/keys", code="not_found")
    is_of_article = EARLY.c.article_id == article.id
    before = set(session.execute(sa.select(EARLY.c.key_id).where(is_of_article)).scalars())
    session.execute(sa.delete(EARLY).where(is_of_article, EARLY.c.key_id.in_(sorted(before - keys))))
    rows = [{"article_id": article.id, "key_id": key, "named_at": now()} for key in sorted(keys - before)]
    if rows:
        session.execute(sa.insert(EARLY), rows)
    if before != keys:
        record_action(session, actor, "article.partners", "article", article.id, {"keys": sorted(keys)})
    return article.id


def add_records(session: Session, records: Sequence[HeldRecord]) -> None:
    """Add records to the access log, ordered so that two processes do not deadlock."""
    records = sorted(records, key=lambda record: (record["article_id"], record["key_id"], record["revision"]))
    insert = insert_into(session, FETCH)
    added = insert.excluded
    changes = {"times": FETCH.c.times + added.times, "last_at": added.last_at, "level": added.level}
    upsert = insert.on_conflict_do_update(index_elements=_RECORD_KEY, set_=changes)
    session.connection().execute(upsert, [{"id": new_id(), **record} for record in records])


class PartnerAccessLog:
    """Records in memory what partners read, and writes it every second, so that reads do not wait for writes.

    A crash loses the records of one second.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self._held: dict[tuple[str, str, int], HeldRecord] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start writing in the background."""
        self._task = asyncio.create_task(self._run(), name="partner-access-log")

    async def stop(self) -> None:
        """Write the rest; the store must still be open."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    def note(self, key_id: str, receipts: Sequence[rendering.AccessRecord]) -> None:
        """Record what is sent to a partner."""
        moment = now()
        for article_id, revision, level in receipts:
            key = (article_id, key_id, revision)
            if (record := self._held.get(key)) is not None:
                record.update({"last_at": moment, "level": level, "times": record["times"] + 1})
            elif len(self._held) < MAX_HELD_RECORDS:
                self._held[key] = {
                    "article_id": article_id,
                    "key_id": key_id,
                    "revision": revision,
                    "level": level,
                    "first_at": moment,
                    "last_at": moment,
                    "times": 1,
                }
            else:
                log.error("access record lost: the store is not available", article=article_id, key=key_id)

    async def flush(self) -> None:
        """Write all records; those that cannot be written now are kept."""
        async with self._writing:
            await self._write_held()

    async def _write_held(self) -> None:
        held, self._held = self._held, {}
        if not held:
            return
        try:
            await self.db.write(add_records, list(held.values()))
        except DBAPIError as error:
            log.warning("access log cannot be written", error=type(error.orig).__name__)
            for key, record in held.items():
                if (later := self._held.get(key)) is not None:
                    later.update({"first_at": record["first_at"], "times": later["times"] + record["times"]})
                else:
                    self._held[key] = record

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()


def delete_access_log(session: Session, article_id: str) -> None:
    """Delete the records of an article that is purged."""
    session.execute(sa.delete(FETCH).where(FETCH.c.article_id == article_id))


def on_published(session: Session, entry: LoggedEvent) -> None:
    """Delete the partners of an article that is public; if it is hidden again, they must be set again."""
    match entry.event:
        case ArticlePublished(subject_id=article_id):
            session.execute(sa.delete(EARLY).where(EARLY.c.article_id == article_id))
