"""Giving partners what they may have, and noting it."""

from collections.abc import Sequence
from typing import Any

import pydantic_core

from app.articles.partners.schemas import Ledger, Receipt
from app.identity.schemas import Actor
from app.kit.problems import NotFound

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
