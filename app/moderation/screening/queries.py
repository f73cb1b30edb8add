"""What the store knows of an author and a text: one statement for all stages."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.posting.schemas import Attempt, Submission
from app.comments.tables import Comment
from app.kit.clock import now
from app.kit.db.prepared import Prepared
from app.kit.schema import table_of
from app.moderation.bans import queries as bans
from app.moderation.learning.queries import TEXTS, TOKEN
from app.moderation.phrases.queries import stamp
from app.moderation.screening.schemas import A_DAY, A_MINUTE, MINUTES_A_DAY, SHORT, Standing

MOST_LOOKED_AT = 200  # comments of a day that say the same, among which one's own are looked for
_C = table_of(Comment)
_AT = _C.c.created_at


def _given(name: str, column: ColumnElement[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


_AUTHOR = _C.c.participant_id == _given("author", _C.c.participant_id)
_ADDRESS = _C.c.address_hash == _given("address", _C.c.address_hash)


def _nth(who: ColumnElement[bool], since: str, n: str) -> sa.ScalarSelect[Any]:
    """When the n-th newest comment since a time was written: null where there are fewer."""
    newest = sa.select(_AT).where(who, _given(since, _AT) < _AT).order_by(_AT.desc())
    return newest.limit(1).offset(sa.bindparam(n, type_=sa.Integer())).scalar_subquery()


def _standing(counted: bool) -> sa.Select[Any]:
    # By the text, not by who wrote: one address may stand for very many people, and an author for a long day.
    names = "article_id under_id state participant_id address_hash id"
    alike = sa.select(*(_C.c[name] for name in names.split()))
    alike = alike.where(_C.c.fingerprint == _given("fingerprint", _C.c.fingerprint), _given("day", _AT) < _AT)
    newest = alike.order_by(_AT.desc()).limit(MOST_LOOKED_AT).subquery()
    theirs = newest.c.participant_id == _given("author", _C.c.participant_id)
    theirs |= newest.c.address_hash == _given("near", _C.c.address_hash)
    is_here = newest.c.article_id == _given("article", _C.c.article_id)
    stands = is_here & (newest.c.state != "removed")
    is_same_place = newest.c.under_id == _given("under", _C.c.under_id)
    here = sa.func.count(sa.case((stands & is_same_place, 1)))
    nearby = sa.func.count(sa.case((stands & ~is_same_place, newest.c.under_id)).distinct())
    elsewhere = sa.func.count(sa.case((~is_here, newest.c.article_id)).distinct())
    learned = sa.select(TOKEN.c.spam).where(TOKEN.c.token == TEXTS)
    windows = [
        _nth(who, since, f"{name}_{since}")
        for name, who in (("author", _AUTHOR), ("address", _ADDRESS))
        for since in ("minute", "day")
    ]
    return sa.select(
        bans.stands(),
        *(windows if counted else [sa.null()] * len(windows)),
        here,
        elsewhere,
        stamp(),
        learned.scalar_subquery(),
        learned.with_only_columns(TOKEN.c.ham).scalar_subquery(),
        nearby,
    ).where(theirs, newest.c.id != _given("comment", _C.c.id))


_STANDING = {counted: Prepared(_standing(counted)) for counted in (True, False)}


def standing(
    store: sa.Connection | Session,
    attempt: Attempt,
    rates: tuple[int, int] | None = None,
    *,
    ahead: int = 0,
) -> Standing:
    """What is known of the author and the text of a submission.

    `rates`: comments a minute, before this one, of an author and of an address; None where nobody counts. `ahead`: so
    many comments of a batch are going to be posted before this one.
    """
    address, day = attempt.addresses[0] if attempt.addresses else None, attempt.at - timedelta(seconds=A_DAY)
    person = attempt.participant
    given: dict[str, Any] = {
        "author": person["id"] if person else None,
        "near": address if len(attempt.text) >= SHORT else None,
        "comment": attempt.comment_id,
        "article": attempt.article_id,
        "under": attempt.under_id,
        "fingerprint": attempt.fingerprint,
        "day": day,
        "at": now(),
        **bans.parameters(bans.values(person, attempt.addresses, attempt.email)),
    }
    if rates is not None:
        given |= {"address": address, "minute": attempt.at - timedelta(seconds=A_MINUTE)}
        for name, rate in zip(("author", "address"), rates, strict=True):
            most = {"minute": rate, "day": rate * MINUTES_A_DAY}
            given |= {f"{name}_{window}": max(0, many - 1 - ahead) for window, many in most.items()}
    return Standing._make(_STANDING[rates is not None].one(store, given))


def attempt_of(submission: Submission) -> Attempt:
    """A submission as `standing` knows it."""
    return Attempt(
        submission.participant,
        submission.addresses,
        submission.email,
        submission.comment_id,
        submission.article_id,
        submission.under_id or submission.article_id,
        submission.at,
        submission.text,
        submission.fingerprint,
    )
