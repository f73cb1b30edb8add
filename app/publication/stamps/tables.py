"""The number."""

from sqlmodel import Field, SQLModel


class Stamp(SQLModel, table=True):
    """The only row; a card made under a smaller number may be out of date."""

    __tablename__ = "publication_stamp"

    id: int = Field(1, primary_key=True)
    n: int
    made_for: str = Field(max_length=64)  # what else cards depend on: the site's addresses, the form of a card
