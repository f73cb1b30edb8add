"""What readers will see after a release, as an overlay of the tables that publishing it would change.

Reads through an overlay see these tables by the rules of publishing, without a change of the store and without locks.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, SQLModel

from app.articles.projection import PROJECTED_COLUMNS
from app.articles.schemas import PAGE_TYPE
from app.articles.tables import Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import format_rfc3339, now
from app.core.problems import Problem
from app.db.columns import table_of
from app.db.overlay import OverlaidTable, Overlay
from app.db.rows import Column, JsonObject, Statement, fetch_rows
from app.fronts.fronts import FRONT, build_blocks, find_front
from app.fronts.schemas import FrontContent
from app.identity.schemas import SYSTEM
from app.publication import notices
from app.publication.notice_targets import NoticeArticles
from app.publication.schemas import NoticeIn, NoticePatch
from app.publication.site import Site
from app.publication.tables import Author, Generation, Notice, Section, SectionClosure, Series, Tag, TermMerge
from app.releases.previews import find_release_of
from app.releases.tables import ReleaseItem
from app.search.tables import ENTRY
from app.site import redirects
from app.site.redirects import REDIRECT
from app.site.schemas import RedirectIn, RedirectPatch

_TERMS: Final = ("section", "series", "tag", "author")
_LINKS: Final = ("tag", "author")
_MODELS: Final[tuple[type[SQLModel], ...]] = (
    *(Article, Revision, ReleaseItem, TermMerge, SectionClosure, Generation, Notice),
    *(Section, Series, Tag, Author),
    *(ArticleTag, ArticleAuthor),
)
_RELEASE_ID: Final = "00000000-0000-7000-8000-00000000feed"
_MOMENT: Final = datetime(1000, 1, 1, 1, 1, 1, 123456, UTC)
"""What stands in written SQL for the id of the release and for the moment."""
_TABLES: Final = (*map(table_of, _MODELS), FRONT, REDIRECT, ENTRY)


class _Store:
    """The tables as they are, named with their schema, which no overlay covers."""

    def __init__(self, dialect: sa.Dialect, schema: str) -> None:
        self.dialect = dialect
        self.tables: Mapping[str, sa.TableClause] = {
            table.name: sa.table(table.name, *(sa.column(each.name, each.type) for each in table.c), schema=schema)
            for table in _TABLES
        }

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a SQLite file."""
        return self.dialect.name == "sqlite"

    def write(self, query: sa.SelectBase) -> str:
        """Return a query as SQL without parameters."""
        return str(query.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True}))

    def format_time(self, moment: datetime) -> str:
        """Return a time as text, as the database takes it."""
        utc = moment.astimezone(UTC)
        return utc.strftime("%Y-%m-%d %H:%M:%S.%f") if self.is_sqlite else utc.isoformat()

    def literal(self, column: Column, value: object) -> Column:
        """Return a value as that of a column, in the form in which it is stored."""
        if isinstance(value, datetime):
            value = self.format_time(value)
        elif isinstance(value, dict | list):
            value = json.dumps(value)
        if self.is_sqlite:
            return sa.null() if value is None else sa.literal(value)
        return sa.cast(sa.null() if value is None else sa.literal(str(value)), column.type)

    def select_rows(self, table: sa.TableClause, rows: Iterable[Mapping[str, object]]) -> list[Statement]:
        """Select rows of a table that have these values."""
        return [
            sa.select(*(self.literal(column, row[column.name]).label(column.name) for column in table.c))
            for row in rows
        ]


@lru_cache(8)
def _open_store(dialect: sa.Dialect, schema: str) -> _Store:
    return _Store(dialect, schema)


def _find_store(connection: sa.Connection) -> _Store:
    """Return the tables of a connection's store."""
    schema = "main"
    if connection.dialect.name == "postgresql":
        schema = connection.execute(sa.select(sa.func.current_schema())).scalar_one()
    return _open_store(connection.dialect, schema)


class _Replaced(NamedTuple):
    """Overlays in the SQL of a database, with the statements that prepare them on SQLite."""

    tables: Mapping[str, OverlaidTable]
    prepare: tuple[str, ...] = ()

    def join(self, other: "_Replaced") -> "_Replaced":
        """Return these overlays and others."""
        return _Replaced({**self.tables, **other.tables}, self.prepare + other.prepare)


def _replace(store: _Store, name: str, gone: ColumnElement[bool], rows: Sequence[Statement]) -> _Replaced:
    """Overlay a table without some of its rows and with others.

    On SQLite these are read from a temporary table, whose columns have the types of the real ones. Without it SQLite
    would collect all rows of a table for each statement instead of walking its indexes (rule 17 of its flattener).
    """
    table = store.tables[name]
    kept, added = sa.select(*table.c).where(~gone), sa.union_all(*rows) if rows else None
    if added is None:
        return _Replaced({name: OverlaidTable(store.write(kept))})
    if not store.is_sqlite:
        return _Replaced({name: OverlaidTable(f"{store.write(kept)} UNION ALL {store.write(added)}")})
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    prepare = (
        f"CREATE TEMP TABLE overlay_{name} AS {store.write(sa.select(*table.c).where(sa.false()))}",
        f"INSERT INTO temp.overlay_{name} ({columns}) {store.write(added)}",
    )
    sql = f"{store.write(kept)} UNION ALL SELECT {columns} FROM temp.overlay_{name}"  # noqa: S608 (no input in it)
    return _Replaced({name: OverlaidTable(sql)}, prepare)


# ---- articles


class _Articles:
    """The articles that a release changes, as SELECTs by the rules of publishing."""

    def __init__(self, store: _Store) -> None:
        self.store = store
        self.article, self.revision = store.tables["article"], store.tables["revision"]
        self.item = store.tables["release_item"]
        self.release_id = store.literal(self.item.c.release_id, _RELEASE_ID)
        self.at = store.literal(self.article.c.listed_at, _MOMENT)
        article, item = self.article.c, self.item.c
        is_out = (article.state == "published") & (article.published_revision == item.revision)
        publishes = (item.op == "publish") & (article.state != "retracted") & ~sa.func.coalesce(is_out, sa.false())
        withdraws = (item.op == "unpublish") & (article.state == "published")
        self.publishes, self.withdraws = self._is_item & publishes, self._is_item & withdraws

    @property
    def _is_item(self) -> ColumnElement[bool]:
        return (self.item.c.release_id == self.release_id) & (self.item.c.article_id == self.article.c.id)

    def is_changed(self, column: Column) -> ColumnElement[bool]:
        """Whether a column has the id of an article that the release changes."""
        if self.store.is_sqlite:
            return column.in_(sa.select(sa.table("overlay_article", sa.column("id", column.type), schema="temp").c.id))
        joined = self.item.join(self.article, self.item.c.article_id == self.article.c.id)
        changed = sa.select(self.article.c.id).select_from(joined).where(self.publishes | self.withdraws)
        return column.in_(changed)

    @property
    def is_public(self) -> ColumnElement[bool]:
        """Whether a published article is public at once."""
        article = self.article.c
        begun = article.embargoed_until.is_(None) | (article.embargoed_until <= self.at)
        return begun & (article.expires_at.is_(None) | (article.expires_at > self.at))

    @property
    def published_at(self) -> Column:
        """When a published article was first public, or its embargo ended."""
        article, revision = self.article.c, self.revision.alias("seen")
        was_seen = sa.exists().where(revision.c.article_id == article.id, revision.c.published_at.is_not(None))
        is_dated = article.published_at.is_not(None) & (article.backdated | was_seen)
        date = sa.case((is_dated, article.published_at), else_=self.at)
        is_lifted = ~article.backdated & ~article.public & self.is_public & (article.embargoed_until > date)
        return sa.case((is_lifted, article.embargoed_until), else_=date)

    def _pick_term(self, kind: str, term: Column) -> Column:
        """Select the term that a revision means: that into which it was merged, or none if it does not exist."""
        merge, terms = self.store.tables["term_merge"], self.store.tables[kind]
        is_merged = merge.c.source_id == term
        target = sa.select(merge.c.target_id).where(is_merged).correlate(self.revision).scalar_subquery()
        # Where a term was removed, the target is null, and no term has this id.
        current = sa.case((sa.exists().where(is_merged).correlate(self.revision), target), else_=term)
        return sa.select(terms.c.id).where(terms.c.id == current).correlate(self.revision).scalar_subquery()

    def _select_published(self, *columns: Column) -> Statement:
        article, item, revision = self.article, self.item, self.revision
        pinned = (revision.c.article_id == item.c.article_id) & (revision.c.n == item.c.revision)
        joined = item.join(article, article.c.id == item.c.article_id).join(revision, pinned)
        return sa.select(*columns).select_from(joined).where(self.publishes)

    def _next_version(self) -> Column:
        article = self.article.c
        return sa.case((article.highest_version > article.version, article.highest_version), else_=article.version) + 1

    def select_published(self) -> Statement:
        """Select the rows of the articles that are published."""
        article, revision, published = self.article.c, self.revision.c, self.published_at
        began = sa.case((article.updated_at < published, published), else_=article.updated_at)
        updated = sa.case((article.public, self.at), else_=began)
        values: dict[str, Column] = {
            **{name: revision[name] for name in PROJECTED_COLUMNS},
            "series_id": self._pick_term("series", revision.series_id),
            "state": sa.literal("published"),
            "public": self.is_public,
            "listed": self.is_public & (revision.type != PAGE_TYPE),
            "version": self._next_version(),
            "revision": self.item.c.revision,
            "published_revision": self.item.c.revision,
            "published_at": published,
            "listed_at": published,
            "updated_at": sa.case((self.is_public, updated), else_=article.updated_at),
            "card_stamp": sa.literal(-1),
        }
        empty = ("scheduled_revision", "scheduled_at", "retraction", "card", "card_discussion")
        values |= {name: self.store.literal(article[name], None) for name in empty}
        return self._select_published(*(values.get(c.name, c).label(c.name) for c in self.article.c))

    def select_withdrawn(self) -> Statement:
        """Select the rows of the articles that are unpublished, which only editors see."""
        values: dict[str, Column] = {
            "state": sa.literal("unpublished"),
            "public": sa.false(),
            "listed": sa.false(),
            "version": self._next_version(),
            "card_stamp": sa.literal(-1),
        }
        joined = self.item.join(self.article, self.article.c.id == self.item.c.article_id)
        columns = (values.get(c.name, c).label(c.name) for c in self.article.c)
        return sa.select(*columns).select_from(joined).where(self.withdraws)

    def _iterate_terms(self, kind: str) -> sa.TableValuedAlias:
        """Return the ids of the tags or authors of a revision with their places, as a table."""
        column = self.revision.c[f"{kind}s"]
        if self.store.is_sqlite:
            return sa.func.json_each(column).table_valued("key", "value")
        elements = sa.func.json_array_elements_text(column)
        return elements.table_valued("value", with_ordinality="key").render_derived()

    def select_links(self, kind: str) -> Statement:
        """Select the rows that link the published articles with their tags or authors."""
        each = self._iterate_terms(kind)
        links, terms = self.store.tables[f"article_{kind}"], self.store.tables[kind]
        merge, article = self.store.tables["term_merge"], self.article
        named = sa.cast(each.c.value, links.c[f"{kind}_id"].type)
        pinned = (self.revision.c.article_id == self.item.c.article_id) & (self.revision.c.n == self.item.c.revision)
        tables = (
            self.item.join(article, article.c.id == self.item.c.article_id)
            .join(self.revision, pinned)
            .join(each, sa.true())
            .outerjoin(merge, merge.c.source_id == named)
            .join(terms, terms.c.id == sa.case((merge.c.id.is_not(None), merge.c.target_id), else_=named))
        )
        values: dict[str, Column] = {
            "article_id": article.c.id,
            f"{kind}_id": terms.c.id,
            "position": each.c.key,
            "listed": self.is_public & (self.revision.c.type != PAGE_TYPE),
            "listed_at": self.published_at,
        }
        columns = (sa.cast(values[c.name], c.type) if c.name == "position" else values[c.name] for c in links.c)
        return (
            sa.select(*(column.label(c.name) for column, c in zip(columns, links.c, strict=True)))
            .select_from(tables)
            .where(self.publishes)
        )

    def _select_changes(self, kind: str) -> sa.Subquery:
        """Select by how much the number of articles of terms changes: a row for each article that comes or goes."""
        if kind in _LINKS:
            links, column = self.store.tables[f"article_{kind}"], f"{kind}_id"
            gone: Statement = sa.select(links.c[column].label("term_id"), sa.literal_column("-1").label("number"))
            gone = gone.where(links.c.listed, self.is_changed(links.c.article_id))
            coming = self.select_links(kind).subquery("coming")
            come = sa.select(coming.c[column], sa.literal_column("1")).where(coming.c.listed)
        else:
            other, column = self.article.alias("present"), f"{kind}_id"
            gone = sa.select(other.c[column].label("term_id"), sa.literal_column("-1").label("number"))
            gone = gone.where(other.c.listed, self.is_changed(other.c.id))
            term = (
                self.revision.c.section_id
                if kind == "section"
                else self._pick_term("series", self.revision.c.series_id)
            )
            is_listed = self.is_public & (self.revision.c.type != PAGE_TYPE)
            come = self._select_published(term, sa.literal_column("1")).where(is_listed)
        return sa.union_all(gone, come).subquery("change")

    def overlay_counts(self, kind: str) -> OverlaidTable:
        """Overlay the numbers of articles of terms; articles count in all sections around their own."""
        terms, change = self.store.tables[kind], self._select_changes(kind)
        total = sa.func.coalesce(sa.func.sum(change.c.number), 0)
        if kind == "section":
            closure = self.store.tables["section_closure"]
            joined = change.join(closure, closure.c.descendant_id == change.c.term_id)
            query = sa.select(total).select_from(joined).where(closure.c.ancestor_id == terms.c.id)
        else:
            query = sa.select(total).where(change.c.term_id == terms.c.id)
        number = sa.cast(terms.c.articles + query.correlate(terms).scalar_subquery(), sa.BigInteger)
        columns = (number.label("articles") if c.name == "articles" else c for c in terms.c)
        return OverlaidTable(self.store.write(sa.select(*columns)), "articles")

    def select_public(self) -> Statement:
        """Select the ids of the articles whose published texts readers would see."""
        return self._select_published(self.article.c.id).where(self.is_public)


class _WrittenArticles(NamedTuple):
    """Overlays of articles for `_RELEASE_ID` and `_MOMENT`."""

    overlays: _Replaced
    public: str

    def fill(self, store: _Store, release_id: str, moment: datetime) -> "_WrittenArticles":
        """Return them for a release at a moment."""

        def fill(sql: str) -> str:
            placed = sql.replace(_RELEASE_ID, release_id)
            return placed.replace(store.format_time(_MOMENT), store.format_time(moment))

        tables = {name: table._replace(sql=fill(table.sql)) for name, table in self.overlays.tables.items()}
        return _WrittenArticles(_Replaced(tables, tuple(map(fill, self.overlays.prepare))), fill(self.public))


def _overlay_by_id(store: _Store, table: OverlaidTable) -> _Replaced:
    """Overlay articles for joins by id: each row is looked up in the real table, where those that change are, too.

    SQLite would collect all rows of a union where an ORDER BY names what is not selected (rule 18 of its flattener).
    """
    article = store.tables["article"]
    columns = (sa.column(each.name, each.type) for each in article.c)
    changed = sa.table("overlay_article", *columns, schema="temp").alias("changed")
    is_same = changed.c.id.is_(None)
    values = (
        article.c.id if c.name == "id" else sa.case((is_same, c), else_=changed.c[c.name]).label(c.name)
        for c in article.c
    )
    query = sa.select(*values).select_from(article.outerjoin(changed, changed.c.id == article.c.id))
    index = "CREATE UNIQUE INDEX temp.overlay_article_id ON overlay_article (id)"
    return _Replaced({"article": table._replace(by_id=store.write(query))}, (index,))


@lru_cache(8)
def _write_articles(store: _Store) -> _WrittenArticles:
    """Write the overlays of articles, once for a process: that takes longer than to read through them."""
    changes, tables = _Articles(store), store.tables
    article, entry = tables["article"].c, tables["search_entry"].c
    rows = [changes.select_published(), changes.select_withdrawn()]
    overlays = _replace(store, "article", changes.is_changed(article.id), rows)
    if store.is_sqlite:
        overlays = overlays.join(_overlay_by_id(store, overlays.tables["article"]))
    for kind in _LINKS:
        gone = changes.is_changed(tables[f"article_{kind}"].c.article_id)
        overlays = overlays.join(_replace(store, f"article_{kind}", gone, [changes.select_links(kind)]))
    overlays = overlays.join(_replace(store, "search_entry", changes.is_changed(entry.article_id), []))
    overlays = overlays.join(_Replaced({kind: changes.overlay_counts(kind) for kind in _TERMS}))
    return _WrittenArticles(overlays, store.write(changes.select_public()))


# ---- everything else


class _OtherItem(TypedDict):
    id: str
    op: str
    target: str | None
    body: JsonObject | None


def _preview_notices(
    connection: sa.Connection, articles: NoticeArticles, items: Sequence[_OtherItem]
) -> dict[str, notices.ShownNotice | None]:
    """Return the notices that a release changes, by their ids; a new one has that of its item."""
    changed: dict[str, notices.ShownNotice | None] = {}
    for item in items:
        target = str(item["target"])
        if item["op"] == "create_notice":
            data = NoticeIn.model_validate(item["body"])
            changed[item["id"]] = notices.preview_new(connection, articles, item["id"], data)
        elif item["op"] == "change_notice":
            changed[target] = notices.preview_change(connection, target, NoticePatch.model_validate(item["body"]))
        elif item["op"] == "delete_notice":
            changed[target] = None
    return changed


def _overlay_notices(
    connection: sa.Connection,
    store: _Store,
    changed: Mapping[str, notices.ShownNotice | None],
    moment: datetime,
) -> _Replaced:
    table, generation = store.tables["notice"], store.tables["publication_stamp"]
    stored = connection.execute(sa.select(table).where(table.c.id.in_(sorted(changed)))).mappings()
    stamps = {row["id"]: (row["version"], row["created_at"]) for row in stored}
    shown: list[JsonObject] = []
    for row in changed.values():
        if row is not None:
            version, created_at = stamps.get(row["id"], (0, moment))
            shown.append({**row, "version": version + 1, "created_at": created_at, "updated_at": moment})
    rows = store.select_rows(table, shown)
    # Another generation: the JSON of articles that is cached has the notices of now.
    number = (generation.c.n + 1).label("n")
    columns = [number if column.name == "n" else column for column in generation.c]
    stamp = _Replaced({"publication_stamp": OverlaidTable(store.write(sa.select(*columns)))})
    return stamp.join(_replace(store, "notice", table.c.id.in_(sorted(changed)), rows))


def _preview_front(connection: sa.Connection, item: _OtherItem, moment: datetime) -> JsonObject | None:
    """Return the row of a front after a release; None if it could not be published."""
    row, data = find_front(connection, str(item["target"])), FrontContent.model_validate(item["body"])
    try:
        with Session(connection) as session:
            blocks = build_blocks(session, SYSTEM, data)
    except Problem:
        return None
    published: JsonObject = {"title": data.title, "blocks": blocks, "at": format_rfc3339(moment)}
    if row is None:
        new: JsonObject = {"id": item["id"], "slug": item["target"], "draft": None, "version": 1, "created_at": moment}
        return {**new, "published": published, "updated_at": moment}
    return {**row, "published": published, "version": row["version"] + 1, "updated_at": moment}


def _preview_redirect(connection: sa.Connection, item: _OtherItem, site: Site, moment: datetime) -> JsonObject | None:
    """Return the row of a redirect after a release; None if there is none."""
    row = redirects.find_redirect(connection, str(item["target"])) if item["target"] else None
    try:
        if item["op"] == "create_redirect":
            created = redirects.preview_rule(None, RedirectIn.model_validate(item["body"]), site)
            return {**created._asdict(), "id": item["id"], "version": 1, "created_at": moment, "updated_at": moment}
        if item["op"] == "delete_redirect" or row is None:
            return None
        changed = redirects.preview_rule(row, RedirectPatch.model_validate(item["body"]), site)
    except Problem:
        return None
    return {**row, **changed._asdict(), "version": row["version"] + 1, "updated_at": moment}


def _overlay_rows(store: _Store, name: str, key: str, rows: Mapping[str, JsonObject | None]) -> _Replaced:
    """Overlay rows of a table: those with these ids are replaced, and those with the key of a new one give way."""
    table, shown = store.tables[name], [row for row in rows.values() if row]
    gone = table.c.id.in_(sorted(rows)) | table.c[key].in_(sorted(str(row[key]) for row in shown))
    return _replace(store, name, gone, store.select_rows(table, shown))


def _list_other_items(connection: sa.Connection, release_id: str) -> list[_OtherItem]:
    item = table_of(ReleaseItem).c
    query = sa.select(*(item[name] for name in _OtherItem.__annotations__))
    query = query.where(item.release_id == release_id, item.article_id.is_(None))
    return fetch_rows(connection, query.order_by(item.position), _OtherItem)


def find_overlay(connection: sa.Connection, token: str, articles: NoticeArticles, site: Site) -> Overlay | None:
    """Find what the holder of a token sees; None if the token is unknown, expired or revoked.

    After the release was published that is what everybody sees.
    """
    release = find_release_of(connection, token)
    if release is None:
        return None
    release_id, is_published = release
    if is_published:
        return Overlay({})
    store, moment = _find_store(connection), now()
    written = _write_articles(store).fill(store, release_id, moment)
    overlays = written.overlays
    items = _list_other_items(connection, release_id)
    if changed := _preview_notices(connection, articles, items):
        overlays = overlays.join(_overlay_notices(connection, store, changed, moment))
    fronts = [item for item in items if item["op"] == "front"]
    if pages := [page for item in fronts if (page := _preview_front(connection, item, moment))]:
        overlays = overlays.join(_overlay_rows(store, "front", "slug", {str(page["id"]): page for page in pages}))
    rules = [item for item in items if item["op"].endswith("_redirect")]
    if rows := {item["target"] or item["id"]: _preview_redirect(connection, item, site, moment) for item in rules}:
        overlays = overlays.join(_overlay_rows(store, "redirect", "source", rows))
    public = connection.exec_driver_sql(written.public).scalars()
    return Overlay(overlays.tables, tuple(str(article_id) for article_id in public), overlays.prepare)
