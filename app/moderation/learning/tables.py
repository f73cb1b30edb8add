"""What the classifier has learned."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import BIG, ID


class SpamToken(SQLModel, table=True):
    """In how many texts of each class a word stood. The word itself is not kept; row 0 counts the texts."""

    __tablename__ = "spam_token"

    token: int = Field(primary_key=True, sa_type=BIG, sa_column_kwargs={"autoincrement": False})  # 63 bits of a hash
    spam: int = 0
    ham: int = 0


class LearnedComment(SQLModel, table=True):
    """What was learned of one comment, so that it can be taken back whatever has become of its text."""

    __tablename__ = "learned_comment"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    spam: bool
    tokens: list[Any] = Field(default_factory=list, sa_type=sa.JSON)
