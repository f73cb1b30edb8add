"""Beginning and ending merges of terms; the room `articles` moves the articles in between."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid
from app.db.columns import table_of
from app.events.catalog import AuthorDeleted, SeriesDeleted, TagDeleted, TermDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication import notices
from app.publication.generations import bump_generation
from app.publication.tables import Author, FormerSlug, Series, Tag, Term, TermMerge
from app.publication.terms import DONE, MERGE, RUNNING, is_merging, lock_term, require_all_sections, require_terms
from app.web import etag

MERGEABLE_MODELS: dict[str, type[Term]] = {"tag": Tag, "author": Author, "series": Series}
_DELETED_EVENTS: dict[str, type[TermDeleted]] = {"tag": TagDeleted, "author": AuthorDeleted, "series": SeriesDeleted}
_FORMER = table_of(FormerSlug)


class MergeRunning(Conflict):
    """One of the terms is being merged already; wait until that merge is done."""

    code, title = "merge_running", "A merge is running"


def begin_merge(
    session: Session, actor: Actor, kind: str, ref: str, into: str | None, versions: frozenset[int] | None
) -> TermMerge:
    """Record that a term is merged into another one, or removed; its articles are not moved yet."""
    require_all_sections(actor)
    source = lock_term(
        session, MERGEABLE_MODELS[kind], ref, follow=False
    )  # repeating a merge must not merge its target
    etag.check_version(source.version, versions)
    target_id = require_terms(session, MERGEABLE_MODELS[kind], [into], "/into")[0] if into is not None else None
    if target_id == source.id:
        raise Invalid("A term cannot be merged into itself. Name another term.", pointer="/into")
    if any(is_merging(session, term_id) for term_id in (source.id, target_id) if term_id):
        raise MergeRunning
    row = TermMerge(
        id=new_id(),
        kind=kind,
        source_id=source.id,
        source_slug=source.slug,
        target_id=target_id,
        state=RUNNING,
        total=0,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now(),
    )
    session.add(row)
    record_action(session, actor, f"{kind}.merge", kind, source.id, {"slug": source.slug, "into": target_id})
    return row


def end_merge(session: Session, merge: TermMerge) -> None:
    """Delete a term whose articles were moved: slugs redirect, notices move, an event is emitted."""
    kind, source_id, target_id = merge.kind, merge.source_id, merge.target_id
    source = session.get_one(MERGEABLE_MODELS[kind], source_id)
    slug = source.slug
    session.delete(source)
    session.flush()
    own = (_FORMER.c.kind == kind) & (_FORMER.c.target_id == source_id)
    if target_id is None:
        session.execute(sa.delete(_FORMER).where(own))
        notices.delete_notices_of(session, kind, source_id)
    else:
        session.execute(sa.update(_FORMER).where(own).values(target_id=target_id))
        session.add(FormerSlug(kind=kind, slug=slug, target_id=target_id, created_at=now()))
        notices.move_notices(session, kind, source_id, target_id)
    bump_generation(session)
    earlier: dict[str, Any] = {"target_id": target_id}
    session.execute(sa.update(MERGE).where(MERGE.c.target_id == source_id).values(earlier))
    merge.state, merge.finished_at = DONE, now()
    emit(session, _DELETED_EVENTS[kind](subject_id=source_id, slug=slug, into=target_id))
