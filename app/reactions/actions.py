"""Voting and reacting, each once for everybody, and leaving no trace of either."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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
from app.kit.clock import now
from app.kit.problems import Forbidden, Invalid, NotFound, Unauthorized
from app.kit.schema import Row
from app.publication.authors.queries import by_ref as author_by_ref
from app.reactions.events import ArticleReacted
from app.reactions.queries import MY_REACTION, MY_VOTE, REACTION, VOTE, reactions_of, votes_of
from app.reactions.schemas import Voter

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_THIS_VOTE = (VOTE.c.comment_id == sa.bindparam("comment")) & (VOTE.c.participant_id == sa.bindparam("participant"))
_THIS_REACTION = (REACTION.c.article_id == sa.bindparam("article")) & (
    REACTION.c.participant_id == sa.bindparam("participant")
)
_UNVOTE, _UNREACT = sa.delete(VOTE).where(_THIS_VOTE), sa.delete(REACTION).where(_THIS_REACTION)
_CHOOSE = sa.update(REACTION).where(_THIS_REACTION).values(value=sa.bindparam("to"), at=sa.bindparam("moment"))
_LOCKED = MY_REACTION.with_for_update()
_NEW = ""  # what a row holds between being made and being filled, in one transaction


def _voting(insert: Any) -> Any:
    new = insert(VOTE)
    return new.on_conflict_do_update(index_elements=list(VOTE.primary_key), set_={"value": new.excluded.value})


def _holding(insert: Any) -> Any:
    """Make the row of a reaction or lock it: either way it tells what was chosen, and a twin waits behind it."""
    new = insert(REACTION)
    kept = {"value": REACTION.c.value}
    return new.on_conflict_do_update(index_elements=list(REACTION.primary_key), set_=kept).returning(
        REACTION.c.value, REACTION.c.at
    )


_VOTE = {dialect: _voting(insert) for dialect, insert in _INSERT.items()}
_HOLD = {dialect: _holding(insert) for dialect, insert in _INSERT.items()}


class OwnComment(Forbidden):
    """Nobody votes on what they wrote themselves."""

    code, title = "own_comment", "This is your own comment"


def _participant(session: Session, voter: Voter) -> Row:
    """Who votes, admitted; a reader or a key that has not taken part before does so from now on."""
    if voter.actor.kind == "anonymous":
        raise Unauthorized("Voting needs a token: POST /v1/guests gives one.")
    check_may_write(voter.actor)
    row = held(session, voter.actor)
    if row is None or row["erased_at"] is not None:
        claims = voter.actor.reader
        profile = author_by_ref(session.connection(), claims.author) if claims and claims.author else None
        row = join(session, voter.vault, voter.actor, author_id=profile["id"] if profile else None)
    voter.screen.admit(session, row, voter.addresses)
    return row


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
    before = session.execute(MY_VOTE, here).scalar_one_or_none() or 0
    up, down = comment["upvotes"], comment["downvotes"]
    if value != before:
        if value:
            row = {"comment_id": comment_id, "participant_id": who["id"], "value": value, "at": now()}
            session.execute(_VOTE[session.get_bind().dialect.name], row)
        else:
            session.execute(_UNVOTE, here)
        up, down = voted(session, comment, (value > 0) - (before > 0), (value < 0) - (before < 0))
    return {"value": value, "votes": {"up": up, "down": down}}


def react(session: Session, voter: Voter, ref: str, value: str | None, names: Sequence[str]) -> dict[str, Any]:
    """Let a reaction stand in place of the one before; returns it with the article's reactions."""
    article_id = readable(session, ref).article_id
    if value is not None and value not in names:
        known = ", ".join(names) or "none"
        raise Invalid(f"The reactions here: {known}.", pointer="/value", code="unknown_reaction")
    who, moment = _participant(session, voter), now()
    before, since = _replaced(session, article_id, who["id"], value, moment)
    totals = count_reaction(session, article_id, before, value, names)
    if before != value:
        if before is not None:
            activity.count(session, article_id, since, reactions=-1)
        if value is not None:
            activity.count(session, article_id, moment, reactions=1)
        emit(session, ArticleReacted(subject_id=article_id))
    return {"value": value, "reactions": totals}


def _replaced(
    session: Session, article_id: str, participant_id: str, value: str | None, moment: datetime
) -> tuple[str | None, datetime]:
    """Put a reaction of this moment into its row; returns what stood there before, and since when."""
    here = {"article": article_id, "participant": participant_id}
    if value is None:
        found = session.execute(_LOCKED, here).first()
        if found is None:
            return None, moment
        session.execute(_UNREACT, here)
        return found.value, found.at
    row = {"article_id": article_id, "participant_id": participant_id, "value": _NEW, "at": moment}
    before = session.execute(_HOLD[session.get_bind().dialect.name], row).one()
    if before.value != value:
        session.execute(_CHOOSE, {**here, "to": value, "moment": moment})
    return before.value or None, before.at


def forget(session: Session, participant_id: str) -> None:
    """Take back every vote and reaction of somebody, and what was counted by them.

    The caller has locked the participant, so that no more come meanwhile.
    """
    connection = session.connection()
    for row in votes_of(connection, participant_id):
        comment = locked(session, row["comment_id"])
        session.execute(_UNVOTE, {"comment": row["comment_id"], "participant": participant_id})
        voted(session, comment, -1 if row["value"] > 0 else 0, -1 if row["value"] < 0 else 0)
    for row in reactions_of(connection, participant_id):
        session.execute(_UNREACT, {"article": row["article_id"], "participant": participant_id})
        count_reaction(session, row["article_id"], row["value"], None, ())
        activity.count(session, row["article_id"], row["at"], reactions=-1)
        emit(session, ArticleReacted(subject_id=row["article_id"]))
