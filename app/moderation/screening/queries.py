"""What the store knows of an author and a text: one statement for all stages."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.posting.schemas import Submission
from app.comments.tables import Comment
from app.kit.clock import now
from app.kit.schema import table_of
from app.moderation.bans import queries as bans
from app.moderation.learning.queries import TEXTS, TOKEN
from app.moderation.phrases.queries import stamp
from app.moderation.screening.schemas import A_DAY, A_MINUTE, MINUTES_A_DAY, SHORT, Standing

MOST_LOOKED_AT = 200  # comments of one author or address among which a text is looked for
_C = table_of(Comment)
_AT = _C.c.created_at


def _given(name: str, column: ColumnElement[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


_AUTHOR = _C.c.participant_id == _given("author", _C.c.participant_id)
_ADDRESS = _C.c.address_hash == _given("address", _C.c.address_hash)
_NEAR = _C.c.address_hash == _given("near", _C.c.address_hash)
_OTHER = _C.c.id != _given("comment", _C.c.id)


def _nth(who: ColumnElement[bool], since: str, n: str) -> sa.ScalarSelect[Any]:
    """When the n-th newest comment since a time was written: null where there are fewer."""
    newest = sa.select(_AT).where(who, _given(since, _AT) < _AT).order_by(_AT.desc())
    return newest.limit(1).offset(sa.bindparam(n, type_=sa.Integer())).scalar_subquery()


def _recent(who: ColumnElement[bool]) -> sa.Select[Any]:
    """What was written within a day, the newest of it: one address may stand for very many people."""
    columns = (_C.c.article_id, _C.c.fingerprint, _C.c.state)
    newest = sa.select(*columns).where(who, _given("day", _AT) < _AT, _OTHER).order_by(_AT.desc()).limit(MOST_LOOKED_AT)
    return sa.select(newest.subquery())


def _standing() -> sa.Select[Any]:
    recent = sa.union_all(_recent(_AUTHOR), _recent(_NEAR)).subquery()
    is_here = recent.c.article_id == _given("article", _C.c.article_id)
    here = sa.func.count(sa.case((is_here & (recent.c.state != "removed"), 1)))
    elsewhere = sa.func.count(sa.case((~is_here, recent.c.article_id)).distinct())
    learned = sa.select(TOKEN.c.spam).where(TOKEN.c.token == TEXTS)
    return sa.select(
        bans.stands(),
        _nth(_AUTHOR, "minute", "author_minute"),
        _nth(_AUTHOR, "day", "author_day"),
        _nth(_ADDRESS, "minute", "address_minute"),
        _nth(_ADDRESS, "day", "address_day"),
        here,
        elsewhere,
        stamp(),
        learned.scalar_subquery(),
        learned.with_only_columns(TOKEN.c.ham).scalar_subquery(),
    ).where(recent.c.fingerprint == _given("fingerprint", _C.c.fingerprint))


_STANDING = _standing()


def standing(session: Session, submission: Submission, author_rate: int, address_rate: int) -> Standing:
    """What is known of the author and the text of a submission; the rates are comments a minute, before this one."""
    address = submission.addresses[0] if submission.addresses else None
    given: dict[str, Any] = {
        "author": submission.participant["id"],
        "address": address,
        "near": address if len(submission.text) >= SHORT else None,
        "comment": submission.comment_id,
        "article": submission.article_id,
        "fingerprint": submission.fingerprint,
        "minute": submission.at - timedelta(seconds=A_MINUTE),
        "day": submission.at - timedelta(seconds=A_DAY),
        "author_minute": author_rate - 1,
        "author_day": author_rate * MINUTES_A_DAY - 1,
        "address_minute": address_rate - 1,
        "address_day": address_rate * MINUTES_A_DAY - 1,
        "at": now(),
        **bans.parameters(bans.values(submission.participant, submission.addresses, submission.email)),
    }
    return Standing._make(session.execute(_STANDING, given).one())
