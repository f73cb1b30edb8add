"""Tokens that may be used once, and were."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.db.columns import count_affected, table_of
from app.db.rows import insert_into
from app.identity.tokens import hash_token
from app.people.tables import SpentToken

_SPENT = table_of(SpentToken)


def spend_token(session: Session, token: str, expires_at: datetime) -> bool:
    """Note that a token which may be used once is used, until it expires; return whether it was not before."""
    spend = insert_into(session, _SPENT).on_conflict_do_nothing().returning(_SPENT.c.hash)
    return session.execute(spend, {"hash": hash_token(token), "expires_at": expires_at}).first() is not None


def prune_spent_tokens(session: Session) -> int:
    """Delete spent tokens that would have expired by now; return their number."""
    return count_affected(session.execute(sa.delete(_SPENT).where(_SPENT.c.expires_at <= now())))
