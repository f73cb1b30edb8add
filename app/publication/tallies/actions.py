"""Moving the numbers of public articles; the articles room calls this whenever one appears, moves or goes."""

from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from app.kit.schema import table_of
from app.publication.authors.tables import Author
from app.publication.sections.tables import Section
from app.publication.series.tables import Series
from app.publication.tags.tables import Tag

Kind = Literal["section", "tag", "author", "series"]
_TABLES = {"section": table_of(Section), "tag": table_of(Tag), "author": table_of(Author), "series": table_of(Series)}


def move(session: Session, kind: Kind, ids: Collection[str], delta: int) -> None:
    """Add to the number of public articles of some terms of one kind. Rows are locked in the order of their ids,
    so that two articles that share terms never wait for each other."""
    if not ids:
        return
    table = _TABLES[kind]
    in_order = sa.select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id)
    rows = table.c.id.in_(in_order.with_for_update(key_share=True).correlate(None))
    session.execute(sa.update(table).where(rows).values(articles=table.c.articles + delta))
