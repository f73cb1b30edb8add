"""Reading what the classifier has learned."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

from app.kit.schema import table_of
from app.moderation.learning.schemas import Counted, score, tokens
from app.moderation.learning.tables import LearnedComment, SpamToken

TOKEN, LEARNED = table_of(SpamToken), table_of(LearnedComment)
TEXTS = 0  # the row that counts texts
_COUNTS = sa.select(TOKEN.c.spam, TOKEN.c.ham)
_GIVEN = sa.func.json_each(sa.bindparam("tokens", type_=sa.Text())).table_valued("value")
# One statement whatever the number of words: a list of parameters would be compiled anew for each length.
_OF: dict[str, sa.Select[Any]] = {
    "sqlite": _COUNTS.where(TOKEN.c.token.in_(sa.select(_GIVEN.c.value))),
    "postgresql": _COUNTS.where(
        TOKEN.c.token == sa.any_(sa.bindparam("tokens", type_=postgresql.ARRAY(sa.BigInteger())))
    ),
}


def texts(connection: sa.Connection) -> Counted:
    """How many texts of each class were learned."""
    row = connection.execute(_COUNTS.where(TOKEN.c.token == TEXTS)).first()
    return Counted(*row) if row else Counted(0, 0)


def likeness(
    session: Session, learned: Counted, text: str, links: tuple[str, ...] = (), found: list[int] | None = None
) -> float:
    """How likely a text is spam, 0 to 1, where so many texts were learned; one statement.

    `found` are its `tokens`, where they are known already.
    """
    found = tokens(text, links) if found is None else found
    dialect = session.get_bind().dialect.name
    given = json.dumps(found) if dialect == "sqlite" else found
    return score(learned, [Counted(*row) for row in session.execute(_OF[dialect], {"tokens": given})])
