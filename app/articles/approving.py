"""Submitting, approving and returning revisions, and the history of an article's approval."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import approval
from app.articles.approval import STEP
from app.articles.approval_schemas import ApproveIn, ReturnIn, SubmitIn
from app.articles.projection import lock_article
from app.articles.tables import Article, Revision
from app.core.problems import Forbidden, Invalid
from app.identity.audit import record_action
from app.identity.permissions import require_in
from app.identity.schemas import Actor
from app.web.paging import Page, PageQuery, Sort, fetch_page

Versions = frozenset[int] | None


class FourEyesRequired(Forbidden, code="four_eyes", title="Somebody else must approve this text"):
    """The section requires four eyes, and the caller wrote a part of the text that nobody else has approved."""


def _get_revision(session: Session, article: Article, n: int | None) -> Revision:
    """Return revision `n`, or the newest one; 422 if there is none."""
    revision = session.get(Revision, (article.id, article.latest_revision if n is None else n))
    if revision is None:
        raise Invalid("The article has no revision with this number.", pointer="/revision", code="not_found")
    return revision


def list_sections(article: Article, revision: Revision) -> list[str | None]:
    """List the sections whose rules hold for a revision: its own, and that in which readers see the article now."""
    return [revision.section_id, article.section_id] if article.public else [revision.section_id]


def _require_scope(actor: Actor, article: Article, revision: Revision) -> None:
    """Raise 403 unless the caller may approve in the sections whose rules hold."""
    for section_id in list_sections(article, revision):
        require_in(actor, "content:approve", section_id)


def _list_roles(actor: Actor, section_ids: Sequence[str | None]) -> set[str]:
    """List the roles that the caller has in all of these sections."""
    held = [
        {grant.role for grant in actor.grants if grant.sections is None or section_id in grant.sections}
        for section_id in section_ids
    ]
    return {role for role in set.intersection(*held) if role is not None}


def submit_article(session: Session, actor: Actor, ref: str, data: SubmitIn, versions: Versions) -> str:
    """Submit a revision for approval."""
    article = lock_article(session, actor, ref, versions, [], scope="content:write")
    revision = _get_revision(session, article, data.revision)
    require_in(actor, "content:write", revision.section_id)
    approval.add_step(session, actor, article, revision.n, "submitted", data.note)
    record_action(session, actor, "article.submit", "article", article.id, {"revision": revision.n})
    return article.id


def approve_article(session: Session, actor: Actor, ref: str, data: ApproveIn, versions: Versions) -> str:
    """Approve one revision; 403 if the section requires somebody else."""
    article = lock_article(session, actor, ref, versions, [], scope="content:approve")
    revision = _get_revision(session, article, data.revision)
    _require_scope(actor, article, revision)
    sections = list_sections(article, revision)
    own, roles = approval.wrote_part(session, actor, article, revision.n), _list_roles(actor, sections)
    for rule in approval.find_rules(session, sections):
        if rule.four_eyes and own:
            raise FourEyesRequired("You wrote a part of this text. Somebody else must approve it.")
        if rule.roles is not None and rule.roles.isdisjoint(roles):
            raise Forbidden(f"Approval here needs one of the roles {', '.join(sorted(rule.roles))}.")
    approval.add_step(session, actor, article, revision.n, "approved", data.note, own=own, roles=roles)
    record_action(session, actor, "article.approve", "article", article.id, {"revision": revision.n})
    return article.id


def return_article(session: Session, actor: Actor, ref: str, data: ReturnIn, versions: Versions) -> str:
    """Return one revision to its writers, which also takes back its approval. What readers see stays."""
    article = lock_article(session, actor, ref, versions, [], scope="content:approve")
    revision = _get_revision(session, article, data.revision)
    _require_scope(actor, article, revision)
    approval.add_step(session, actor, article, revision.n, "returned", data.note)
    record_action(session, actor, "article.return", "article", article.id, {"revision": revision.n})
    return article.id


NEWEST_FIRST = Sort("-at", descending=True)


class StepRow(TypedDict):
    """A step of the approval of one revision."""

    id: str
    revision: int
    action: str
    at: datetime
    note: str | None
    actor_id: str | None
    by: str
    own: bool
    roles: list[str]


def list_steps(connection: sa.Connection, article_id: str, query: PageQuery) -> Page[StepRow]:
    """List the steps of an article's approval, newest first."""
    names = ("id", "action", "at", "note", "actor_id", "own", "roles")
    columns = [STEP.c.n.label("revision"), STEP.c.actor_name.label("by"), *(STEP.c[name] for name in names)]
    statement = sa.select(*columns).where(STEP.c.article_id == article_id)
    return fetch_page(connection, statement, NEWEST_FIRST, STEP.c.at, query, StepRow, within=article_id)
