"""Finding: the index gives articles that answer, newest first and no more than can be ranked; cards do the rest."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import MovedOn, finished, lean, made_for
from app.articles.listing.queries import COLUMNS, Shape, conditions, shape_of
from app.articles.listing.schemas import SORTS, Group, ListQuery
from app.articles.queries import A
from app.identity.schemas import Actor
from app.kit.db import giving_way
from app.kit.languages import STEMMERS
from app.kit.paging import Sort, bindings, page_of
from app.kit.schema import Row, moment
from app.search.schemas import NEWEST_KEY, RANKED, Mark, SearchQuery
from app.search.tables import ENTRY, SLOTS, WORDS
from app.search.text.marks import marked, snippet
from app.search.text.questions import Question, parse
from app.search.text.words import STEPS

BY_KEY = Sort("found", descending=True, kind=int)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BIG = sa.BigInteger()
_HIGHLIT = ("title", "dek", "excerpt", "language")


def period(key: int, form: str = "%Y-%m") -> str:
    """The month or year of a key, as a word that stands beside the words of articles on PostgreSQL."""
    return (_EPOCH + timedelta(microseconds=key // SLOTS)).strftime(f"@{form}")


def _begins(year: int, month: int = 1) -> int:
    """The first key of a month, months counted on beyond a year."""
    since = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC) - _EPOCH
    return since // timedelta(microseconds=1) * SLOTS


class Window(NamedTuple):
    """Keys among which articles are looked for, and words that PostgreSQL finds them by."""

    newest: int
    oldest: int
    periods: tuple[str, ...] = ()


def _windows(connection: sa.Connection, newest: int, oldest: int) -> Iterator[Window]:
    """Where to look in turn. SQLite walks its index from the newest on and stops by itself.

    PostgreSQL gets all that answer before it knows which are the newest: so the last two months are asked first, then
    the last two years. Their names are words of the index, and so the rest of a common word's articles is skipped.
    """
    if connection.dialect.name == "postgresql":
        last = connection.execute(_LAST, {"newest": newest}).scalar_one_or_none()
        if last is None:
            return
        at = _EPOCH + timedelta(microseconds=last // SLOTS)
        for begin, form in ((_begins(at.year, at.month - 1), "%Y-%m"), (_begins(at.year - 1), "%Y")):
            if newest < oldest:
                return
            if begin <= newest:
                names = tuple(dict.fromkeys((period(last, form), period(begin, form))))
                yield Window(newest, max(begin, oldest), names)
                newest = begin - 1
    if newest >= oldest:
        yield Window(newest, oldest)


_LAST = sa.select(sa.func.max(ENTRY.c.key)).where(ENTRY.c.key <= sa.bindparam("newest", type_=_BIG))


@lru_cache(256)
def _hits(
    shape: Shape, dialect: str, *, joined: bool = False
) -> tuple[sa.FromClause, ColumnElement[int], list[ColumnElement[bool]]]:
    """Where the articles that answer stand, their key, and what must hold of them."""
    question: sa.BindParameter[str] = sa.bindparam("question", type_=sa.Text())
    if dialect == "sqlite":
        tables: Any = WORDS.join(ENTRY, ENTRY.c.key == WORDS.c.rowid)
        key: Any = WORDS.c.rowid
        matches: Any = WORDS.c.search_words.op("MATCH")(question)
    else:
        tables, key = ENTRY, ENTRY.c.key
        matches = ENTRY.c.vector.op("@@")(sa.cast(question, sa.dialects.postgresql.TSQUERY))
    if not joined and not (shape.groups or shape.bounds) and shape.featured is None and shape.states is None:
        return tables, key, [matches, _within(key)]  # only what is public is in the index: no look at any article
    return tables.join(A, A.c.id == ENTRY.c.article_id), key, [matches, _within(key), *conditions(shape)]


def _within(key: ColumnElement[int]) -> ColumnElement[bool]:
    return (key <= sa.bindparam("newest", type_=_BIG)) & (key >= sa.bindparam("oldest", type_=_BIG))


@lru_cache(256)
def _newest(shape: Shape, dialect: str) -> sa.Select[Any]:
    tables, key, where = _hits(shape, dialect)
    found = sa.select(key.label("key"), ENTRY.c.article_id.label("id"), ENTRY.c.weights)
    most = sa.bindparam("most", type_=_BIG)
    return found.select_from(tables).where(*where).order_by(key.desc()).limit(most)


@lru_cache(256)
def _count(shape: Shape, dialect: str) -> sa.Select[Any]:
    tables, _, where = _hits(shape, dialect)
    return sa.select(sa.func.count()).select_from(tables).where(*where)


@lru_cache(256)
def _sorted(shape: Shape, dialect: str) -> sa.Select[Any]:
    """A page in an order that is not the index's: all that answer are looked at."""
    tables, _, where = _hits(shape, dialect, joined=True)
    key = COLUMNS[shape.sort.name.lstrip("-")]
    if shape.paged:
        where = [*where, shape.sort.after(key, A.c.id)]
    found = sa.select(A.c.id, key.label("key")).select_from(tables).where(*where)
    found = found.order_by(*shape.sort.order_by(key, A.c.id)).limit(sa.bindparam("most", type_=_BIG))
    page = found.subquery("page")
    cards: sa.Select[Any] = lean(formats=shape.formats, editing=shape.editing, page=page)
    return cards.order_by(*shape.sort.order_by(page.c.key, page.c.id))


@lru_cache(64)
def _cards(formats: tuple[str, ...], editing: bool, highlit: bool) -> sa.Select[Any]:
    ids = sa.bindparam("ids", type_=A.c.id.type, expanding=True)
    page = sa.select(A.c.id, A.c.listed_at.label("key")).where(A.c.public, A.c.id.in_(ids)).subquery("page")
    names, more = (_HIGHLIT, ("text",)) if highlit else ((), ())
    wanted = tuple(dict.fromkeys((*formats, *more)))
    cards: sa.Select[Any] = lean(*names, formats=wanted, editing=editing, page=page)
    return cards


def public(connection: sa.Connection) -> int:
    """How many articles there are to index."""
    return connection.execute(sa.select(sa.func.count()).where(A.c.public)).scalar_one()


class Search:
    """One request: a question and filters, on one connection."""

    def __init__(
        self,
        connection: sa.Connection,
        query: ListQuery | SearchQuery,
        groups: tuple[Group, ...],
        actor: Actor,
        site: Site,
    ) -> None:
        self.connection, self.query, self.actor, self.site = connection, query, actor, site
        spoken = {ref.partition("-")[0].lower() for group in groups if group.kind == "language" for ref in group.refs}
        is_said = any(group.kind == "language" and not group.negative for group in groups)
        self.question = parse(query.q or "", sorted(spoken & STEMMERS.keys()) if is_said else STEMMERS)
        self.shape, self.values = shape_of(query, groups, actor, SORTS.get(query.sort, BY_KEY))
        self.dialect = connection.dialect.name

    def _asked(self, window: Window) -> dict[str, Any]:
        """The parameters of a statement about a window."""
        if self.dialect == "sqlite":
            question = self.question.fts5()
        else:
            question = self.question.tsquery()
            if window.periods:
                names = " | ".join(f"'{name}'" for name in window.periods)
                question = f"({question}) & ({names})"
        return {**self.values, "question": question, "newest": window.newest, "oldest": window.oldest}

    def newest(self, newest: int, oldest: int, most: int) -> list[Row]:
        """The newest articles that answer, with their keys and weights."""
        found: list[Row] = []
        for window in _windows(self.connection, newest, oldest):
            asked = {**self._asked(window), "most": most - len(found)}
            found += giving_way(self.connection.execute(_newest(self.shape, self.dialect), asked).mappings())
            if len(found) >= most:
                break
        return found

    def total(self) -> int | None:
        """How many answer, if that was asked."""
        if self.query.count == "none":
            return None
        if self.question.is_empty:
            return 0
        asked = self._asked(Window(NEWEST_KEY, -NEWEST_KEY))
        return int(self.connection.execute(_count(self.shape, self.dialect), asked).scalar_one())

    def ranked(self) -> tuple[list[Row], str | None]:
        """A page of the best, and the cursor of the next."""
        limit, cursor = self.query.limit, self.query.cursor
        mark = Mark.decode(cursor) if cursor else None
        if mark is not None and mark.score < 0:
            return self._beyond(mark)
        most = RANKED - RANKED % limit  # so that only the last page holds less than was asked for
        if mark is None:
            window = self.newest(NEWEST_KEY, -NEWEST_KEY, most + 1)
            if not window:
                return [], None
            more = len(window) > most
            window = window[:most]
            bounds = window[0]["key"], window[-1]["key"], int(more)
            here = (1, 0)
        else:
            window = self.newest(mark.newest, mark.oldest, RANKED)
            bounds, here = (mark.newest, mark.oldest, mark.more), (-mark.score, -mark.key)
        each = enumerate(giving_way(window))
        places = sorted((-self.question.score(row["weights"]), -row["key"], at) for at, row in each)
        left = [place for place in places if mark is None or place[:2] > here]
        rows = [window[at] for _, _, at in left[:limit]]
        if len(left) > limit:
            score, key, _ = left[limit - 1]
            return rows, Mark(-score, -key, *bounds).encode()
        return rows, Mark(-1, bounds[1], *bounds).encode() if bounds[2] else None

    def _beyond(self, mark: Mark) -> tuple[list[Row], str | None]:
        rows = self.newest(mark.key - 1, -NEWEST_KEY, self.query.limit + 1)
        shown = rows[: self.query.limit]
        return shown, mark._replace(key=shown[-1]["key"]).encode() if len(rows) > len(shown) else None

    def by_date(self) -> tuple[list[Row], str | None]:
        """A page of the newest, and the cursor of the next."""
        key = BY_KEY.decode(self.query.cursor) if self.query.cursor else None
        rows = self.newest(int(key[0]) - 1 if key else NEWEST_KEY, -NEWEST_KEY, self.query.limit + 1)  # type: ignore[arg-type]
        found = page_of(rows, self.query.limit, BY_KEY, "key")
        return found["data"], found["page"]["next"]

    def in_order(self) -> tuple[Sequence[Row], str | None]:
        """The same in any other order of a list, as finished rows."""
        sort = self.shape.sort
        key = sort.decode(self.query.cursor) if self.query.cursor else None
        asked = {**self._asked(Window(NEWEST_KEY, -NEWEST_KEY)), **bindings(key), "most": self.query.limit + 1}
        asked["made_for"] = made_for(self.site)
        rows = self.connection.execute(_sorted(self.shape, self.dialect), asked).mappings().all()
        found = page_of(rows, self.query.limit, sort, "key")
        return found["data"], found["page"]["next"]

    def cards(self, hits: Sequence[Row], *, highlit: bool) -> list[Row]:
        """The rows of cards of what was found, in the same order; `MovedOn` if one is no longer public."""
        if not hits:
            return []
        asked = {"ids": [row["id"] for row in hits], "made_for": made_for(self.site)}
        statement = _cards(self.shape.formats, self.shape.editing, highlit)
        rows = {row["id"]: row for row in giving_way(self.connection.execute(statement, asked).mappings())}
        if len(rows) < len(hits):
            raise MovedOn
        return [rows[row["id"]] for row in hits]

    def page(self, rows: Sequence[Row], cursor: str | None) -> dict[str, Any]:
        """Articles as JSON, with what `page` and `Last-Modified` say of them."""
        edits = (lambda row: self.actor.may_in(row["section_id"])) if self.shape.editing else None
        data = finished(self.connection, rows, self.site, self.shape.formats, edits)
        newest = max((row["updated_at"] for row in rows), default=None)
        page = {"next": cursor, "limit": self.query.limit, "total": self.total()}
        return {"data": data, "page": page, "modified": newest and moment(newest)}


def listed(
    connection: sa.Connection, query: ListQuery, groups: tuple[Group, ...], actor: Actor, site: Site
) -> dict[str, Any]:
    """A page of a list of articles that answer `q`: two statements, or one in another order than by date."""
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.page([], None)
    if query.sort == "-published_at":
        hits, cursor = search.by_date()
        return search.page(search.cards(hits, highlit=False), cursor)
    return search.page(*search.in_order())


def found(
    connection: sa.Connection, query: SearchQuery, groups: tuple[Group, ...], actor: Actor, site: Site
) -> dict[str, Any]:
    """A page of what the search finds, with scores and highlights: two statements, on PostgreSQL up to five."""
    search = Search(connection, query, groups, actor, site)
    if search.question.is_empty:
        return search.page([], None)
    hits, cursor = search.ranked() if query.sort == "relevance" else search.by_date()
    rows = search.cards(hits, highlit=True)
    page = search.page(rows, cursor)
    page["data"] = [
        item[:-1] + b"," + pydantic_core.to_json(_answer(search.question, hit, row))[1:]
        for item, hit, row in giving_way(zip(page["data"], hits, rows, strict=True))
    ]
    return page


def _answer(question: Question, hit: Row, row: Row) -> dict[str, Any]:
    """What the search says of an article besides what it is."""
    language, dek = row["language"], row["dek"]
    return {
        "score": round(question.score(hit["weights"]) / (STEPS * len(question.wanted)), 4),
        "highlight": {
            "title": marked(row["title"], question, language),
            "dek": marked(dek, question, language) if dek is not None else None,
            "text": snippet(row["body_text"], question, language),
        },
    }
