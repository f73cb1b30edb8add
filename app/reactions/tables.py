"""Votes and reactions at rest: the primary key lets nobody count twice."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db.columns import ID

_HAS_ADDRESS: dict[str, Any] = {
    "sqlite_where": sa.text("address_hash IS NOT NULL"),
    "postgresql_where": sa.text("address_hash IS NOT NULL"),
}


class Vote(SQLModel, table=True):
    """What one participant thinks of one comment; who takes it back has no row."""

    __table_args__ = (
        sa.Index("ix_vote_participant", "participant_id", "comment_id"),
        sa.Index("ix_vote_address", "comment_id", "address_hash", **_HAS_ADDRESS),
    )

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: int = Field(sa_type=sa.SmallInteger)  # 1 or -1
    at: datetime
    address_hash: str | None = Field(None, max_length=64)  # of guests whom nothing but a token tells apart
    counted: bool = Field(True, sa_column_kwargs={"server_default": sa.true()})  # in the numbers of the comment


class Reaction(SQLModel, table=True):
    """What one participant chose of an article; who takes it back has no row."""

    __table_args__ = (
        sa.Index("ix_reaction_participant", "participant_id", "article_id"),
        sa.Index("ix_reaction_address", "article_id", "address_hash", **_HAS_ADDRESS),
    )

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: str = Field(max_length=40)  # a name of the setting REACTIONS, as it was then
    at: datetime
    address_hash: str | None = Field(None, max_length=64)  # of guests whom nothing but a token tells apart
    counted: bool = Field(True, sa_column_kwargs={"server_default": sa.true()})  # in the numbers of the article
