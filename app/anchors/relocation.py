"""Relocation of an article's anchors after its text has changed."""

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, HISTORY, PlaceColumns, history_row, place_columns, read_texts
from app.anchors.editing import resolve_to_block
from app.anchors.resolution import Pair, Passage, Resolution, resolve_passage
from app.articles.reading import ARTICLE
from app.db.rows import JsonObject, fetch_rows
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


class OutdatedAnchor(PlaceColumns):
    """An anchor that is not resolved in the public revision yet."""

    id: str
    version: int
    redacted: bool
    base_revision: int
    base_start: int
    base_end: int


_LOCK_ANCHORS = (
    sa.select(*(ANCHOR.c[name] for name in OutdatedAnchor.__annotations__))
    .where(
        ANCHOR.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
        ANCHOR.c.revision != sa.bindparam("current", type_=sa.Integer()),
    )
    .order_by(ANCHOR.c.id)
    .with_for_update()
)

_UPDATE_ANCHOR = (
    sa.update(ANCHOR)
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .values(
        {
            name: sa.bindparam(f"to_{name}", type_=ANCHOR.c[name].type)
            for name in (*PlaceColumns.__annotations__, "revision", "version")
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
    rows = fetch_rows(session, _LOCK_ANCHORS, OutdatedAnchor, {"article": article_id, "current": current})
    texts = read_texts(session.connection(), article_id, {current, *(row["base_revision"] for row in rows)})
    pairs = {n: Pair(text, texts[current]) for n, text in texts.items()}
    moves, history = list[JsonObject](), list[JsonObject]()
    for row in rows:
        to = _resolve_anchor(pairs[row["base_revision"]], row)
        former: PlaceColumns = {
            "state": row["state"],
            "block_id": row["block_id"],
            "start": row["start"],
            "end": row["end"],
        }
        place = place_columns(to) if to.start is not None else {**former, "state": to.state}  # lost: the last place
        has_moved = place != former
        moves.append(_update_values(row, place, current, row["version"] + has_moved))
        if has_moved:
            method = "block" if row["redacted"] else to.method
            history.append(history_row(row["id"], current, to, method=method, by=None))
    if moves:
        session.execute(_UPDATE_ANCHOR, moves)
    if history:
        session.execute(sa.insert(HISTORY), history)
        emit(session, AnchorsResolved(subject_id=article_id, revision=current))


def _resolve_anchor(pair: Pair, row: OutdatedAnchor) -> Resolution:
    if row["state"] == "detached":
        return Resolution("detached", "none", 0.0, None, None, None)
    if row["redacted"]:
        return resolve_to_block(pair.new, row["block_id"])
    return resolve_passage(pair, Passage(row["base_start"], row["base_end"]))


def _update_values(row: OutdatedAnchor, place: PlaceColumns, current: int, version: int) -> JsonObject:
    moved = {f"to_{name}": value for name, value in place.items()}
    return {"anchor": row["id"], **moved, "to_revision": current, "to_version": version}
