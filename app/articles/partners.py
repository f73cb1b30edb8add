"""Articles for partners: limited by syndication level, and early access before publication."""

from collections.abc import Sequence
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


class EarlyAccess(Protocol):
    """Knows which partners are named for articles that will be public; the room above has it."""

    def __call__(self, connection: sa.Connection, article_id: str, key_id: str, /) -> bool: ...


def is_offered() -> ColumnElement[bool]:
    """Select whether partners may read an article at any syndication level."""
    return sa.func.coalesce(ARTICLE.c.syndication, syndication_of(ARTICLE.c.section_id), "full") != "none"


def can_read_early(connection: sa.Connection, row: Row, actor: Actor, is_named: EarlyAccess) -> bool:
    """Whether a partner may read an article before it is public; call it only for such articles."""
    coming = row["state"] in ("published", "scheduled") and actor.is_partner and actor.id is not None
    return coming and is_named(connection, row["id"], str(actor.id))


class AccessRecord(NamedTuple):
    """One article that was sent to a partner."""

    article_id: str
    revision: int
    level: Level


class AccessLog(Protocol):
    """Records which articles were sent to partners; the room `partners` implements it."""

    def note(self, key_id: str, receipts: Sequence[AccessRecord]) -> None: ...


_REDUCED_FIELDS: dict[str, dict[str, Any]] = {
    "excerpt": {"text": ""},
    "headline": {"dek": None, "excerpt": "", "text": ""},
}


def _reduce_article(value: dict[str, Any], level: str) -> dict[str, Any]:
    """Return an article without the fields that a level excludes, and without the text."""
    reduced = {name: inner for name, inner in value.items() if name != "body"}
    return reduced | {name: instead for name, instead in _REDUCED_FIELDS[level].items() if name in reduced}


def _limit_to_level(value: Any, records: list[AccessRecord]) -> Any:
    """Limit an article, and all articles nested in it, to their syndication levels; None for nothing.

    Lists lose articles that partners may not read, and objects whose `article` is one.
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
    """Return an article as partners may read it, adding it to `records`; None if they may not."""
    limited: dict[str, Any] | None = _limit_to_level(pydantic_core.from_json(article), records)
    return limited


def filter_for_partner(access_log: AccessLog, actor: Actor, answers: Sequence[bytes]) -> Sequence[bytes]:
    """Return JSON as the caller may read it: partners get articles at their level, which is logged."""
    if not actor.is_partner:
        return answers
    records: list[AccessRecord] = []
    values = [_limit_to_level(pydantic_core.from_json(answer), records) for answer in answers]
    access_log.note(str(actor.id), records)
    return [pydantic_core.to_json(value) for value in values if value is not None]


def filter_one_for_partner(access_log: AccessLog, actor: Actor, answer: bytes, detail: str = "") -> bytes:
    """Apply `filter_for_partner` to one answer; 404 with this detail if nothing is left."""
    for filtered in filter_for_partner(access_log, actor, [answer]):
        return filtered
    raise NotFound(detail)
