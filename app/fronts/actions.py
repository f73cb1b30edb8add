"""Putting fronts together."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles.queries import A, seen_by
from app.events.actions import emit
from app.fronts.events import FrontChanged, FrontDeleted
from app.fronts.schemas import FILTERS, MOST_ARTICLES, BlockIn, FrontIn
from app.fronts.tables import Front
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit import etag
from app.kit.clock import iso, now
from app.kit.ids import is_id, new_id
from app.kit.problems import Conflict, Invalid, NotFound, StaleVersion
from app.kit.text import is_slug
from app.publication.actions import alone, require, unlimited
from app.publication.authors.tables import Author
from app.publication.sections.tables import Section
from app.publication.series.tables import Series
from app.publication.tables import Term
from app.publication.tags.tables import Tag

MOST = 500
_TERMS: dict[str, type[Term]] = {"section": Section, "series": Series, "tag": Tag, "author": Author}


class TooManyFronts(Conflict):
    """There are as many fronts as one publication can have."""

    code, title = "too_many_fronts", "There are too many fronts"


def _pins(session: Session, actor: Actor, refs: list[str], pointer: str) -> list[str]:
    """The ids of articles that the caller may see, in their order; 422 for any other."""
    ids, slugs = [ref for ref in refs if is_id(ref)], [ref for ref in refs if not is_id(ref)]
    wanted = seen_by(actor).add_columns(A.c.slug).where(A.c.id.in_(ids) | A.c.slug.in_(slugs))
    known: dict[str, str] = {}
    for row in session.execute(wanted):
        known[row.id] = known[row.slug] = row.id
    for at, ref in enumerate(refs):
        if ref not in known:
            raise Invalid("There is no such article.", pointer=f"{pointer}/{at}", code="not_found")
    return list(dict.fromkeys(known[ref] for ref in refs))


def _block(session: Session, actor: Actor, data: BlockIn, pointer: str) -> dict[str, Any]:
    """A block as it is stored, its references resolved; 422 for what does not go together."""
    only = {name: value for name in FILTERS if (value := getattr(data, name)) is not None}
    busy = data.kind in {"discussed", "reacted"}
    misplaced = {
        "articles": data.articles is not None and data.kind != "pinned",
        "limit": data.limit is not None and data.kind == "pinned",
        "days": data.days is not None and not busy,
        **dict.fromkeys(only, data.kind == "pinned"),
    }
    for name, is_wrong in misplaced.items():
        if is_wrong:
            raise Invalid(f"{name} is not for a block of this kind.", pointer=f"{pointer}/{name}", code="misplaced")
    if len(only) > 1:
        raise Invalid("Limit a block to one thing.", pointer=f"{pointer}/{list(only)[1]}", code="one_of")
    if data.kind == "pinned" and not data.articles:
        raise Invalid("Name the articles.", pointer=f"{pointer}/articles", code="missing")
    for name in only.keys() & _TERMS.keys():
        only[name] = require(session, _TERMS[name], [only[name]], f"{pointer}/{name}")[0]
    return {
        "kind": data.kind,
        "title": data.title,
        "limit": None if data.kind == "pinned" else data.limit or 8,
        "articles": _pins(session, actor, data.articles, f"{pointer}/articles") if data.articles else None,
        "days": (data.days or 7) if busy else None,
        "only": only,
    }


def _found(session: Session, ref: str) -> Front | None:
    column = Front.id if is_id(ref) else Front.slug
    return session.exec(select(Front).where(column == ref).with_for_update()).first()


def save(session: Session, actor: Actor, ref: str, data: FrontIn, versions: frozenset[int] | None, new: bool) -> str:
    """Put a front in place of what was there, or, if it is new, where nothing was; 412 otherwise. Returns its id."""
    unlimited(actor)
    if not is_id(ref) and (not is_slug(ref) or len(ref) > 200):
        raise NotFound
    alone(session, f"front:{ref}")
    row = _found(session, ref)
    if row is not None and new:
        raise StaleVersion(current_version=row.version)
    if row is None:
        if not new or is_id(ref):
            raise NotFound
        if session.execute(sa.select(sa.func.count()).select_from(Front)).scalar_one() >= MOST:
            raise TooManyFronts
        moment = now()
        row = Front(id=new_id(), slug=ref, version=0, published=None, draft=None, created_at=moment, updated_at=moment)
        session.add(row)
    blocks = [_block(session, actor, block, f"/blocks/{at}") for at, block in enumerate(data.blocks)]
    if sum(block["limit"] or len(block["articles"]) for block in blocks) > MOST_ARTICLES:
        raise Invalid(f"A front has at most {MOST_ARTICLES} articles.", pointer="/blocks", code="too_long")
    wanted = {"title": data.title, "blocks": blocks}
    if row.version:
        newest = row.draft or row.published or {}
        etag.check(row.version, versions, [name for name, value in wanted.items() if newest.get(name) != value])
    _lay(session, row, wanted, data.state)
    record(session, actor, "front.save", "front", row.id, {"slug": row.slug, "state": data.state})
    return row.id


def _lay(session: Session, row: Front, version: dict[str, Any], state: str) -> None:
    """Store what was put together, and tell of it if readers get it."""
    moment = now()
    version["at"] = iso(moment)
    if state == "draft":
        row.draft = version
    else:
        row.published, row.draft = version, None
    row.version, row.updated_at = row.version + 1, moment
    if state == "published":
        emit(session, FrontChanged(subject_id=row.id, slug=row.slug))


def delete(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a front, and its draft."""
    unlimited(actor)
    row = _found(session, ref)
    if row is None:
        raise NotFound
    etag.check(row.version, versions, [])
    if row.published is not None:
        emit(session, FrontDeleted(subject_id=row.id, slug=row.slug))
    record(session, actor, "front.delete", "front", row.id, {"slug": row.slug})
    session.delete(row)
