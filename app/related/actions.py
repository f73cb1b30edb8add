"""Choosing related links by hand."""

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.actions import lock
from app.articles.exposure import check_beside
from app.articles.queries import A, visible_to
from app.events.actions import emit
from app.identity.audit.actions import record
from app.identity.schemas import Actor
from app.kit import etag
from app.kit.ids import is_id
from app.kit.problems import Invalid
from app.kit.schema import table_of
from app.related.events import RelatedChanged
from app.related.queries import version
from app.related.schemas import PinsIn
from app.related.tables import RelatedChoice, RelatedPin

_CHOICE, _PIN = table_of(RelatedChoice), table_of(RelatedPin)


def pin(session: Session, actor: Actor, ref: str, data: PinsIn, versions: frozenset[int] | None) -> str:
    """Put these links first, in this order, in place of those chosen before; returns the article's id."""
    article = lock(session, actor, ref, None, [])
    current = version(session.connection(), article.id)
    held = sa.select(_PIN.c.target_id).where(_PIN.c.article_id == article.id).order_by(_PIN.c.position)
    before = list(session.execute(held).scalars())
    wanted = _targets(session, actor, article.id, data.ids)
    etag.check(current, versions, ["ids"] if wanted != before else [])
    if wanted == before:
        return article.id
    check_beside(actor, article)
    session.execute(sa.delete(_PIN).where(_PIN.c.article_id == article.id))
    if wanted:
        rows = [{"article_id": article.id, "target_id": id_, "position": at} for at, id_ in enumerate(wanted)]
        session.execute(sa.insert(_PIN), rows)
    if current:
        session.execute(sa.update(_CHOICE).where(_CHOICE.c.article_id == article.id).values(version=current + 1))
    else:
        session.execute(sa.insert(_CHOICE), [{"article_id": article.id, "version": 1}])
    if article.public:
        emit(session, RelatedChanged(subject_id=article.id, articles=[article.id]))
    record(session, actor, "article.relate", "article", article.id, {"pins": len(wanted)})
    return article.id


def _targets(session: Session, actor: Actor, article_id: str, refs: list[str]) -> list[str]:
    """The ids behind ids and slugs; 422 for what the caller cannot see, for the article itself, and for repeats."""
    ids, slugs = [ref for ref in refs if is_id(ref)], [ref for ref in refs if not is_id(ref)]
    query = sa.select(A.c.id, A.c.slug).where(A.c.id.in_(ids) | A.c.slug.in_(slugs), visible_to(actor))
    known = {name: row.id for row in session.execute(query) for name in (row.id, row.slug)} if refs else {}
    found: list[str] = []
    for at, ref in enumerate(refs):
        target = known.get(ref)
        if target is None:
            raise Invalid("There is no such article.", pointer=f"/ids/{at}", code="not_found")
        if target == article_id:
            raise Invalid("An article is not related to itself.", pointer=f"/ids/{at}", code="itself")
        if target in found:
            raise Invalid("Each article can be chosen once.", pointer=f"/ids/{at}", code="repeated")
        found.append(target)
    return found
