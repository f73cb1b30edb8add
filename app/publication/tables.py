"""What sections, tags, authors and series have in common at rest."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.kit.collation import SORT_KEY, collation_key
from app.kit.schema import ID


class Term(SQLModel):
    """The columns of everything that articles are sorted under."""

    id: str = Field(primary_key=True, sa_type=ID)
    slug: str = Field(max_length=200, unique=True)
    name: str = Field(max_length=200)
    name_key: str = Field(default="", sa_type=SORT_KEY, sa_column_kwargs={"server_default": ""})  # alphabetical order
    articles: int = Field(default=0, sa_type=sa.BigInteger)  # public ones; moved by publication.tallies alone
    shown: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    """Articles that readers see now or will at a set time; moved by publication.tallies alone."""
    version: int = 1
    created_at: datetime
    updated_at: datetime


@sa.event.listens_for(Term, "before_insert", propagate=True)
@sa.event.listens_for(Term, "before_update", propagate=True)
def _keep_name_key(_mapper: object, _connection: object, term: Term) -> None:
    """Whoever names a term, its place in the alphabet goes along."""
    term.name_key = collation_key(term.name)


class FormerSlug(SQLModel, table=True):
    """A slug that a section, tag, author or series had before: it leads on to the one it has now."""

    __tablename__ = "former_slug"

    kind: str = Field(primary_key=True, max_length=10)  # section, tag, author, series
    slug: str = Field(primary_key=True, max_length=200)
    target_id: str = Field(sa_type=ID, index=True)  # of one of four tables: hence no key
    created_at: datetime


def orders(table: str) -> tuple[sa.Index, sa.Index]:
    """Indexes for the lists of a table of terms: by name, and by number of articles."""
    return sa.Index(f"ix_{table}_name", "name_key", "id"), sa.Index(f"ix_{table}_articles", "articles", "id")
