"""Reading what links are made of: texts, their terms, and the links that stand."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import sqlalchemy as sa

from app.articles.queries import BY, A, R
from app.kit.schema import Row, table_of
from app.related.tables import RelatedLink, RelatedText
from app.related.texts.similarity import STORED, Link, Vector

TEXT, LINK = table_of(RelatedText), table_of(RelatedLink)
EACH = 400  # the newest texts with a term that are looked at
MOST = 200  # candidates that are compared term by term
ELEMENTS = {"sqlite": "json_each(:{0})", "postgresql": "json_array_elements(CAST(:{0} AS json)) AS e(value)"}
_FIRST_AUTHOR = sa.select(BY.c.author_id).where(BY.c.article_id == A.c.id).order_by(BY.c.position).limit(1)
_SOURCE = (
    sa.select(A.c.id, A.c.revision, A.c.language, A.c.title, A.c.listed_at, R.c.text)
    .add_columns(_FIRST_AUTHOR.correlate(A).scalar_subquery().label("author_id"))
    .join(R, (R.c.article_id == A.c.id) & (R.c.n == A.c.revision))
    .where(A.c.id == sa.bindparam("article", type_=A.c.id.type), A.c.listed)
)
_KNOWN = (
    sa.select(TEXT, R.c.title, R.c.text, R.c.language.label("tag"))
    .outerjoin(R, (R.c.article_id == TEXT.c.article_id) & (R.c.n == TEXT.c.revision))
    .where(TEXT.c.article_id == sa.bindparam("article", type_=TEXT.c.article_id.type))
)
# Looked up one by one: joined, PostgreSQL would rather read all texts there are than some hundreds by their index.
_OF_TARGET = {
    name: sa.select(TEXT.c[name]).where(TEXT.c.article_id == LINK.c.target_id).correlate(LINK).scalar_subquery()
    for name in ("author_id", "signature")
}
_LISTERS = sa.select(LINK.c.article_id).where(LINK.c.target_id == sa.bindparam("article", type_=LINK.c.target_id.type))


def source(connection: sa.Connection, article_id: str) -> Row | None:
    """What readers see of an article, or None while they see nothing, and of a page: that is no further reading."""
    return connection.execute(_SOURCE, {"article": article_id}).mappings().first()


def known(connection: sa.Connection, article_id: str) -> Row | None:
    """An article as it was compared last, with the title, text and language tag of that revision."""
    return connection.execute(_KNOWN, {"article": article_id}).mappings().first()


def listers(connection: sa.Connection, article_id: str) -> list[str]:
    """The articles that link to one."""
    return list(connection.execute(_LISTERS, {"article": article_id}).scalars())


def vector(row: Row) -> Vector:
    """A row of `related_text` as others are compared with it."""
    terms = {term: weight for term, weight, _ in row["terms"]}
    labels = {term: label for term, _, label in row["terms"]}
    return Vector(row["article_id"], row["listed_at"], row["author_id"], terms, row["signature"], labels)


@lru_cache(2)
def _candidates(dialect: str) -> sa.TextualSelect:
    """Texts that share terms: of each term the newest texts, a range of the index; then added up by text."""
    return sa.text(f"""
        WITH asked AS MATERIALIZED (
            SELECT CAST(value ->> 0 AS BIGINT) AS term_id, CAST(value ->> 1 AS INTEGER) AS weight
            FROM {ELEMENTS[dialect].format("terms")}
        ), mine AS MATERIALIZED (
            SELECT term_id, weight, COALESCE((
                SELECT t.n FROM article_term AS t WHERE t.term_id = asked.term_id ORDER BY t.n DESC LIMIT 1 OFFSET :each
            ), 0) AS past FROM asked
        ), found AS (
            SELECT t.n AS n, SUM(t.weight * mine.weight) AS worth
            FROM mine JOIN article_term AS t ON t.term_id = mine.term_id AND t.n > mine.past
            GROUP BY t.n ORDER BY worth DESC, t.n DESC LIMIT :most
        )
        SELECT r.article_id, r.listed_at, r.author_id, r.terms, r.signature
        FROM found JOIN related_text AS r ON r.n = found.n
    """).columns(*(TEXT.c[name] for name in ("article_id", "listed_at", "author_id", "terms", "signature")))  # noqa: S608


def candidates(connection: sa.Connection, of: Vector) -> list[Vector]:
    """The texts worth a comparison; the text itself is among them."""
    asked = "[" + ",".join(f"[{term},{weight}]" for term, weight in of.terms.items()) + "]"
    values = {"terms": asked, "each": EACH, "most": MOST + 1}
    rows = connection.execute(_candidates(connection.dialect.name), values).mappings()
    return [vector(row) for row in rows]


def open_to(connection: sa.Connection, links: dict[str, Link]) -> list[str]:
    """Of articles that are offered a link each, those whose lists have room for it or hold a lesser one."""
    deferred = sa.func.sum(sa.case((LINK.c.deferred, 1), else_=0))
    query = sa.select(LINK.c.article_id, sa.func.count().label("links"), sa.func.min(LINK.c.score).label("least"))
    query = query.add_columns(deferred.label("deferred")).where(LINK.c.article_id.in_(list(links)))
    held = {row.article_id: row for row in connection.execute(query.group_by(LINK.c.article_id))}
    return [
        article_id
        for article_id, link in links.items()
        if (row := held.get(article_id)) is None or row.links < STORED or row.deferred or row.least <= link.score
    ]


def links_of(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[Link]]:
    """The links of articles as they stand."""
    wanted = list(ids)
    found: dict[str, list[Link]] = {article_id: [] for article_id in wanted}
    known = [_OF_TARGET[name].label(name) for name in ("author_id", "signature")]
    query = sa.select(LINK, *known).where(LINK.c.article_id.in_(wanted))
    for row in connection.execute(query):
        if row.signature is None:  # its text is being counted anew
            continue
        link = Link(row.target_id, row.score, row.terms, row.author_id, row.signature, row.deferred)
        found[row.article_id].append(link)
    return found


def stale(connection: sa.Connection, most: int) -> Sequence[Row]:
    """Texts whose lists are to be made anew."""
    query = sa.select(TEXT).where(TEXT.c.stale).order_by(TEXT.c.n).limit(most)
    return connection.execute(query).mappings().all()


def has_stale(connection: sa.Connection) -> bool:
    """Whether any list waits to be made anew: one look at an index."""
    return connection.execute(sa.select(TEXT.c.n).where(TEXT.c.stale).limit(1)).first() is not None
