"""Tables of votes and reactions. Their primary keys ensure one per participant."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table, partial_index


class Vote(Table, table=True):
    """A participant's vote on a comment; a withdrawn vote has no row."""

    __table_args__ = (
        sa.Index("ix_vote_participant", "participant_id", "comment_id"),
        partial_index("ix_vote_address", "comment_id", "address_hash", where="address_hash IS NOT NULL"),
    )

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: int = Field(sa_type=sa.SmallInteger)  # 1 or -1
    at: datetime
    address_hash: str | None = Field(None, max_length=64)  # only of guests without a confirmed e-mail address
    counted: bool = Field(True, sa_column_kwargs={"server_default": sa.true()})  # whether it is in the comment's totals


class Reaction(Table, table=True):
    """A participant's reaction to an article; a withdrawn reaction has no row."""

    __table_args__ = (
        sa.Index("ix_reaction_participant", "participant_id", "article_id"),
        partial_index("ix_reaction_address", "article_id", "address_hash", where="address_hash IS NOT NULL"),
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: str = Field(max_length=40)  # a name of the setting REACTIONS, as it was then
    at: datetime
    address_hash: str | None = Field(None, max_length=64)  # only of guests without a confirmed e-mail address
    counted: bool = Field(True, sa_column_kwargs={"server_default": sa.true()})  # whether it is in the article's totals
