"""Beginning and ending merges of terms; the room `articles` moves the articles in between."""

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid
from app.db.columns import table_of
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.pseudonyms import ErasedPerson, erase_actor_name
from app.identity.schemas import Actor
from app.publication.generations import bump_generation
from app.publication.notices import delete_notices_of, move_notices
from app.publication.tables import FormerSlug, TermMerge
from app.publication.taxonomy import New, Patch, T, Taxonomy
from app.publication.terms import DONE, MERGE, RUNNING, is_merging, lock_term, require_all_sections
from app.web import etag

_FORMER = table_of(FormerSlug)


class MergeRunning(Conflict, code="merge_running", title="A merge is running"):
    """One of the terms is being merged already; wait until that merge is done."""


class MergeableTaxonomy(Taxonomy[T, New, Patch]):
    """A taxonomy whose terms can be merged into one another."""

    def begin_merge(
        self, session: Session, actor: Actor, ref: str, into: str | None, versions: frozenset[int] | None
    ) -> TermMerge:
        """Record that a term is merged into another one, or removed; its articles are not moved yet."""
        require_all_sections(actor, "content:publish")
        source = lock_term(session, self.model, ref, follow=False)  # repeating a merge must not merge its target
        etag.check_version(source.version, versions)
        target_id = self.require(session, into, "/into") if into is not None else None
        if target_id == source.id:
            raise Invalid("A term cannot be merged into itself. Name another term.", pointer="/into")
        if any(is_merging(session, term_id) for term_id in (source.id, target_id) if term_id):
            raise MergeRunning
        row = TermMerge(
            id=new_id(),
            kind=self.kind,
            source_id=source.id,
            source_slug=source.slug,
            target_id=target_id,
            state=RUNNING,
            total=0,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            person_id=actor.person,
            created_at=now(),
        )
        session.add(row)
        detail = {"slug": source.slug, "into": target_id}
        record_action(session, actor, f"{self.kind}.merge", self.kind, source.id, detail)
        return row

    def lock_source(self, session: Session, merge: TermMerge) -> None:
        """Lock the term that is merged, so that no article can be filed under it from here on."""
        session.get(self.model, merge.source_id, with_for_update=True)

    def end_merge(self, session: Session, merge: TermMerge) -> None:
        """Delete a term whose articles were moved: slugs redirect, notices move, an event is emitted."""
        source_id, target_id = merge.source_id, merge.target_id
        source = session.get_one(self.model, source_id)
        slug = source.slug
        session.delete(source)
        session.flush()
        own = (_FORMER.c.kind == self.kind) & (_FORMER.c.target_id == source_id)
        if target_id is None:
            session.execute(sa.delete(_FORMER).where(own))
            delete_notices_of(session, self.kind, source_id)
        else:
            session.execute(sa.update(_FORMER).where(own).values(target_id=target_id))
            session.add(FormerSlug(kind=self.kind, slug=slug, target_id=target_id, created_at=now()))
            move_notices(session, self.kind, source_id, target_id)
        bump_generation(session)
        session.execute(sa.update(MERGE).where(MERGE.c.target_id == source_id).values({"target_id": target_id}))
        merge.state, merge.finished_at = DONE, now()
        emit(session, self.deleted(subject_id=source_id, slug=slug, into=target_id))


def erase_name(session: Session, person: ErasedPerson) -> None:
    """Take the name of a person of the staff out of merges."""
    erase_actor_name(session, person, MERGE)
