"""Erasing the name of somebody of the staff from the history of articles."""

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import ApprovalStep, Article, CorrectionVersion, Revision
from app.db.columns import table_of
from app.identity.pseudonyms import ERASED_NAME, ErasedPerson, erase_actor_name

_ARTICLE, _STEP = table_of(Article), table_of(ApprovalStep)


def erase_name(session: Session, person: ErasedPerson) -> None:
    """Take the name of a person out of revisions, corrections and approvals."""
    is_own = (_STEP.c.person_id == person.id) | _STEP.c.actor_id.in_(person.caller_ids)
    later = _STEP.alias()
    is_last = ~sa.exists().where(later.c.article_id == _STEP.c.article_id, later.c.id > _STEP.c.id)
    own = sa.select(_STEP.c.article_id).where(is_own, is_last)  # an article shows its last step
    shown = _ARTICLE.c.approval_by.is_not(None) & _ARTICLE.c.id.in_(own)
    session.execute(sa.update(_ARTICLE).where(shown).values(approval_by=ERASED_NAME, card_stamp=0))
    erase_actor_name(session, person, _STEP, table_of(Revision), table_of(CorrectionVersion))
