"""What partners see: what is public and offered to them, and what they are named for before it is public."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles.reading import ARTICLE
from app.core.problems import NotFound
from app.db.columns import Row
from app.identity.schemas import Actor
from app.publication.schemas import Level
from app.publication.term_queries import syndication_of

EARLY: dict[str, Callable[[sa.Connection, str, str], bool]] = {}  # filled in wiring: who is named is known above


def is_offered() -> ColumnElement[bool]:
    """Whether partners may have anything of an article at all."""
    return sa.func.coalesce(ARTICLE.c.syndication, syndication_of(ARTICLE.c.section_id), "full") != "none"


def can_read_early(connection: sa.Connection, row: Row, actor: Actor) -> bool:
    """Whether a partner is named for an article that will be public; asked only where it is not yet."""
    coming = row["state"] in ("published", "scheduled") and actor.is_partner and actor.id is not None
    return coming and EARLY["named"](connection, row["id"], str(actor.id))


class AccessRecord(NamedTuple):
    """One article that a partner was given."""

    article_id: str
    revision: int
    level: Level


class AccessLog(Protocol):
    """Keeps receipts; the room above has it."""

    def note(self, key_id: str, receipts: Sequence[AccessRecord]) -> None: ...


_REDUCED_FIELDS: dict[str, dict[str, Any]] = {
    "excerpt": {"text": ""},
    "headline": {"dek": None, "excerpt": "", "text": ""},
}


def _reduce_article(value: dict[str, Any], level: str) -> dict[str, Any]:
    """Without what a level leaves out: the text, the standfirst, and what a search shows of either."""
    reduced = {name: inner for name, inner in value.items() if name != "body"}
    return reduced | {name: instead for name, instead in _REDUCED_FIELDS[level].items() if name in reduced}


def _limit_to_level(value: Any, records: list[AccessRecord]) -> Any:
    """As much of an article as its level says, and of all articles inside it; None for nothing.

    Of a list what is nothing is left out, and so is what only tells of such an article.
    """
    if isinstance(value, list):
        return [limited for row in value if (limited := _limit_to_level(row, records)) is not None]
    if not isinstance(value, dict):
        return value
    if "rights" in value:
        level = value["rights"]["syndication"]
        if level == "none":
            return None
        records.append(AccessRecord(value["id"], value["revision"], level))
        if level != "full":
            value = _reduce_article(value, level)
            if "highlight" in value:
                value["highlight"] = _reduce_article(value["highlight"], level)
    limited = {name: _limit_to_level(inner, records) for name, inner in value.items()}
    return None if value.get("article") is not None and limited["article"] is None else limited


def limit_for_partner(article: bytes, records: list[AccessRecord]) -> dict[str, Any] | None:
    """An article as partners may have it, if they may, and a receipt for it; `body` is absent unless it is theirs."""
    limited: dict[str, Any] | None = _limit_to_level(pydantic_core.from_json(article), records)
    return limited


def filter_for_partner(access_log: AccessLog, actor: Actor, answers: Sequence[bytes]) -> Sequence[bytes]:
    """JSON that holds articles as the caller may have it: a partner, as much as the level of each allows, and noted."""
    if not actor.is_partner:
        return answers
    records: list[AccessRecord] = []
    values = [_limit_to_level(pydantic_core.from_json(answer), records) for answer in answers]
    access_log.note(str(actor.id), records)
    return [pydantic_core.to_json(value) for value in values if value is not None]


def filter_one_for_partner(access_log: AccessLog, actor: Actor, answer: bytes, detail: str = "") -> bytes:
    """The same of one answer; 404 with these words where that leaves nothing of it."""
    for filtered in filter_for_partner(access_log, actor, [answer]):
        return filtered
    raise NotFound(detail)
