"""Tags at rest."""

from sqlmodel import Field

from app.publication.tables import Term, orders


class Tag(Term, table=True):
    """A subject."""

    __table_args__ = orders("tag")

    description: str = Field("", max_length=2000)
