"""Votes on comments and reactions to articles."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.sql.selectable import ReturnsRows
from sqlmodel import Session

from app.articles import counters
from app.articles.counters import change_reaction as count_reaction
from app.comments.lifecycle import adjust_votes
from app.comments.posting import check_may_write
from app.comments.reading import C, get_readable_article, lock_comment
from app.core.clock import now
from app.core.problems import Forbidden, Invalid, NotFound, Unauthorized
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Insert, JsonObject, begin_insert, dialect_of, fetch_rows
from app.events.catalog import ArticleReacted
from app.events.log import emit
from app.identity.participants import ParticipantRow, find_caller, get_or_create_participant, lock_participant
from app.identity.schemas import Actor
from app.publication.taxonomies import AUTHORS
from app.reactions.schemas import Voter
from app.reactions.tables import Reaction, Vote


class VoteRow(TypedDict):
    """A participant's vote."""

    comment_id: str
    value: int
    at: datetime
    address_hash: str | None
    counted: bool


class ReactionRow(TypedDict):
    """A participant's reaction."""

    article_id: str
    value: str
    at: datetime
    address_hash: str | None
    counted: bool


class _NewReaction(TypedDict):
    value: str | None  # None withdraws it
    at: datetime
    address_hash: str | None
    counted: bool


VOTE, REACTION = table_of(Vote), table_of(Reaction)
_PARTICIPANT = "participant"
_IS_VOTE_OF_PARTICIPANT = VOTE.c.participant_id == sa.bindparam(_PARTICIPANT, type_=VOTE.c.participant_id.type)
_IS_REACTION_OF_PARTICIPANT = REACTION.c.participant_id == sa.bindparam(
    _PARTICIPANT, type_=REACTION.c.participant_id.type
)
_IS_VOTE_ON_COMMENT = VOTE.c.comment_id == sa.bindparam("comment", type_=VOTE.c.comment_id.type)
_IS_REACTION_TO_ARTICLE = REACTION.c.article_id == sa.bindparam("article", type_=REACTION.c.article_id.type)
_IS_VOTE, _IS_REACTION = (
    _IS_VOTE_ON_COMMENT & _IS_VOTE_OF_PARTICIPANT,
    _IS_REACTION_TO_ARTICLE & _IS_REACTION_OF_PARTICIPANT,
)
_SELECT_VOTE: Prepared[JsonObject] = Prepared(sa.select(VOTE.c.value, VOTE.c.counted).where(_IS_VOTE))
_SELECT_REACTION = sa.select(REACTION.c.value, REACTION.c.at, REACTION.c.counted).where(_IS_REACTION)
_SELECT_VOTES_ON_ARTICLE = (
    sa.select(VOTE.c.comment_id, VOTE.c.value)
    .join(C, C.c.id == VOTE.c.comment_id)
    .where(_IS_VOTE_OF_PARTICIPANT, C.c.article_id == sa.bindparam("article", type_=C.c.article_id.type))
    .order_by(VOTE.c.comment_id)
)
_COLUMNS = ("value", "at", "address_hash", "counted")
_SELECT_VOTES = (
    sa.select(VOTE.c.comment_id, *(VOTE.c[name] for name in _COLUMNS))
    .where(_IS_VOTE_OF_PARTICIPANT)
    .order_by(VOTE.c.comment_id)
)
_SELECT_REACTIONS = (
    sa.select(REACTION.c.article_id, *(REACTION.c[name] for name in _COLUMNS))
    .where(_IS_REACTION_OF_PARTICIPANT)
    .order_by(REACTION.c.article_id)
)


def get_own_votes(connection: sa.Connection, actor: Actor, ref: str) -> JsonObject:
    """Return the caller's reaction to a public article and their votes on its comments, in the shape of
    `MyVotesOut`.
    """
    article_id = get_readable_article(connection, ref).article_id
    participant = find_caller(connection, actor)
    if participant is None:
        return {"reaction": None, "votes": {}}
    parameters = {_PARTICIPANT: participant["id"], "article": article_id}
    chosen = connection.execute(_SELECT_REACTION, parameters).scalar_one_or_none()
    return {
        "reaction": chosen,
        "votes": {row[0]: row[1] for row in connection.execute(_SELECT_VOTES_ON_ARTICLE, parameters)},
    }


def list_votes(connection: sa.Connection, participant_id: str) -> list[VoteRow]:
    """List a participant's votes, ordered by comment id."""
    return fetch_rows(connection, _SELECT_VOTES, VoteRow, {_PARTICIPANT: participant_id})


def list_reactions(connection: sa.Connection, participant_id: str) -> list[ReactionRow]:
    """List a participant's reactions, ordered by article id."""
    return fetch_rows(connection, _SELECT_REACTIONS, ReactionRow, {_PARTICIPANT: participant_id})


GUEST_WINDOW: Final = timedelta(hours=24)  # in which guests at one network address count once
_DELETE_VOTE: Prepared[JsonObject] = Prepared(sa.delete(VOTE).where(_IS_VOTE))
_DELETE_REACTION: Prepared[JsonObject] = Prepared(sa.delete(REACTION).where(_IS_REACTION))
_UPDATE_REACTION: Prepared[JsonObject] = Prepared(
    sa.update(REACTION)
    .where(_IS_REACTION)
    .values({name: sa.bindparam(f"new_{name}", type_=REACTION.c[name].type) for name in _COLUMNS})
)
_LOCK_ADDRESS = sa.select(
    sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("of", type_=sa.Text()), 0))
)
_LOCK_REACTION: Prepared[JsonObject] = Prepared(_SELECT_REACTION.with_for_update())
_PLACEHOLDER = ""  # value of a row between its insertion and its update in one transaction


def _upsert_vote(dialect: str) -> Insert:
    new = begin_insert(dialect, VOTE)
    values = {name: new.excluded[name] for name in ("value", "at", "address_hash", "counted")}
    return new.on_conflict_do_update(index_elements=list(VOTE.primary_key), set_=values)


def _insert_or_lock_reaction(dialect: str) -> ReturnsRows:
    """Insert or lock the row of a reaction and return its current value; concurrent requests wait."""
    new = begin_insert(dialect, REACTION)
    unchanged = {"value": REACTION.c.value}
    return new.on_conflict_do_update(index_elements=list(REACTION.primary_key), set_=unchanged).returning(
        REACTION.c.value, REACTION.c.at, REACTION.c.counted
    )


_UPSERT_VOTE: Prepared[JsonObject] = Prepared(_upsert_vote, VOTE.c.keys())
_INSERT_OR_LOCK_REACTION: Prepared[JsonObject] = Prepared(_insert_or_lock_reaction, REACTION.c.keys())


def _select_others(table: sa.Table, is_target: sa.ColumnElement[bool]) -> Prepared[JsonObject]:
    """Select a recent choice of another guest at the same address that is counted."""
    recent = table.c.counted & (table.c.at > sa.bindparam("since", type_=table.c.at.type))
    other = table.c.participant_id != sa.bindparam(_PARTICIPANT, type_=table.c.participant_id.type)
    return Prepared(
        lambda dialect: (
            sa.select(table.c.at)
            .where(is_target, other, is_among(dialect, table.c.address_hash, "addresses"), recent)
            .limit(1)
        )
    )


_SELECT_OTHER_VOTES = _select_others(VOTE, _IS_VOTE_ON_COMMENT)
_SELECT_OTHER_REACTIONS = _select_others(REACTION, _IS_REACTION_TO_ARTICLE)


class OwnComment(Forbidden, code="own_comment", title="You cannot vote on your own comment"):
    """Nobody can vote on their own comment."""


def check_may_vote(actor: Actor) -> None:
    """Raise 401 for anonymous callers and 403 for those who cannot take part."""
    if actor.kind == "anonymous":
        raise Unauthorized("Voting needs a token. POST /v1/guests creates one.")
    check_may_write(actor)


def _admit_participant(session: Session, voter: Voter) -> ParticipantRow:
    """Return the voter's participant, created if necessary; 403 if banned."""
    check_may_vote(voter.actor)
    row = lock_participant(session, voter.actor)
    if row is None or row["erased_at"] is not None:
        claims = voter.actor.reader
        profile = AUTHORS.find(session.connection(), claims.author) if claims and claims.author else None
        row = get_or_create_participant(session, voter.vault, voter.actor, author_id=profile["id"] if profile else None)
    voter.ban_check.require_not_banned(session, row, voter.addresses)
    return row


def _guest_address(participant: ParticipantRow, voter: Voter) -> str | None:
    """Return the address hash by which guests without a confirmed e-mail address count, or None for all others.

    Guest tokens are free, so they do not tell people apart.
    """
    is_stranger = participant["kind"] == "guest" and participant["confirmed_at"] is None
    return voter.addresses[0] if is_stranger and voter.addresses else None


def _is_counted(
    session: Session, others: Prepared[JsonObject], target: JsonObject, participant: ParticipantRow, voter: Voter
) -> bool:
    """Return whether a choice counts: of the guests at one address only one is counted within `GUEST_WINDOW`."""
    if _guest_address(participant, voter) is None:
        return True
    values = {**target, "addresses": voter.addresses, "since": now() - GUEST_WINDOW}
    return others.first(session, {**values, _PARTICIPANT: participant["id"]}) is None


def vote_on_comment(session: Session, voter: Voter, comment_id: str, value: int) -> JsonObject:
    """Set the caller's vote and return it with the comment's votes. 404 unless the comment is public."""
    participant = _admit_participant(session, voter)
    comment = lock_comment(session, comment_id)  # serializes the votes on this comment
    if comment["state"] != "published":
        raise NotFound
    get_readable_article(session, comment["article_id"])
    if comment["participant_id"] == participant["id"]:
        raise OwnComment
    key: JsonObject = {"comment": comment_id, _PARTICIPANT: participant["id"]}
    before, counted = _SELECT_VOTE.first(session, key) or (0, True)
    up, down = comment["upvotes"], comment["downvotes"]
    if value != before:
        weight = before if counted else 0
        counted = value == 0 or _is_counted(session, _SELECT_OTHER_VOTES, key, participant, voter)
        if value:
            row = {"comment_id": comment_id, "participant_id": participant["id"], "value": value, "at": now()}
            row |= {"address_hash": _guest_address(participant, voter), "counted": counted}
            _UPSERT_VOTE.run(session, row)
        else:
            _DELETE_VOTE.run(session, key)
        new_weight = value if counted else 0
        if new_weight != weight:
            up, down = adjust_votes(session, comment, (new_weight > 0) - (weight > 0), (new_weight < 0) - (weight < 0))
    return {"value": value, "votes": {"up": up, "down": down}}


def set_reaction(session: Session, voter: Voter, ref: str, value: str | None, names: Sequence[str]) -> JsonObject:
    """Set the caller's reaction and return it with the article's reactions."""
    article_id = get_readable_article(session, ref).article_id
    if value is not None and value not in names:
        choices = ", ".join(names) or "none"
        raise Invalid(f"The reactions that this site offers: {choices}.", pointer="/value", code="unknown_reaction")
    participant, moment = _admit_participant(session, voter), now()
    if address := _guest_address(participant, voter):
        _serialize_guests(session, article_id, address)
    target: JsonObject = {"article": article_id}
    counted = value is None or _is_counted(session, _SELECT_OTHER_REACTIONS, target, participant, voter)
    values: _NewReaction = {"value": value, "at": moment, "address_hash": address, "counted": counted}
    before = _replace_reaction(session, article_id, participant["id"], values)
    if before.value == value:
        counted = before.counted
    old, new = (before.value if before.counted else None), (value if counted else None)
    totals = count_reaction(session, article_id, old, new, names)
    if old != new:
        if old is not None:
            counters.count_activity(session, article_id, before.at, reactions=-1)
        if new is not None:
            counters.count_activity(session, article_id, moment, reactions=1)
        emit(session, ArticleReacted(subject_id=article_id))
    return {"value": value, "reactions": totals}


def _serialize_guests(session: Session, article_id: str, address: str) -> None:
    """Serialize the reactions of guests at one network address to an article."""
    if dialect_of(session) == "postgresql":
        session.execute(_LOCK_ADDRESS, {"of": f"{article_id}:{address}"})


class _FormerReaction(NamedTuple):
    """The reaction that a new one replaces."""

    value: str | None
    at: datetime
    counted: bool


def _replace_reaction(session: Session, article_id: str, participant_id: str, values: _NewReaction) -> _FormerReaction:
    """Write a reaction and return the former one."""
    key = {"article": article_id, _PARTICIPANT: participant_id}
    if values["value"] is None:
        former = _LOCK_REACTION.first(session, key)
        if former is None:
            return _FormerReaction(None, values["at"], counted=True)
        _DELETE_REACTION.run(session, key)
        return _FormerReaction(*former)
    row = {**values, "article_id": article_id, "participant_id": participant_id, "value": _PLACEHOLDER}
    value, at, counted = _INSERT_OR_LOCK_REACTION.one(session, row)
    if value != values["value"]:
        _UPDATE_REACTION.run(session, {**key, **{f"new_{name}": changed for name, changed in values.items()}})
    return _FormerReaction(value or None, at, counted)


def erase_reactions(session: Session, participant_id: str) -> None:
    """Delete all votes and reactions of a participant and adjust the counters.

    The caller has locked the participant, so that no more are added meanwhile.
    """
    connection = session.connection()
    for vote in list_votes(connection, participant_id):
        comment = lock_comment(session, vote["comment_id"])
        _DELETE_VOTE.run(session, {"comment": vote["comment_id"], _PARTICIPANT: participant_id})
        if vote["counted"]:
            adjust_votes(session, comment, -1 if vote["value"] > 0 else 0, -1 if vote["value"] < 0 else 0)
    for reaction in list_reactions(connection, participant_id):
        _DELETE_REACTION.run(session, {"article": reaction["article_id"], _PARTICIPANT: participant_id})
        if reaction["counted"]:
            count_reaction(session, reaction["article_id"], reaction["value"], None, ())
            counters.count_activity(session, reaction["article_id"], reaction["at"], reactions=-1)
            emit(session, ArticleReacted(subject_id=reaction["article_id"]))
