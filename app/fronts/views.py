"""Fronts in a view: as readers saw them at a time."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.articles import rendering, views
from app.articles.counters import ACTIVITY, activity_column
from app.articles.list_parameters import Filter
from app.articles.views import EntryRow, View
from app.db.rows import fetch_rows
from app.fronts.fronts import (
    Block,
    FrontNames,
    Version,
    choose_articles,
    splice_front,
)
from app.publication.section_tree import find_inside
from app.publication.site import Site


def _list_candidates(connection: sa.Connection, view: View, block: Block, before: int) -> list[EntryRow]:
    """List the first articles of a block in a view: its limit, and as many as the blocks before it have."""
    entry = view.entries.c
    if block["limit"] is None:
        query = views.select_listed(connection, view, includes_pages=True)
        pinned = block["articles"] or []
        rows = {row["id"]: row for row in fetch_rows(connection, query.where(entry.id.in_(pinned)), EntryRow)}
        return [rows[article_id] for article_id in pinned if article_id in rows]
    filters = []
    for kind, value in block["only"].items():
        refs = find_inside(connection, [value])[value] if kind == "section" else [value]
        filters.append(Filter(kind, False, tuple(refs)))
    query = views.select_listed(connection, view, filters)
    activity = activity_column(f"-{block['kind']}_{block['days']}d")
    if activity is not None:
        query = query.join(ACTIVITY, ACTIVITY.c.article_id == entry.id).where(activity > 0)
    order = entry.listed_at if activity is None else activity
    ordered = query.order_by(order.desc(), entry.id.desc()).limit(block["limit"] + before)
    return fetch_rows(connection, ordered, EntryRow)


def render_front(
    connection: sa.Connection, view: View, names: FrontNames, version: Version, site: Site
) -> rendering.RenderedArticle:
    """Render a front with the articles of a view. Blocks by activity are ordered by that of today."""
    blocks: Sequence[Block] = version["blocks"]
    entries: dict[str, EntryRow] = {}
    candidates: list[list[str]] = []
    before = 0
    for block in blocks:
        rows = _list_candidates(connection, view, block, before)
        entries |= {each["id"]: each for each in rows}
        candidates.append([each["id"] for each in rows])
        before += block["limit"] or len(rows)
    chosen = choose_articles(blocks, candidates)
    ids = [article_id for block_ids in chosen for article_id in block_ids]
    articles = views.render_entries(connection, [entries[each] for each in ids], site)
    return splice_front(names, version, chosen, {each.ids[0]: each.json for each in articles}, site)
