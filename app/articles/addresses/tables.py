"""Addresses that lead on to an article."""

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.schema import ID


class Address(SQLModel, table=True):
    """A former slug, or a path (it begins with `/`) that the article had on this or an earlier site."""

    address: str = Field(primary_key=True, max_length=500)
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE", index=True)

    __table_args__ = (sa.CheckConstraint("length(address) > 0", name="ck_address_not_empty"),)
