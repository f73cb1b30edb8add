"""Keeping links as the public articles have them: one article at a time, and what that changes for the others."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.events.actions import emit
from app.kit.schema import Row
from app.publication.actions import alone
from app.related.events import RelatedChanged
from app.related.linking import queries
from app.related.linking.queries import LINK, TEXT
from app.related.terms import actions as terms
from app.related.texts.analysis import analyse
from app.related.texts.similarity import Link, Vector, link, pick

FEW = 4  # lists made anew at once: a batch holds SQLite's writer for some 50 ms
_FACTS = ("listed_at", "author_id")
_DROP = sa.delete(LINK).where(
    LINK.c.article_id == sa.bindparam("of", type_=LINK.c.article_id.type),
    LINK.c.target_id == sa.bindparam("to", type_=LINK.c.target_id.type),
)


def refresh(session: Session, article_id: str) -> None:
    """Bring terms and links to what readers see of an article now, whatever happened to it."""
    alone(session, "related")
    now, was = (find(session.connection(), article_id) for find in (queries.source, queries.known))
    if now is None:
        changed = _withdraw(session, article_id, was)
    elif was is not None and _same(now, was):
        here = TEXT.c.article_id == article_id
        session.execute(sa.update(TEXT).where(here).values(revision=now["revision"]))
        return
    else:
        changed = _enter(session, now, was)
    tell(session, article_id, changed)


def tell(session: Session, subject_id: str, changed: Iterable[str]) -> None:
    """State whose lists have changed, if any have."""
    if found := sorted(changed):
        emit(session, RelatedChanged(subject_id=subject_id, articles=found))


def _same(now: Row, was: Row) -> bool:
    """Whether an article says the same as before, at the same time and by the same author."""
    texts = now["title"] == was["title"] and now["text"] == was["text"] and now["language"] == was["tag"]
    return texts and all(now[name] == was[name] for name in _FACTS)


def withdraw_links(session: Session, article_id: str) -> set[str]:
    """Let nothing lead to an article any more; what led to it looks for something else. Returns whose lists changed."""
    listers = queries.listers(session.connection(), article_id)
    session.execute(sa.delete(LINK).where(LINK.c.target_id == article_id))
    spoil(session, listers)
    return set(listers)


def spoil(session: Session, ids: Iterable[str]) -> None:
    """Let the worker make these lists anew."""
    if found := sorted(ids):
        session.execute(sa.update(TEXT).where(TEXT.c.article_id.in_(found)).values(stale=True))


def _withdraw(session: Session, article_id: str, was: Row | None) -> set[str]:
    changed = withdraw_links(session, article_id)
    session.execute(sa.delete(LINK).where(LINK.c.article_id == article_id))
    if was is not None:
        _uncount(session, was)
        terms.lay_out(session, was["n"], was["terms"], [])
        session.execute(sa.delete(TEXT).where(TEXT.c.n == was["n"]))
    return changed


def _uncount(session: Session, was: Row) -> None:
    if was["text"] is not None:
        terms.uncount(session, analyse(was["language"], was["title"], was["text"]))


def _enter(session: Session, now: Row, was: Row | None) -> set[str]:
    """Count an article's words, lay its strongest terms out, link it, and offer it to those it is near."""
    changed = withdraw_links(session, now["id"])
    if was is not None:
        _uncount(session, was)
    row = write(session, now, was)
    own = queries.vector(row)
    others = queries.candidates(session.connection(), own)
    changed |= {own.article_id} if _relink(session, own, others) else set()
    return changed | _offer(session, own, others)


def write(session: Session, now: Row, was: Row | None = None, *, linked: bool = True) -> dict[str, Any]:
    """Count an article's words and keep what it is compared by; its row of `related_text`."""
    analysis = analyse(now["language"], now["title"], now["text"])
    strongest = terms.count(session, analysis)
    row = {"article_id": now["id"], "revision": now["revision"], "language": analysis.language, "stale": False}
    row |= {name: now[name] for name in _FACTS}
    row |= {"terms": strongest if linked else [], "signature": analysis.signature}
    if was is None:
        row["n"] = session.execute(sa.insert(TEXT).values(row).returning(TEXT.c.n)).scalar_one()
    else:
        row["n"] = was["n"]
        session.execute(sa.update(TEXT).where(TEXT.c.n == was["n"]).values(row))
    terms.lay_out(session, row["n"], was["terms"] if was is not None else [], row["terms"])
    return row


def _relink(session: Session, own: Vector, others: Iterable[Vector]) -> bool:
    """Make an article's list from all that it could be linked to; whether that changed anything."""
    found = pick(made for other in others if (made := link(own, other)))
    held = queries.links_of(session.connection(), [own.article_id])[own.article_id]
    return _put(session, {own.article_id: (held, found)})


def _offer(session: Session, own: Vector, others: Iterable[Vector]) -> set[str]:
    """Put an article into the lists of those it is near, where it is among the best; returns whose."""
    offers = {other.article_id: made for other in others if (made := link(other, own))}
    if not offers:
        return set()
    connection = session.connection()
    lists = queries.links_of(connection, queries.open_to(connection, offers))
    changed, unsure = {}, set()
    for article_id, held in lists.items():
        copies: list[Link] = []
        found = pick([*held, offers[article_id]], copies.append)
        if any(copy.target_id != own.article_id for copy in copies):
            unsure.add(article_id)  # what stood back for the copy that goes may come again
        if offers[article_id].target_id in {kept.target_id for kept in found}:
            changed[article_id] = (held, found)
    _put(session, changed)
    spoil(session, unsure)
    return set(changed)


def _put(session: Session, lists: dict[str, tuple[list[Link], list[Link]]]) -> bool:
    """Write what differs between lists as they stood and as they are to be."""
    gone, new = [], []
    for article_id, (held, wanted) in lists.items():
        before = {kept.target_id: kept for kept in held}
        after = {kept.target_id: kept for kept in wanted}
        for target_id, kept in before.items():
            if target_id not in after or _shown(after[target_id]) != _shown(kept):
                gone.append({"of": article_id, "to": target_id})
        for target_id, kept in after.items():
            if target_id not in before or _shown(before[target_id]) != _shown(kept):
                shown = {"score": kept.score, "deferred": kept.deferred, "terms": kept.terms}
                new.append({"article_id": article_id, "target_id": target_id, **shown})
    if gone:
        session.execute(_DROP, gone)
    if new:
        session.execute(sa.insert(LINK), new)
    return bool(gone or new)


def _shown(kept: Link) -> tuple[int, bool, list[str]]:
    return kept.score, kept.deferred, kept.terms


def relink(session: Session, most: int = FEW) -> int:
    """Make lists anew that have lost something; returns how many there were."""
    alone(session, "related")
    connection = session.connection()
    rows = queries.stale(connection, most)
    changed = []
    for row in rows:
        own = queries.vector(row)
        if _relink(session, own, queries.candidates(connection, own)):
            changed.append(own.article_id)
    if rows:
        done = TEXT.c.n.in_([row["n"] for row in rows])
        session.execute(sa.update(TEXT).where(done).values(stale=False))
        tell(session, rows[0]["article_id"], changed)
    return len(rows)


def forget(session: Session, article_id: str) -> None:
    """Drop what is kept of a text that is purged, and the words that no other text has."""
    refresh(session, article_id)
    terms.drop_unused(session)
