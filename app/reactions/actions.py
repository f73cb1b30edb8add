"""Voting and reacting, each once for everybody, and leaving no trace of either."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.articles.activity import actions as activity
from app.articles.discussion.actions import react as count_reaction
from app.comments.actions import voted
from app.comments.posting.actions import check_may_write
from app.comments.queries import locked, readable
from app.events.actions import emit
from app.identity.participants.actions import join
from app.identity.participants.queries import held
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized
from app.kit.schema import Row
from app.publication.authors.queries import by_ref as author_by_ref
from app.reactions.events import ArticleReacted
from app.reactions.queries import MY_REACTION, MY_VOTE, REACTION, VOTE, reactions_of, votes_of
from app.reactions.schemas import Voter

WINDOW: Final = timedelta(hours=24)  # in which strangers at one address count once
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_THIS_VOTE = (VOTE.c.comment_id == sa.bindparam("comment")) & (VOTE.c.participant_id == sa.bindparam("participant"))
_THIS_REACTION = (REACTION.c.article_id == sa.bindparam("article")) & (
    REACTION.c.participant_id == sa.bindparam("participant")
)
_UNVOTE, _UNREACT = sa.delete(VOTE).where(_THIS_VOTE), sa.delete(REACTION).where(_THIS_REACTION)
_CHOOSE = (
    sa.update(REACTION)
    .where(_THIS_REACTION)
    .values({name: sa.bindparam(f"new_{name}") for name in ("value", "at", "address_hash", "counted")})
)
_TURN = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("of", type_=sa.Text()), 0)))
_LOCKED = MY_REACTION.with_for_update()
_NEW = ""  # what a row holds between being made and being filled, in one transaction


def _voting(insert: Any) -> Any:
    new = insert(VOTE)
    said = {name: new.excluded[name] for name in ("value", "at", "address_hash", "counted")}
    return new.on_conflict_do_update(index_elements=list(VOTE.primary_key), set_=said)


def _holding(insert: Any) -> Any:
    """Make the row of a reaction or lock it: either way it tells what was chosen, and a twin waits behind it."""
    new = insert(REACTION)
    kept = {"value": REACTION.c.value}
    return new.on_conflict_do_update(index_elements=list(REACTION.primary_key), set_=kept).returning(
        REACTION.c.value, REACTION.c.at, REACTION.c.counted
    )


_VOTE = {dialect: _voting(insert) for dialect, insert in _INSERT.items()}
_HOLD = {dialect: _holding(insert) for dialect, insert in _INSERT.items()}


class OwnComment(Forbidden):
    """Nobody votes on what they wrote themselves."""

    code, title = "own_comment", "This is your own comment"


def check_may_vote(actor: Actor) -> None:
    """Refuse callers who are nobody in particular, or cannot take part."""
    if actor.kind == "anonymous":
        raise Unauthorized("Voting needs a token: POST /v1/guests gives one.")
    check_may_write(actor)


def _participant(session: Session, voter: Voter) -> Row:
    """Who votes, admitted; a reader or a key that has not taken part before does so from now on."""
    check_may_vote(voter.actor)
    row = held(session, voter.actor)
    if row is None or row["erased_at"] is not None:
        claims = voter.actor.reader
        profile = author_by_ref(session.connection(), claims.author) if claims and claims.author else None
        row = join(session, voter.vault, voter.actor, author_id=profile["id"] if profile else None)
    voter.screen.admit(session, row, voter.addresses)
    return row


def _address(who: Row, voter: Voter) -> str | None:
    """The address that stands for whom nothing but a token tells apart, and tokens cost nothing; None for others."""
    is_stranger = who["kind"] == "guest" and who["confirmed_at"] is None
    return voter.addresses[0] if is_stranger and voter.addresses else None


def _counts(session: Session, table: sa.Table, target: sa.ColumnElement[bool], who: Row, voter: Voter) -> bool:
    """Whether what a participant chooses counts: of strangers at one address, what one of them chose lately."""
    if _address(who, voter) is None:
        return True
    others = (table.c.participant_id != who["id"]) & table.c.address_hash.in_(voter.addresses)
    lately = table.c.counted & (table.c.at > now() - WINDOW)
    return session.execute(sa.select(table.c.at).where(target, others, lately).limit(1)).first() is None


def vote(session: Session, voter: Voter, comment_id: str, value: int) -> dict[str, Any]:
    """Let a vote stand in place of the one before; returns it with the comment's votes. 404 for what is not public."""
    who = _participant(session, voter)
    comment = locked(session, comment_id)  # from here on its votes are counted one after the other
    if comment["state"] != "published":
        raise NotFound
    readable(session, comment["article_id"])
    if comment["participant_id"] == who["id"]:
        raise OwnComment
    here = {"comment": comment_id, "participant": who["id"]}
    found = session.execute(MY_VOTE, here).first()
    before, counted = (found.value, found.counted) if found else (0, True)
    up, down = comment["upvotes"], comment["downvotes"]
    if value != before:
        weight = before if counted else 0
        counted = value == 0 or _counts(session, VOTE, VOTE.c.comment_id == comment_id, who, voter)
        if value:
            row = {"comment_id": comment_id, "participant_id": who["id"], "value": value, "at": now()}
            row |= {"address_hash": _address(who, voter), "counted": counted}
            session.execute(_VOTE[session.get_bind().dialect.name], row)
        else:
            session.execute(_UNVOTE, here)
        more = value if counted else 0
        if more != weight:
            up, down = voted(session, comment, (more > 0) - (weight > 0), (more < 0) - (weight < 0))
    return {"value": value, "votes": {"up": up, "down": down}}


def react(session: Session, voter: Voter, ref: str, value: str | None, names: Sequence[str]) -> dict[str, Any]:
    """Let a reaction stand in place of the one before; returns it with the article's reactions."""
    article_id = readable(session, ref).article_id
    if value is not None and value not in names:
        known = ", ".join(names) or "none"
        raise Invalid(f"The reactions here: {known}.", pointer="/value", code="unknown_reaction")
    who, moment = _participant(session, voter), now()
    if address := _address(who, voter):
        _one_after_the_other(session, article_id, address)
    counted = value is None or _counts(session, REACTION, REACTION.c.article_id == article_id, who, voter)
    said = {"value": value, "at": moment, "address_hash": address, "counted": counted}
    before = _replaced(session, article_id, who["id"], said)
    if before.value == value:
        counted = before.counted
    old, new = (before.value if before.counted else None), (value if counted else None)
    totals = count_reaction(session, article_id, old, new, names)
    if old != new:
        if old is not None:
            activity.count(session, article_id, before.at, reactions=-1)
        if new is not None:
            activity.count(session, article_id, moment, reactions=1)
        emit(session, ArticleReacted(subject_id=article_id))
    return {"value": value, "reactions": totals}


def _one_after_the_other(session: Session, article_id: str, address: str) -> None:
    """Let strangers at one address react to an article in turn, so that one finds what the other has chosen."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_TURN, {"of": f"{article_id}:{address}"})


class _Before(NamedTuple):
    """What a reaction replaces."""

    value: str | None
    at: datetime
    counted: bool


def _replaced(session: Session, article_id: str, participant_id: str, said: dict[str, Any]) -> _Before:
    """Put a reaction into its row; returns what stood there before."""
    here = {"article": article_id, "participant": participant_id}
    if said["value"] is None:
        found = session.execute(_LOCKED, here).first()
        if found is None:
            return _Before(None, said["at"], counted=True)
        session.execute(_UNREACT, here)
        return _Before(found.value, found.at, found.counted)
    row = {**said, "article_id": article_id, "participant_id": participant_id, "value": _NEW}
    before = session.execute(_HOLD[session.get_bind().dialect.name], row).one()
    if before.value != said["value"]:
        session.execute(_CHOOSE, {**here, **{f"new_{name}": value for name, value in said.items()}})
    return _Before(before.value or None, before.at, before.counted)


def forget(session: Session, participant_id: str) -> None:
    """Take back every vote and reaction of somebody, and what was counted by them.

    The caller has locked the participant, so that no more come meanwhile.
    """
    connection = session.connection()
    for row in votes_of(connection, participant_id):
        comment = locked(session, row["comment_id"])
        session.execute(_UNVOTE, {"comment": row["comment_id"], "participant": participant_id})
        if row["counted"]:
            voted(session, comment, -1 if row["value"] > 0 else 0, -1 if row["value"] < 0 else 0)
    for row in reactions_of(connection, participant_id):
        session.execute(_UNREACT, {"article": row["article_id"], "participant": participant_id})
        if row["counted"]:
            count_reaction(session, row["article_id"], row["value"], None, ())
            activity.count(session, row["article_id"], row["at"], reactions=-1)
            emit(session, ArticleReacted(subject_id=row["article_id"]))
