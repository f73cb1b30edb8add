"""Reading what somebody has voted and chosen."""

from typing import Any

import sqlalchemy as sa

from app.comments.queries import C, readable
from app.identity.participants.queries import find
from app.identity.schemas import Actor
from app.kit.schema import table_of
from app.reactions.tables import Reaction, Vote

VOTE, REACTION = table_of(Vote), table_of(Reaction)
_ME = "participant"
_MY_VOTE = VOTE.c.participant_id == sa.bindparam(_ME, type_=VOTE.c.participant_id.type)
_MY_REACTION = REACTION.c.participant_id == sa.bindparam(_ME, type_=REACTION.c.participant_id.type)
MY_VOTE = sa.select(VOTE.c.value, VOTE.c.counted).where(
    VOTE.c.comment_id == sa.bindparam("comment", type_=VOTE.c.comment_id.type), _MY_VOTE
)
MY_REACTION = sa.select(REACTION.c.value, REACTION.c.at, REACTION.c.counted).where(
    REACTION.c.article_id == sa.bindparam("article", type_=REACTION.c.article_id.type), _MY_REACTION
)
_ON_ARTICLE = (
    sa.select(VOTE.c.comment_id, VOTE.c.value)
    .join(C, C.c.id == VOTE.c.comment_id)
    .where(_MY_VOTE, C.c.article_id == sa.bindparam("article", type_=C.c.article_id.type))
    .order_by(VOTE.c.comment_id)
)
_ABOUT = ("value", "at", "address_hash", "counted")
_VOTES = sa.select(VOTE.c.comment_id, *(VOTE.c[name] for name in _ABOUT)).where(_MY_VOTE).order_by(VOTE.c.comment_id)
_REACTIONS = (
    sa.select(REACTION.c.article_id, *(REACTION.c[name] for name in _ABOUT))
    .where(_MY_REACTION)
    .order_by(REACTION.c.article_id)
)


def mine(connection: sa.Connection, actor: Actor, ref: str) -> dict[str, Any]:
    """What the caller has chosen on an article that readers see, as `MyVotesOut` has it; 404 for any other."""
    article_id = readable(connection, ref).article_id
    participant = find(connection, actor)
    if participant is None:
        return {"reaction": None, "votes": {}}
    asked = {_ME: participant["id"], "article": article_id}
    chosen = connection.execute(MY_REACTION, asked).scalar_one_or_none()
    return {"reaction": chosen, "votes": {row[0]: row[1] for row in connection.execute(_ON_ARTICLE, asked)}}


def votes_of(connection: sa.Connection, participant_id: str) -> list[sa.RowMapping]:
    """All votes of somebody, in the order of the comments' ids."""
    return list(connection.execute(_VOTES, {_ME: participant_id}).mappings())


def reactions_of(connection: sa.Connection, participant_id: str) -> list[sa.RowMapping]:
    """All reactions of somebody, in the order of the articles' ids."""
    return list(connection.execute(_REACTIONS, {_ME: participant_id}).mappings())
