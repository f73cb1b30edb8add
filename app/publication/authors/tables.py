"""Authors at rest."""

from sqlmodel import Field

from app.kit.schema import ID
from app.publication.tables import Term, orders


class Author(Term, table=True):
    """Somebody who writes."""

    __table_args__ = orders("author")

    skeleton: str = Field(max_length=200, index=True, sa_column_kwargs={"server_default": ""})  # of the name
    bio_html: str = ""
    bio_text: str = ""
    url: str | None = Field(None, max_length=2048)
    image_id: str | None = Field(None, sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)
