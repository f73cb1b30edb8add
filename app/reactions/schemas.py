"""Schemas of votes and reactions."""

from typing import Annotated, NamedTuple, Protocol

from pydantic import Field
from sqlmodel import Session

from app.comments.schemas import VotesOut
from app.core.models import BaseModel, InputModel
from app.identity.participants import ParticipantRow
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.text.inputs import Whole
from app.web.paging import ReadQuery


class BanCheck(Protocol):
    """The check for banned participants, which the moderation room implements."""

    def require_not_banned(
        self, session: Session, participant: ParticipantRow | None, addresses: tuple[str, ...]
    ) -> None:
        """Raise 403 for banned participants."""


class Voter(NamedTuple):
    """The caller of a vote or reaction, and what identifies them."""

    actor: Actor
    vault: Vault
    ban_check: BanCheck
    addresses: tuple[str, ...]  # hashes of the network address


class VoteIn(InputModel):
    """A vote."""

    value: Annotated[int, Field(ge=-1, le=1, strict=True), Whole] = Field(
        description="1, -1, or 0 to withdraw the vote."
    )


class VoteOut(BaseModel):
    """The caller's vote, and the comment's counted votes."""

    value: int
    votes: VotesOut


class ReactionIn(InputModel):
    """A reaction."""

    value: str | None = Field(
        max_length=40, description="One of the names in the article's `reactions`; null withdraws the reaction."
    )


class ReactionOut(BaseModel):
    """The caller's reaction, and the article's counted reactions."""

    value: str | None
    reactions: dict[str, int]


class MyVotesQuery(ReadQuery):
    """Parameters of a caller's own votes."""

    article: str = Field(min_length=1, max_length=200, description="Id or slug of the article.")


class MyVotesOut(BaseModel):
    """The caller's reaction to an article and votes on its comments."""

    reaction: str | None = Field(description="The caller's reaction to the article.")
    votes: dict[str, int] = Field(description="The caller's votes on its comments: 1 or -1 by the comment's id.")
