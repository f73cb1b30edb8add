"""What a new text of an article causes here: all its anchors are looked for again."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import ANCHOR, HISTORY, history, texts
from app.anchors.editing import beside_block
from app.anchors.resolution import Pair, Passage, Resolution, resolve
from app.articles.reading import ARTICLE
from app.db.columns import Row
from app.events.catalog import AnchorsResolved, ArticlePublished, ArticleUpdated, LoggedEvent
from app.events.log import emit

_BEHIND = (ANCHOR.c.article_id == ARTICLE.c.id) & (ANCHOR.c.revision != ARTICLE.c.revision)
_STALE = (
    sa.select(ARTICLE.c.revision)
    .where(
        ARTICLE.c.id == sa.bindparam("article", type_=ARTICLE.c.id.type), ARTICLE.c.public, sa.exists().where(_BEHIND)
    )
    .with_for_update(read=True, key_share=True)
)
_ANCHORS = (
    sa.select(ANCHOR)
    .where(
        ANCHOR.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
        ANCHOR.c.revision != sa.bindparam("current", type_=sa.Integer()),
    )
    .order_by(ANCHOR.c.id)
    .with_for_update()
)
_PLACE = ("state", "block_id", "start", "end")
_MOVE = (
    sa.update(ANCHOR)
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .values({name: sa.bindparam(f"to_{name}", type_=ANCHOR.c[name].type) for name in (*_PLACE, "revision", "version")})
)


def find_again(session: Session, entry: LoggedEvent) -> None:
    """Look for an article's anchors in the text that readers see now; those that have been found in it are left alone.

    What cannot be found keeps its quote, and is looked for again in the next text.
    """
    match entry.event:
        case ArticlePublished(subject_id=article_id) | ArticleUpdated(subject_id=article_id):
            current = session.execute(_STALE, {"article": article_id}).scalar_one_or_none()
        case _:
            return
    if current is None:
        return
    rows = session.execute(_ANCHORS, {"article": article_id, "current": current}).mappings().all()
    found = texts(session.connection(), article_id, {current, *(row["base_revision"] for row in rows)})
    pairs = {n: Pair(text, found[current]) for n, text in found.items()}
    moves, notes = [], []
    for row in rows:
        to = _look(pairs[row["base_revision"]], row)
        moves.append(_move(row, to, current))
        if moves[-1]["to_version"] != row["version"]:
            method = "block" if row["redacted"] else to.method
            notes.append(history(row["id"], current, to, method=method, by=None))
    if moves:
        session.execute(_MOVE, moves)
    if notes:
        session.execute(sa.insert(HISTORY), notes)
        emit(session, AnchorsResolved(subject_id=article_id, revision=current))


def _look(pair: Pair, row: Row) -> Resolution:
    if row["state"] == "detached":
        return Resolution("detached", "none", 0.0, None, None, None)
    if row["redacted"]:
        return beside_block(pair.new, row["block_id"])
    return resolve(pair, Passage(row["base_start"], row["base_end"]))


def _move(row: Row, to: Resolution, current: int) -> dict[str, Any]:
    """The anchor's row in the new text; one that is lost remembers where it stood."""
    lost = to.start is None
    place = {name: row[name] if lost and name != "state" else getattr(to, name) for name in _PLACE}
    version = row["version"] + any(row[name] != value for name, value in place.items())
    moved = {f"to_{name}": value for name, value in place.items()}
    return {"anchor": row["id"], **moved, "to_revision": current, "to_version": version}
