"""A front in three statements: what is on it, the ids that each block may show, and the cards of those that it does.

Where a block is of a section, one more finds the sections that are inside.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.activity.queries import ACTIVITY, column_of
from app.articles.addresses.schemas import Site
from app.articles.cards.queries import MovedOn, finished, lean, made_for
from app.articles.queries import BY, TAGGED, A
from app.fronts.schemas import FILTERS, FrontsQuery
from app.fronts.tables import Front
from app.kit.ids import is_id
from app.kit.paging import Sort, fetch
from app.kit.schema import Row, table_of
from app.kit.text import is_slug
from app.publication.sections.closure import find_inside

FRONT = table_of(Front)
MOST_WALKS = 50  # of an index for one block; the articles of more sections are sorted
BY_SLUG = Sort("slug", kind=str)
_COLUMNS: dict[str, Any] = {"section": A.c.section_id, "series": A.c.series_id, "type": A.c.type}
_LINKS: dict[str, Any] = {"tag": (TAGGED, TAGGED.c.tag_id), "author": (BY, BY.c.author_id)}
_REF = {
    name: sa.select(FRONT).where(FRONT.c[name] == sa.bindparam("ref", type_=FRONT.c[name].type))
    for name in ("id", "slug")
}


class Source(NamedTuple):
    """Where a block's articles come from: all that the text of a statement depends on."""

    kind: str
    days: int | None
    filter: str | None
    values: int = 0  # of the filter: of a section as many as are inside of it


def by_ref(connection: sa.Connection, ref: str) -> Row | None:
    """A front by id or slug, or None, whoever may see it."""
    if not is_id(ref) and not is_slug(ref):
        return None
    return connection.execute(_REF["id" if is_id(ref) else "slug"], {"ref": ref}).mappings().first()


def _defined(version: dict[str, Any] | None) -> dict[str, Any] | None:
    if version is None:
        return None
    blocks = [{**block, **{name: block["only"].get(name) for name in FILTERS}} for block in version["blocks"]]
    return {**version, "blocks": blocks}


def definition(row: Row) -> dict[str, Any]:
    """A row in the shape of `FrontDefinition`."""
    return {**row, "published": _defined(row["published"]), "draft": _defined(row["draft"])}


def shown(connection: sa.Connection, front_id: str) -> Row:
    """A front that was just written."""
    return definition(connection.execute(_REF["id"], {"ref": front_id}).mappings().one())


def page(connection: sa.Connection, asked: FrontsQuery) -> dict[str, Any]:
    """A page of fronts."""
    found = fetch(connection, sa.select(FRONT), BY_SLUG, FRONT.c.slug, asked)
    return {**found, "data": [definition(row) for row in found["data"]]}


def _branch(number: int, source: Source) -> sa.Select[Any]:
    """The ids of one block, best first."""
    if source.filter == "section" and source.days is None and 1 < source.values <= MOST_WALKS:
        walks = [sa.select(_best(number, source, [at]).subquery()) for at in range(source.values)]
        every = sa.union_all(*walks).subquery(f"all_{number}")
        best = sa.select(every).order_by(every.c.key.desc(), every.c.id.desc())
        best = best.limit(sa.bindparam(f"most_{number}", type_=sa.BigInteger))
    else:
        best = _best(number, source, range(source.values))
    rows = best.subquery(f"block_{number}")
    place = sa.func.row_number().over(order_by=(rows.c.key.desc(), rows.c.id.desc()))
    return sa.select(sa.literal_column(str(number)).label("block"), place.label("place"), rows.c.id)


def _best(number: int, source: Source, values: Sequence[int]) -> sa.Select[Any]:
    """The first ids of one block with some values of its filter: one walk of an index for a single one."""
    busy = column_of(f"-{source.kind}_{source.days}d")
    tables: Any = A
    key: ColumnElement[Any] = A.c.listed_at
    row_id: ColumnElement[Any] = A.c.id
    where: list[Any] = [A.c.listed]
    if busy is not None:
        tables, key, row_id = ACTIVITY.join(A, A.c.id == ACTIVITY.c.article_id), busy, ACTIVITY.c.article_id
        where.append(busy > 0)
    if source.filter in _COLUMNS:
        column = _COLUMNS[source.filter]
        names = [sa.bindparam(f"only_{number}_{at}", type_=column.type) for at in values]
        where.append(column == names[0] if len(names) == 1 else column.in_(names))
    elif source.filter is not None:
        links, column = _LINKS[source.filter]
        wanted = sa.bindparam(f"only_{number}_0", type_=column.type)
        if busy is None:
            tables, key, row_id, where = (
                links,
                links.c.listed_at,
                links.c.article_id,
                [links.c.listed, column == wanted],
            )
        else:
            where.append(sa.exists().where(links.c.article_id == A.c.id, column == wanted).correlate(A))
    found = sa.select(row_id.label("id"), key.label("key")).select_from(tables).where(*where)
    return found.order_by(key.desc(), row_id.desc()).limit(sa.bindparam(f"most_{number}", type_=sa.BigInteger))


@lru_cache(256)
def _ids(sources: tuple[tuple[int, Source], ...]) -> Any:
    """The ids of all blocks in one statement."""
    branches = [_branch(number, source) for number, source in sources]
    return branches[0] if len(branches) == 1 else sa.union_all(*branches)


@lru_cache(1)
def _cards() -> Any:
    ids = sa.bindparam("ids", type_=A.c.id.type, expanding=True)
    return lean("updated_at").where(A.c.public, A.c.id.in_(ids))


def _candidates(connection: sa.Connection, blocks: Sequence[Row]) -> list[list[str]]:
    """What each block may show: so many more than it does show as stand in the blocks before it."""
    found: list[list[tuple[int, str]]] = [[] for _ in blocks]
    sources: list[tuple[int, Source]] = []
    values: dict[str, Any] = {}
    before = 0
    inside = find_inside(connection, [block["only"]["section"] for block in blocks if block["only"].get("section")])
    for number, block in enumerate(blocks):
        if block["kind"] == "pinned":
            found[number] = list(enumerate(block["articles"]))
            before += len(block["articles"])
            continue
        only = next(iter(block["only"]), None)
        wanted = [block["only"][only]] if only is not None else []
        if only == "section":
            wanted = inside[wanted[0]]
        sources.append((number, Source(block["kind"], block["days"], only, len(wanted))))
        values[f"most_{number}"] = block["limit"] + before
        values |= {f"only_{number}_{at}": value for at, value in enumerate(wanted)}
        before += block["limit"]
    if sources:
        for row in connection.execute(_ids(tuple(sources)), values):
            found[row.block].append((row.place, row.id))
    return [[article_id for _, article_id in sorted(rows)] for rows in found]


def _chosen(blocks: Sequence[Row], candidates: Sequence[Sequence[str]]) -> list[list[str]]:
    """What each block shows: what no block before it does, up to its limit."""
    seen: set[str] = set()
    chosen: list[list[str]] = []
    for block, ids in zip(blocks, candidates, strict=True):
        fresh = [article_id for article_id in dict.fromkeys(ids) if article_id not in seen]
        chosen.append(fresh if block["limit"] is None else fresh[: block["limit"]])
        seen.update(chosen[-1])
    return chosen


def is_quick(version: Row) -> bool:
    """Whether indexes lead straight to all blocks; the most discussed of a section are sought among all that are."""
    return not any(block["days"] and block["only"] for block in version["blocks"])


def filled(connection: sa.Connection, row: Row, version: Row, site: Site) -> tuple[bytes, datetime, list[str]]:
    """A front as JSON of `FrontOut`, when it or one of its articles last changed, and the ids of these.

    Pins that are not public are left out; `MovedOn` if anything else is, by now.
    """
    blocks = version["blocks"]
    chosen = _chosen(blocks, _candidates(connection, blocks))
    ids = [article_id for block in chosen for article_id in block]
    cards: dict[str, bytes] = {}
    modified = datetime.fromisoformat(version["at"])
    if ids:
        rows = connection.execute(_cards(), {"ids": ids, "made_for": made_for(site)}).mappings().all()
        cards = dict(zip((card["id"] for card in rows), finished(connection, rows, site), strict=True))
        modified = max(modified, *(card["updated_at"] for card in rows)) if rows else modified
    parts = []
    for block, wanted in zip(blocks, chosen, strict=True):
        if block["kind"] != "pinned" and not cards.keys() >= set(wanted):
            raise MovedOn
        head = pydantic_core.to_json({"kind": block["kind"], "title": block["title"]})
        articles = b",".join(cards[article_id] for article_id in wanted if article_id in cards)
        parts.append(head[:-1] + b',"articles":[' + articles + b"]}")
    head = pydantic_core.to_json(
        {"id": row["id"], "slug": row["slug"], "title": version["title"], "updated_at": version["at"]}
    )
    return head[:-1] + b',"blocks":[' + b",".join(parts) + b"]}", modified, list(cards)
