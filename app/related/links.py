"""Related articles: pinned by editors, from the same series, and by similar texts, read in one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.articles import rendering
from app.articles.exposure import check_attachment
from app.articles.includes import ListPosition
from app.articles.projection import lock_article
from app.articles.reading import ARTICLE, SERIES, visible_to
from app.core.ids import is_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.db.rows import Column, JsonObject, Statement
from app.events.cache_groups import ARTICLES_GROUP, counts_groups_of
from app.events.catalog import RelatedChanged
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import ANONYMOUS, Actor
from app.publication.site import Site
from app.related.schemas import PinsIn
from app.related.tables import RelatedChoice, RelatedLink, RelatedPin, RelatedRebuild, RelatedText
from app.web import etag

KINDS = ("pinned", "series", "automatic")
MAX_SERIES_NEIGHBOURS = 3  # before and after the article
MAX_SCORE = 10_000
_CHOICE, _LINK = table_of(RelatedChoice), table_of(RelatedLink)
_PIN, _REBUILD, _TEXT = table_of(RelatedPin), table_of(RelatedRebuild), table_of(RelatedText)
_LIMIT_PARAMETER = sa.bindparam("most", type_=sa.BigInteger())


class RelatedLinks(NamedTuple):
    """The related links of an article for a caller, as JSON of `RelatedOut`, and the version of the editors' choice."""

    article_id: str
    version: int
    items: Sequence[rendering.RenderedArticle]


def _select_article(column: Column, *conditions: ColumnElement[bool]) -> sa.CTE:
    """Build the CTE of the article whose related links are read."""
    named = ARTICLE.outerjoin(SERIES, SERIES.c.id == ARTICLE.c.series_id)
    shown = [ARTICLE.c.id, ARTICLE.c.series_id, ARTICLE.c.listed_at, ARTICLE.c.revision, SERIES.c.name.label("series")]
    version = sa.select(_CHOICE.c.version).where(_CHOICE.c.article_id == ARTICLE.c.id).scalar_subquery()
    ref = sa.bindparam("ref", type_=column.type)
    return sa.select(*shown, version.label("choice")).select_from(named).where(column == ref, *conditions).cte("here")


def _select_link(article_id: Column, kind: int, place: Column, *link: Column) -> Statement:
    score, terms = link or (sa.cast(sa.null(), sa.Integer), sa.cast(sa.null(), sa.JSON))
    number: Column = sa.literal_column(str(kind), sa.Integer).label("kind")
    return sa.select(article_id.label("id"), number, place.label("place"), score.label("score"), terms.label("terms"))


def _select_series_neighbours(article: sa.CTE, *, later: bool) -> Statement:
    """Build the query for the neighbours in the same series on one side, by a short index walk."""
    neighbour = ARTICLE.alias("later" if later else "earlier")
    key, mark = sa.tuple_(neighbour.c.listed_at, neighbour.c.id), sa.tuple_(article.c.listed_at, article.c.id)
    order = [neighbour.c.listed_at, neighbour.c.id] if later else [neighbour.c.listed_at.desc(), neighbour.c.id.desc()]
    there = (neighbour.c.series_id == article.c.series_id) & neighbour.c.listed & (key > mark if later else key < mark)
    nearest = (
        sa.select(neighbour.c.id, neighbour.c.listed_at)
        .select_from(article.join(neighbour, there))
        .order_by(*order)
        .limit(MAX_SERIES_NEIGHBOURS)
    )
    near = nearest.subquery()
    away = [near.c.listed_at, near.c.id] if later else [near.c.listed_at.desc(), near.c.id.desc()]
    steps = sa.select(near.c.id, sa.func.row_number().over(order_by=away).label("nth")).subquery()
    return _select_link(steps.c.id, 1, 2 * steps.c.nth + (0 if later else 1))


def _select_links(article: sa.CTE) -> sa.Subquery:
    """Build the query for all links; an article linked twice has its first kind only."""
    pins = _select_link(_PIN.c.target_id, 0, _PIN.c.position).select_from(
        article.join(_PIN, _PIN.c.article_id == article.c.id)
    )
    place = sa.case((_LINK.c.deferred, 2 * MAX_SCORE), else_=MAX_SCORE) - _LINK.c.score
    # Terms are shown only while the list is current: a stale one may name words that the text no longer has.
    is_current = (_TEXT.c.revision == article.c.revision) & ~_TEXT.c.stale & ~sa.exists(sa.select(_REBUILD.c.id))
    shared_terms = sa.case((is_current, _LINK.c.terms))
    linked = article.join(_LINK, _LINK.c.article_id == article.c.id).outerjoin(
        _TEXT, _TEXT.c.article_id == article.c.id
    )
    automatic = _select_link(_LINK.c.target_id, 2, place, _LINK.c.score, shared_terms).select_from(linked)
    sides = [_select_series_neighbours(article, later=later) for later in (True, False)]
    union = sa.union_all(pins, *sides, automatic).subquery()
    order = sa.func.row_number().over(partition_by=union.c.id, order_by=[union.c.kind, union.c.place])
    return sa.select(union, order.label("nth")).subquery()


@lru_cache(128)
def _select_related(by: str, formats: tuple[str, ...], actor: Actor) -> Statement:
    """Build the query for related articles: by `id` or `slug` with a visibility check, or by `row` for one read
    before.
    """
    article = _select_article(
        ARTICLE.c.slug if by == "slug" else ARTICLE.c.id, *([] if by == "row" else [visible_to(actor)])
    )
    links = _select_links(article)
    article_columns = [article.c.id.label("of"), article.c.choice, article.c.series]
    page = sa.select(links, links.c.place.label("key"), *article_columns).join(article, links.c.id != article.c.id)
    page = page.where(links.c.nth == 1)
    rows = page.subquery("page")
    shown = ARTICLE.c.listed | (ARTICLE.c.public & (rows.c.kind == 0))  # pages appear only if editors pinned them
    is_visible = shown if not actor.reads_drafts else shown | ((rows.c.kind == 0) & visible_to(actor))
    cards: Statement = rendering.select_cached(formats=formats, page=rows)
    cards = cards.add_columns(rows.c.kind, rows.c.score, rows.c.terms, rows.c.of, rows.c.choice, rows.c.series)
    return cards.where(is_visible).order_by(rows.c.kind, rows.c.place, rows.c.id.desc()).limit(_LIMIT_PARAMETER)


class RelatedRow(rendering.CachedRow):
    """A linked article: why it is related, and the article whose links they are."""

    kind: int  # place in KINDS
    score: int | None
    terms: list[str] | None
    of: str
    choice: int | None
    series: str | None


def _present_reason(row: RelatedRow) -> JsonObject:
    terms = row["terms"] or []
    if row["kind"] == 0:
        text = "Chosen by the editors."
    elif row["kind"] == 1:
        text = f"Also in the series “{row['series']}”."
    elif terms:
        *others, last = terms
        text = f"Both are about {', '.join(others)}{' and ' if others else ''}{last}."
    else:
        text = "The texts are similar."
    return {"terms": terms, "text": text}


def _render_link(row: RelatedRow, article: rendering.RenderedArticle) -> rendering.RenderedArticle:
    score = None if row["score"] is None else row["score"] / MAX_SCORE
    link: JsonObject = {"kind": KINDS[row["kind"]], "score": score, "reason": _present_reason(row)}
    return article._replace(json=rendering.splice_object(link, {"article": article.json}))


def _read_related(
    connection: sa.Connection, by: str, ref: str, actor: Actor, site: Site, formats: tuple[str, ...], limit: int
) -> RelatedLinks | None:
    statement = _select_related(by, formats, actor if actor.reads_drafts else ANONYMOUS)
    values = {"ref": ref, "most": limit, "cache_key": rendering.cache_key_of(site)}
    rows = rendering.fetch_cached(connection, statement, RelatedRow, values)
    if not rows:
        return None
    items = list(map(_render_link, rows, rendering.render_articles(connection, rows, site, formats)))
    return RelatedLinks(rows[0]["of"], rows[0]["choice"] or 0, items)


def find_related(
    connection: sa.Connection, ref: str, actor: Actor, site: Site, formats: tuple[str, ...] = (), limit: int = 20
) -> RelatedLinks | None:
    """Find the related articles of an article by id or slug, in one statement; None without links or a visible
    article.
    """
    return _read_related(connection, "id" if is_id(ref) else "slug", ref, actor, site, formats, limit)


def read_related_of(
    connection: sa.Connection, article_id: str, site: Site, formats: tuple[str, ...], limit: int
) -> RelatedLinks:
    """Read the related articles of an article that the caller may see."""
    links = _read_related(connection, "row", article_id, ANONYMOUS, site, formats, limit)
    return links or RelatedLinks(article_id, read_version(connection, article_id), [])


def read_version(connection: sa.Connection, article_id: str) -> int:
    """Read the version of the editors' choice for an article, 0 without one."""
    query = sa.select(_CHOICE.c.version).where(_CHOICE.c.article_id == article_id)
    return connection.execute(query).scalar_one_or_none() or 0


def include_related(
    connection: sa.Connection, row: ListPosition, _article: rendering.RenderedArticle, site: Site, actor: Actor
) -> rendering.RenderedArticle:
    """Return the related articles of an article as a JSON array to include in its response."""
    related = _read_related(connection, "row", row["id"], actor, site, (), 20)
    links = related.items if related else ()
    ids = tuple(article_id for link in links for article_id in link.ids)
    groups = membership_groups(row["id"]) + (counts_groups_of(ids) if related else ())
    return rendering.RenderedArticle(rendering.splice_array(link.json for link in links), ids, groups=groups)


def membership_groups(article_id: str) -> tuple[str, ...]:
    """Return the cache groups on which the list of related articles depends."""
    return f"related:{article_id}", ARTICLES_GROUP


def pin_articles(session: Session, actor: Actor, ref: str, data: PinsIn, versions: frozenset[int] | None) -> str:
    """Replace the pinned articles of an article and return its id."""
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    current = read_version(session.connection(), article.id)
    query = sa.select(_PIN.c.target_id).where(_PIN.c.article_id == article.id).order_by(_PIN.c.position)
    before = list(session.execute(query).scalars())
    targets = _resolve_targets(session, actor, article.id, data.ids)
    etag.check_version(current, versions, ["ids"] if targets != before else [])
    if targets == before:
        return article.id
    check_attachment(actor, article)
    session.execute(sa.delete(_PIN).where(_PIN.c.article_id == article.id))
    if targets:
        rows = [{"article_id": article.id, "target_id": id_, "position": at} for at, id_ in enumerate(targets)]
        session.execute(sa.insert(_PIN), rows)
    if current:
        session.execute(sa.update(_CHOICE).where(_CHOICE.c.article_id == article.id).values(version=current + 1))
    else:
        session.execute(sa.insert(_CHOICE), [{"article_id": article.id, "version": 1}])
    if article.public:
        emit(session, RelatedChanged.of(article.id, [article.id]))
    record_action(session, actor, "article.relate", "article", article.id, {"pins": len(targets)})
    return article.id


def _resolve_targets(session: Session, actor: Actor, article_id: str, refs: list[str]) -> list[str]:
    """Resolve ids and slugs; 422 for articles the caller cannot see, for the article itself, and for repetitions."""
    ids, slugs = [ref for ref in refs if is_id(ref)], [ref for ref in refs if not is_id(ref)]
    query = sa.select(ARTICLE.c.id, ARTICLE.c.slug).where(
        ARTICLE.c.id.in_(ids) | ARTICLE.c.slug.in_(slugs), visible_to(actor)
    )
    ids_by_ref = {name: row.id for row in session.execute(query) for name in (row.id, row.slug)} if refs else {}
    targets: list[str] = []
    for at, ref in enumerate(refs):
        target = ids_by_ref.get(ref)
        if target is None:
            raise Invalid("The article does not exist.", pointer=f"/ids/{at}", code="not_found")
        if target == article_id:
            raise Invalid("An article cannot be related to itself.", pointer=f"/ids/{at}", code="itself")
        if target in targets:
            raise Invalid("Each article can be pinned once.", pointer=f"/ids/{at}", code="repeated")
        targets.append(target)
    return targets
