"""What partners see: what is public and offered to them, and what they are named for before it is public."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.queries import A
from app.identity.schemas import Actor
from app.kit.schema import Row
from app.publication.sections.queries import syndication_of

EARLY: dict[str, Callable[[sa.Connection, str, str], bool]] = {}  # filled in wiring: who is named is known above


def offered() -> ColumnElement[bool]:
    """Whether partners may have anything of an article at all."""
    return sa.func.coalesce(A.c.syndication, syndication_of(A.c.section_id), "full") != "none"


def sees_early(connection: sa.Connection, row: Row, actor: Actor) -> bool:
    """Whether a partner is named for an article that will be public; asked only where it is not yet."""
    coming = row["state"] in ("published", "scheduled") and actor.is_partner and actor.id is not None
    return coming and EARLY["named"](connection, row["id"], str(actor.id))
