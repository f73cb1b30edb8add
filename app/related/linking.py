"""Building related links: the texts and terms that are compared, and the lists of links."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, REVISION
from app.db.columns import PAST, table_of
from app.db.rows import JsonObject, fetch_row, fetch_rows
from app.events.catalog import (
    ArticlePublished,
    ArticleRetracted,
    ArticleUnpublished,
    ArticleUpdated,
    LoggedEvent,
    RelatedChanged,
)
from app.events.log import emit
from app.publication.terms import take_name_lock
from app.related import terms
from app.related.analysis import analyze_text
from app.related.similarity import (
    MAX_LINKS,
    MIN_SCORE,
    MIN_SHARED_TERMS,
    VECTOR_LENGTH,
    Link,
    Vector,
    create_link,
    pick_links,
)
from app.related.tables import RelatedLink, RelatedText, StoredTerm

TEXT, LINK = table_of(RelatedText), table_of(RelatedLink)
MAX_TEXTS_PER_TERM = 400  # newest texts read per term
MAX_CANDIDATES = 200  # candidates compared term by term
JSON_ELEMENTS = {"sqlite": "json_each(:{0})", "postgresql": "json_array_elements(CAST(:{0} AS json)) AS e(value)"}
_FIRST_AUTHOR = (
    sa.select(ARTICLE_AUTHOR.c.author_id)
    .where(ARTICLE_AUTHOR.c.article_id == ARTICLE.c.id)
    .order_by(ARTICLE_AUTHOR.c.position)
    .limit(1)
)
_SELECT_SOURCE = (
    sa.select(
        ARTICLE.c.id, ARTICLE.c.revision, ARTICLE.c.language, ARTICLE.c.title, ARTICLE.c.listed_at, REVISION.c.text
    )
    .add_columns(_FIRST_AUTHOR.correlate(ARTICLE).scalar_subquery().label("author_id"))
    .join(REVISION, (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision))
    .where(ARTICLE.c.id == sa.bindparam("article", type_=ARTICLE.c.id.type), ARTICLE.c.listed)
)
_SELECT_TEXT = (
    sa.select(TEXT, REVISION.c.title, REVISION.c.text, REVISION.c.language.label("tag"))
    .outerjoin(REVISION, (REVISION.c.article_id == TEXT.c.article_id) & (REVISION.c.n == TEXT.c.revision))
    .where(TEXT.c.article_id == sa.bindparam("article", type_=TEXT.c.article_id.type))
)
# Scalar subqueries: with a join PostgreSQL would read all texts instead of some hundreds by index.
_SELECT_OF_TARGET = {
    name: sa.select(TEXT.c[name]).where(TEXT.c.article_id == LINK.c.target_id).correlate(LINK).scalar_subquery()
    for name in ("author_id", "signature")
}
_SELECT_LISTERS = sa.select(LINK.c.article_id).where(
    LINK.c.target_id == sa.bindparam("article", type_=LINK.c.target_id.type)
)


class Source(TypedDict):
    """The public version of an article."""

    id: str
    revision: int
    language: str
    title: str
    listed_at: datetime
    text: str
    author_id: str | None


class VectorRow(TypedDict):
    """The columns of `related_text` from which a vector is made."""

    article_id: str
    listed_at: datetime
    author_id: str | None
    terms: list[StoredTerm]
    signature: bytes


class TextRow(VectorRow):
    """A row of `related_text`."""

    n: int
    revision: int
    language: str
    stale: bool


class AnalyzedText(TextRow):
    """A row of `related_text` with the text of its revision, which is missing after an erasure."""

    title: str | None
    text: str | None
    tag: str | None


def find_source(connection: sa.Connection, article_id: str) -> Source | None:
    """Return the public version of a listed article, or None. Pages are not related reading."""
    return fetch_row(connection, _SELECT_SOURCE, Source, {"article": article_id})


def find_text(connection: sa.Connection, article_id: str) -> AnalyzedText | None:
    """Return an article's row of `related_text` with the title, text and language of that revision, or None."""
    return fetch_row(connection, _SELECT_TEXT, AnalyzedText, {"article": article_id})


def find_articles_linking_to(connection: sa.Connection, article_id: str) -> list[str]:
    """List the articles that link to an article."""
    return list(connection.execute(_SELECT_LISTERS, {"article": article_id}).scalars())


def vector_of(row: VectorRow) -> Vector:
    """Return the vector of a row of `related_text`."""
    terms = {term: weight for term, weight, _ in row["terms"]}
    labels = {term: label for term, _, label in row["terms"]}
    return Vector(row["article_id"], row["listed_at"], row["author_id"], terms, row["signature"], labels)


@lru_cache(2)
def _select_candidates(dialect: str) -> sa.TextualSelect:
    """Build the query for similar texts: the newest texts of each term by an index range, summed by text.

    Of the best, those too different for a link are left out here: decoding their terms would take most of the time.
    CROSS JOIN keeps SQLite from indexing all terms for the look-ups of some.
    """
    return sa.text(f"""
        WITH given AS MATERIALIZED (
            SELECT CAST(value ->> 0 AS BIGINT) AS term_id, CAST(value ->> 1 AS INTEGER) AS weight
            FROM {JSON_ELEMENTS[dialect].format("terms")}
        ), mine AS MATERIALIZED (
            SELECT term_id, weight, COALESCE((
                SELECT t.n FROM article_term AS t WHERE t.term_id = given.term_id ORDER BY t.n DESC LIMIT 1 OFFSET :each
            ), 0) AS past FROM given
        ), matched AS (
            SELECT t.n AS n, SUM(t.weight * mine.weight) AS worth
            FROM mine JOIN article_term AS t ON t.term_id = mine.term_id AND t.n > mine.past
            GROUP BY t.n ORDER BY worth DESC, t.n DESC LIMIT :most
        ), alike AS (
            SELECT matched.n AS n FROM matched CROSS JOIN given CROSS JOIN article_term AS t
            WHERE t.term_id = given.term_id AND t.n = matched.n
            GROUP BY matched.n HAVING COUNT(*) >= :shared AND SUM(t.weight * given.weight) >= :least
        )
        SELECT r.article_id, r.listed_at, r.author_id, r.terms, r.signature
        FROM alike JOIN related_text AS r ON r.n = alike.n
    """).columns(*(TEXT.c[name] for name in ("article_id", "listed_at", "author_id", "terms", "signature")))  # noqa: S608


def find_candidates(connection: sa.Connection, of: Vector) -> list[Vector]:
    """Find the texts worth comparing, including the text itself if it has a row."""
    terms = "[" + ",".join(f"[{term},{weight}]" for term, weight in of.terms.items()) + "]"
    values = {
        "terms": terms,
        "each": MAX_TEXTS_PER_TERM,
        "most": MAX_CANDIDATES + 1,
        "shared": MIN_SHARED_TERMS,
        "least": MIN_SCORE * VECTOR_LENGTH,
    }
    rows = fetch_rows(connection, _select_candidates(connection.dialect.name), VectorRow, values)
    return [vector_of(row) for row in rows]


def accepting_links(connection: sa.Connection, links: dict[str, Link]) -> list[str]:
    """List the articles that accept an offered link: their list is not full, or holds a link with a lower score."""
    deferred = sa.func.sum(sa.case((LINK.c.deferred, 1), else_=0))
    query = sa.select(LINK.c.article_id, sa.func.count().label("links"), sa.func.min(LINK.c.score).label("least"))
    query = query.add_columns(deferred.label("deferred")).where(LINK.c.article_id.in_(list(links)))
    rows = {row.article_id: row for row in connection.execute(query.group_by(LINK.c.article_id))}
    return [
        article_id
        for article_id, link in links.items()
        if (row := rows.get(article_id)) is None or row.links < MAX_LINKS or row.deferred or row.least <= link.score
    ]


def read_links(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[Link]]:
    """Read the current links of articles."""
    article_ids = list(ids)
    lists: dict[str, list[Link]] = {article_id: [] for article_id in article_ids}
    columns = [_SELECT_OF_TARGET[name].label(name) for name in ("author_id", "signature")]
    query = sa.select(LINK, *columns).where(LINK.c.article_id.in_(article_ids))
    for row in connection.execute(query):
        if row.signature is None:  # its text is being recounted
            continue
        link = Link(row.target_id, row.score, row.terms, row.author_id, row.signature, row.deferred)
        lists[row.article_id].append(link)
    return lists


_IS_STALE = sa.text("related_text.stale")  # as in the index: SQLite does not use it for `stale = 1`


def list_stale(connection: sa.Connection, limit: int) -> list[TextRow]:
    """List texts whose link lists must be rebuilt."""
    query = sa.select(TEXT).where(_IS_STALE).order_by(TEXT.c.n).limit(limit)
    return fetch_rows(connection, query, TextRow)


STALE_LIST = sa.select(PAST).where(sa.exists().select_from(TEXT).where(_IS_STALE))
"""Selects that a rebuild is due, while any list is stale."""

LISTS_PER_BATCH = 2  # lists per batch, which holds SQLite's writer for some 30 ms

_DELETE_LINK = sa.delete(LINK).where(
    LINK.c.article_id == sa.bindparam("of", type_=LINK.c.article_id.type),
    LINK.c.target_id == sa.bindparam("to", type_=LINK.c.target_id.type),
)


def refresh_links(session: Session, article_id: str) -> None:
    """Update the terms and links of an article to its public version."""
    take_name_lock(session, "related")
    connection = session.connection()
    now, was = find_source(connection, article_id), find_text(connection, article_id)
    if now is None:
        changed = _remove_text(session, article_id, was)
    elif was is not None and _is_unchanged(now, was):
        is_article = TEXT.c.article_id == article_id
        session.execute(sa.update(TEXT).where(is_article).values(revision=now["revision"]))
        return
    else:
        changed = _add_text(session, now, was)
    emit_changed(session, article_id, changed)


def emit_changed(session: Session, subject_id: str, changed: Iterable[str]) -> None:
    """Emit which articles' lists have changed, if any."""
    if articles := sorted(changed):
        emit(session, RelatedChanged.of(subject_id, articles))


def _is_unchanged(now: Source, was: AnalyzedText) -> bool:
    """Tell whether title, text, language, time and first author are unchanged."""
    text = now["title"], now["text"], now["language"], now["listed_at"], now["author_id"]
    return text == (was["title"], was["text"], was["tag"], was["listed_at"], was["author_id"])


def withdraw_links(session: Session, article_id: str) -> set[str]:
    """Delete all links to an article and have the affected lists rebuilt. Return whose lists changed."""
    listers = find_articles_linking_to(session.connection(), article_id)
    session.execute(sa.delete(LINK).where(LINK.c.target_id == article_id))
    invalidate_lists(session, listers)
    return set(listers)


def invalidate_lists(session: Session, ids: Iterable[str]) -> None:
    """Mark lists for the worker to rebuild."""
    if article_ids := sorted(ids):
        session.execute(sa.update(TEXT).where(TEXT.c.article_id.in_(article_ids)).values(stale=True))


def _remove_text(session: Session, article_id: str, was: AnalyzedText | None) -> set[str]:
    changed = withdraw_links(session, article_id)
    session.execute(sa.delete(LINK).where(LINK.c.article_id == article_id))
    if was is not None:
        _uncount_words(session, was)
        terms.replace_terms(session, was["n"], was["terms"], [])
        session.execute(sa.delete(TEXT).where(TEXT.c.n == was["n"]))
    return changed


def _uncount_words(session: Session, was: AnalyzedText) -> None:
    if was["text"] is not None and was["title"] is not None:
        terms.uncount_stems(session, analyze_text(was["language"], was["title"], was["text"]))


def _add_text(session: Session, now: Source, was: AnalyzedText | None) -> set[str]:
    """Count an article's words, store its strongest terms, link it, and offer it to similar articles."""
    changed = withdraw_links(session, now["id"])
    if was is not None:
        _uncount_words(session, was)
    row = write_text(session, now, was)
    own = vector_of(row)
    others = find_candidates(session.connection(), own)
    changed |= {own.article_id} if _rebuild_list(session, own, others) else set()
    return changed | _offer_link(session, own, others)


def write_text(session: Session, now: Source, was: AnalyzedText | None = None, *, linked: bool = True) -> TextRow:
    """Count an article's words and write its row of `related_text`, which is returned."""
    analysis = analyze_text(now["language"], now["title"], now["text"])
    strongest = terms.count_stems(session, analysis)
    values: JsonObject = {
        "article_id": now["id"],
        "revision": now["revision"],
        "language": analysis.language,
        "stale": False,
        "listed_at": now["listed_at"],
        "author_id": now["author_id"],
        "terms": strongest if linked else [],
        "signature": analysis.signature,
    }
    if was is None:
        n = session.execute(sa.insert(TEXT).values(values).returning(TEXT.c.n)).scalar_one()
    else:
        n = was["n"]
        session.execute(sa.update(TEXT).where(TEXT.c.n == n).values(values))
    row = cast(TextRow, {**values, "n": n})
    terms.replace_terms(session, n, was["terms"] if was is not None else [], row["terms"])
    return row


def _rebuild_list(session: Session, own: Vector, others: Iterable[Vector]) -> bool:
    """Rebuild an article's list from its candidates; tell whether it changed."""
    links = pick_links(candidate for other in others if (candidate := create_link(own, other)))
    former = read_links(session.connection(), [own.article_id])[own.article_id]
    return _write_changes(session, {own.article_id: (former, links)})


def _offer_link(session: Session, own: Vector, others: Iterable[Vector]) -> set[str]:
    """Add an article to the lists of similar articles where it is among the best. Return whose lists changed."""
    offers = {other.article_id: offer for other in others if (offer := create_link(other, own))}
    if not offers:
        return set()
    connection = session.connection()
    lists = read_links(connection, accepting_links(connection, offers))
    changed, unsure = {}, set()
    for article_id, former in lists.items():
        copies: list[Link] = []
        links = pick_links([*former, offers[article_id]], copies.append)
        if any(copy.target_id != own.article_id for copy in copies):
            unsure.add(article_id)  # links that were left out for the dropped copy may return
        if offers[article_id].target_id in {kept.target_id for kept in links}:
            changed[article_id] = (former, links)
    _write_changes(session, changed)
    invalidate_lists(session, unsure)
    return set(changed)


def _write_changes(session: Session, lists: dict[str, tuple[list[Link], list[Link]]]) -> bool:
    """Write the differences between former and new lists."""
    removed, added = [], []
    for article_id, (former, links) in lists.items():
        before = {kept.target_id: kept for kept in former}
        after = {kept.target_id: kept for kept in links}
        for target_id, link in before.items():
            if target_id not in after or _visible_parts(after[target_id]) != _visible_parts(link):
                removed.append({"of": article_id, "to": target_id})
        for target_id, link in after.items():
            if target_id not in before or _visible_parts(before[target_id]) != _visible_parts(link):
                values = {"score": link.score, "deferred": link.deferred, "terms": link.terms}
                added.append({"article_id": article_id, "target_id": target_id, **values})
    if removed:
        session.execute(_DELETE_LINK, removed)
    if added:
        session.execute(sa.insert(LINK), added)
    return bool(removed or added)


def _visible_parts(link: Link) -> tuple[int, bool, list[str]]:
    return link.score, link.deferred, link.terms


def rebuild_stale_lists(session: Session, limit: int = LISTS_PER_BATCH) -> int:
    """Rebuild stale lists and return their number."""
    take_name_lock(session, "related")
    connection = session.connection()
    rows = list_stale(connection, limit)
    changed = []
    for row in rows:
        own = vector_of(row)
        if _rebuild_list(session, own, find_candidates(connection, own)):
            changed.append(own.article_id)
    if rows:
        done = TEXT.c.n.in_([row["n"] for row in rows])
        session.execute(sa.update(TEXT).where(done).values(stale=False))
        emit_changed(session, rows[0]["article_id"], changed)
    return len(rows)


def erase_text(session: Session, article_id: str) -> None:
    """Delete the data of a purged text, and terms that no other text has."""
    refresh_links(session, article_id)
    terms.delete_unused(session)


def update_links(session: Session, entry: LoggedEvent) -> None:
    """Update the links of an article and of similar ones after an event."""
    match entry.event:
        case ArticlePublished() | ArticleUpdated() | ArticleUnpublished() | ArticleRetracted() as event:
            refresh_links(session, event.subject_id)
