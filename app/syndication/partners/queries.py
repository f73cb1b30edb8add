"""Reading who is named for what, and who was given what."""

from typing import Any

import sqlalchemy as sa

from app.articles.addresses.schemas import Site
from app.articles.cards.queries import finished, lean, made_for
from app.articles.queries import A
from app.identity.keys.tables import ApiKey
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.ids import is_id
from app.kit.paging import PageQuery, Sort, bindings, fetch, page_of
from app.kit.problems import NotFound
from app.kit.schema import moment, table_of
from app.syndication.partners.tables import EarlyReader, Fetch

EARLY, FETCH, _KEY = table_of(EarlyReader), table_of(Fetch), table_of(ApiKey)
_LAST, _NAMED = Sort("-last_at", descending=True), Sort("-named_at", descending=True)
_COMING = (
    A.c.state.in_(["published", "scheduled"])
    & ~A.c.public
    & (A.c.expires_at.is_(None) | (A.c.expires_at > sa.bindparam("moment", type_=A.c.expires_at.type)))
)
_JOINED = EARLY.join(A, A.c.id == EARLY.c.article_id)
_IS_NAMED = (
    sa.select(sa.literal(1))
    .select_from(_JOINED)
    .where(
        EARLY.c.article_id == sa.bindparam("article", type_=A.c.id.type),
        EARLY.c.key_id == sa.bindparam("key", type_=_KEY.c.id.type),
        _COMING,
    )
)


def is_named(connection: sa.Connection, article_id: str, key_id: str) -> bool:
    """Whether a key may read an article that is about to be public."""
    return connection.execute(_IS_NAMED, {"article": article_id, "key": key_id, "moment": now()}).first() is not None


def article(connection: sa.Connection, ref: str, actor: Actor) -> sa.RowMapping:
    """Id and version of an article that the caller may edit; 404 for all others."""
    column = A.c.id if is_id(ref) else A.c.slug
    row = connection.execute(sa.select(A.c.id, A.c.version, A.c.section_id).where(column == ref)).mappings().first()
    if row is None or not actor.may_in(row["section_id"]):
        raise NotFound
    return row


def named(connection: sa.Connection, article_id: str) -> dict[str, Any]:
    """Who is named for an article, in the shape of `PartnersOut`, with the article's version."""
    version = connection.execute(sa.select(A.c.version).where(A.c.id == article_id)).scalar_one()
    keys = sa.select(_KEY.c.id, _KEY.c.name).join(EARLY, EARLY.c.key_id == _KEY.c.id)
    rows = connection.execute(keys.where(EARLY.c.article_id == article_id).order_by(_KEY.c.name, _KEY.c.id)).mappings()
    return {"article_id": article_id, "keys": [dict(row) for row in rows], "version": version}


def fetches(connection: sa.Connection, article_id: str, asked: PageQuery) -> dict[str, Any]:
    """A page of what partners were given of an article, the last fetched first."""
    tables = FETCH.outerjoin(_KEY, _KEY.c.id == FETCH.c.key_id)
    query = sa.select(FETCH, _KEY.c.name).select_from(tables).where(FETCH.c.article_id == article_id)
    found = fetch(connection, query, _LAST, FETCH.c.last_at, asked, within=article_id)
    rows = [{**row, "key": {"id": row["key_id"], "name": row["name"] or ""}} for row in found["data"]]
    return {**found, "data": rows}


def early(
    connection: sa.Connection, actor: Actor, site: Site, formats: tuple[str, ...], asked: PageQuery
) -> dict[str, Any]:
    """A page of the articles to come that a key is named for, as JSON, the last named first."""
    values: dict[str, Any] = {"key": actor.id, "moment": now(), "made_for": made_for(site), "most": asked.limit + 1}
    ids = sa.select(EARLY.c.article_id.label("id"), EARLY.c.named_at.label("key")).select_from(_JOINED)
    ids = ids.where(EARLY.c.key_id == sa.bindparam("key", type_=_KEY.c.id.type), _COMING)
    total = None
    if asked.count == "exact":
        total = connection.execute(sa.select(sa.func.count()).select_from(ids.subquery()), values).scalar_one()
    sort = _NAMED.bound_to(asked, "early", actor.id or "")
    order = EARLY.c.named_at, EARLY.c.article_id
    if asked.cursor:
        values |= bindings(sort.decode(asked.cursor))
        ids = ids.where(_NAMED.after(*order))
    page = ids.order_by(*_NAMED.order_by(*order)).limit(sa.bindparam("most", type_=sa.BigInteger())).subquery("page")
    query = lean(formats=formats, page=page).order_by(*_NAMED.order_by(page.c.key, page.c.id))
    rows = [{**row, "key": moment(row["key"])} for row in connection.execute(query, values).mappings()]
    found = page_of(rows, asked.limit, sort, "key", total)
    return {**found, "data": finished(connection, found["data"], site, formats)}
