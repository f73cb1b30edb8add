"""Relocation of an article's anchors after its text has changed."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, HISTORY, history_row, read_texts
from app.anchors.editing import resolve_to_block
from app.anchors.resolution import Pair, Passage, Resolution, resolve_passage
from app.articles.reading import ARTICLE
from app.db.columns import Row
from app.events.catalog import AnchorsResolved, ArticlePublished, ArticleUpdated, LoggedEvent
from app.events.log import emit

_IS_OUTDATED = (ANCHOR.c.article_id == ARTICLE.c.id) & (ANCHOR.c.revision != ARTICLE.c.revision)
_LOCK_OUTDATED_ARTICLE = (
    sa.select(ARTICLE.c.revision)
    .where(
        ARTICLE.c.id == sa.bindparam("article", type_=ARTICLE.c.id.type),
        ARTICLE.c.public,
        sa.exists().where(_IS_OUTDATED),
    )
    .with_for_update(read=True, key_share=True)
)
_LOCK_ANCHORS = (
    sa.select(ANCHOR)
    .where(
        ANCHOR.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
        ANCHOR.c.revision != sa.bindparam("current", type_=sa.Integer()),
    )
    .order_by(ANCHOR.c.id)
    .with_for_update()
)
_PLACE_COLUMNS = ("state", "block_id", "start", "end")
_UPDATE_ANCHOR = (
    sa.update(ANCHOR)
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .values(
        {
            name: sa.bindparam(f"to_{name}", type_=ANCHOR.c[name].type)
            for name in (*_PLACE_COLUMNS, "revision", "version")
        }
    )
)


def relocate_anchors(session: Session, entry: LoggedEvent) -> None:
    """Relocate an article's anchors in its public text, except those that are already resolved in it.

    Orphaned anchors keep their quote and are tried again with the next text.
    """
    match entry.event:
        case ArticlePublished(subject_id=article_id) | ArticleUpdated(subject_id=article_id):
            current = session.execute(_LOCK_OUTDATED_ARTICLE, {"article": article_id}).scalar_one_or_none()
        case _:
            return
    if current is None:
        return
    rows = session.execute(_LOCK_ANCHORS, {"article": article_id, "current": current}).mappings().all()
    texts = read_texts(session.connection(), article_id, {current, *(row["base_revision"] for row in rows)})
    pairs = {n: Pair(text, texts[current]) for n, text in texts.items()}
    moves, notes = [], []
    for row in rows:
        to = _resolve_anchor(pairs[row["base_revision"]], row)
        moves.append(_update_values(row, to, current))
        if moves[-1]["to_version"] != row["version"]:
            method = "block" if row["redacted"] else to.method
            notes.append(history_row(row["id"], current, to, method=method, by=None))
    if moves:
        session.execute(_UPDATE_ANCHOR, moves)
    if notes:
        session.execute(sa.insert(HISTORY), notes)
        emit(session, AnchorsResolved(subject_id=article_id, revision=current))


def _resolve_anchor(pair: Pair, row: Row) -> Resolution:
    if row["state"] == "detached":
        return Resolution("detached", "none", 0.0, None, None, None)
    if row["redacted"]:
        return resolve_to_block(pair.new, row["block_id"])
    return resolve_passage(pair, Passage(row["base_start"], row["base_end"]))


def _update_values(row: Row, to: Resolution, current: int) -> dict[str, Any]:
    """Return the update of an anchor for the new text; an orphaned one keeps its last place."""
    lost = to.start is None
    place = {name: row[name] if lost and name != "state" else getattr(to, name) for name in _PLACE_COLUMNS}
    version = row["version"] + any(row[name] != value for name, value in place.items())
    moved = {f"to_{name}": value for name, value in place.items()}
    return {"anchor": row["id"], **moved, "to_revision": current, "to_version": version}
