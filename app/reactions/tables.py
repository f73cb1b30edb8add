"""Votes and reactions at rest: the primary key lets nobody count twice."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Vote(SQLModel, table=True):
    """What one participant thinks of one comment; who takes it back has no row."""

    __table_args__ = (sa.Index("ix_vote_participant", "participant_id", "comment_id"),)

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: int = Field(sa_type=sa.SmallInteger)  # 1 or -1
    at: datetime


class Reaction(SQLModel, table=True):
    """What one participant chose of an article; who takes it back has no row."""

    __table_args__ = (sa.Index("ix_reaction_participant", "participant_id", "article_id"),)

    article_id: str = Field(primary_key=True, sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    participant_id: str = Field(primary_key=True, sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    value: str = Field(max_length=40)  # a name of the setting REACTIONS, as it was then
    at: datetime
