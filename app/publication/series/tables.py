"""Series at rest."""

from sqlmodel import Field

from app.publication.tables import Term, orders


class Series(Term, table=True):
    """Articles that belong together."""

    __table_args__ = orders("series")

    description: str = Field("", max_length=2000)
