"""What partners see: what is public and offered to them, and what they are named for before it is public."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.reading import A
from app.core.problems import NotFound
from app.db.columns import Row
from app.identity.schemas import Actor
from app.publication.schemas import Level
from app.publication.term_queries import syndication_of

EARLY: dict[str, Callable[[sa.Connection, str, str], bool]] = {}  # filled in wiring: who is named is known above


def offered() -> ColumnElement[bool]:
    """Whether partners may have anything of an article at all."""
    return sa.func.coalesce(A.c.syndication, syndication_of(A.c.section_id), "full") != "none"


def sees_early(connection: sa.Connection, row: Row, actor: Actor) -> bool:
    """Whether a partner is named for an article that will be public; asked only where it is not yet."""
    coming = row["state"] in ("published", "scheduled") and actor.is_partner and actor.id is not None
    return coming and EARLY["named"](connection, row["id"], str(actor.id))


class Receipt(NamedTuple):
    """One article that a partner was given."""

    article_id: str
    revision: int
    level: Level


class Ledger(Protocol):
    """Keeps receipts: `app.state.ledger`, of the room above."""

    def note(self, key_id: str, receipts: Sequence[Receipt]) -> None: ...


_LESS: dict[str, dict[str, Any]] = {"excerpt": {"text": ""}, "headline": {"dek": None, "excerpt": "", "text": ""}}


def _less(value: dict[str, Any], level: str) -> dict[str, Any]:
    """Without what a level leaves out: the text, the standfirst, and what a search shows of either."""
    found = {name: inner for name, inner in value.items() if name != "body"}
    return found | {name: instead for name, instead in _LESS[level].items() if name in found}


def _cut(value: Any, given: list[Receipt]) -> Any:
    """As much of an article as its level says, and of all articles inside it; None for nothing.

    Of a list what is nothing is left out, and so is what only tells of such an article.
    """
    if isinstance(value, list):
        return [found for row in value if (found := _cut(row, given)) is not None]
    if not isinstance(value, dict):
        return value
    if "rights" in value:
        level = value["rights"]["syndication"]
        if level == "none":
            return None
        given.append(Receipt(value["id"], value["revision"], level))
        if level != "full":
            value = _less(value, level)
            if "highlight" in value:
                value["highlight"] = _less(value["highlight"], level)
    found = {name: _cut(inner, given) for name, inner in value.items()}
    return None if value.get("article") is not None and found["article"] is None else found


def as_partner(card: bytes, given: list[Receipt]) -> dict[str, Any] | None:
    """An article as partners may have it, if they may, and a receipt for it; `body` is absent unless it is theirs."""
    found: dict[str, Any] | None = _cut(pydantic_core.from_json(card), given)
    return found


def hand_over(ledger: Ledger, actor: Actor, answers: Sequence[bytes]) -> Sequence[bytes]:
    """JSON that holds articles as the caller may have it: a partner, as much as the level of each allows, and noted."""
    if not actor.is_partner:
        return answers
    given: list[Receipt] = []
    found = [_cut(pydantic_core.from_json(answer), given) for answer in answers]
    ledger.note(str(actor.id), given)
    return [pydantic_core.to_json(value) for value in found if value is not None]


def hand_over_one(ledger: Ledger, actor: Actor, answer: bytes, nothing: str = "") -> bytes:
    """The same of one answer; 404 with these words where that leaves nothing of it."""
    for found in hand_over(ledger, actor, [answer]):
        return found
    raise NotFound(nothing)
