"""Saving a text, and bringing an old one back."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from app.articles.actions import counted, lay_out, lock, newest, reckon
from app.articles.body.convert import Body
from app.articles.revisions.tables import META, TEXT, Revision
from app.articles.tables import Article
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.problems import NotFound
from app.kit.text import reading_minutes


def columns_of(body: Body) -> dict[str, Any]:
    """What a revision stores of a text."""
    return {
        "html": body.html,
        "markdown": body.markdown,
        "text": body.text,
        "blocks": body.blocks,
        "excerpt": body.excerpt,
        "word_count": body.words,
        "reading_minutes": reading_minutes(body.words),
    }


def save(session: Session, actor: Actor, article: Article, changes: Mapping[str, Any], **more: Any) -> Revision:
    """Add a revision: the newest one with these changes."""
    base = newest(session, article) if article.latest_revision else None
    values = {name: getattr(base, name) for name in (*META, *TEXT)} if base else {}
    article.latest_revision += 1
    revision = Revision(
        article_id=article.id,
        n=article.latest_revision,
        created_at=now(),
        actor_id=actor.id,
        actor_name=actor.name,
        **{**values, **changes, **more},
    )
    session.add(revision)
    article.edited_at = revision.created_at
    session.flush()
    return revision


def lay_out_unless_fixed(session: Session, article: Article, revision: Revision) -> list[str]:
    """A saved text is what an article shows, except where readers see another one, or will at a set time."""
    if article.state in {"published", "retracted", "scheduled"}:
        return []
    changed = lay_out(session, article, revision)
    article.updated_at = now()
    return changed


def restore(session: Session, actor: Actor, ref: str, n: int, versions: frozenset[int] | None) -> str:
    """Make a new revision with the text of an old one; publishing it is a step of its own."""
    article = lock(session, actor, ref, versions, [])
    old = session.get(Revision, (article.id, n))
    if old is None or not actor.may_in(old.section_id):
        raise NotFound
    before = counted(session, article)
    revision = save(session, actor, article, {name: getattr(old, name) for name in (*META, *TEXT)}, restored_from=n)
    reckon(session, actor, article, before, lay_out_unless_fixed(session, article, revision))
    record(session, actor, "article.restore", "article", article.id, {"from": n, "revision": revision.n})
    return article.id
