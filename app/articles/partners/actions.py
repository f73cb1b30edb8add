"""Giving partners what they may have, and noting it."""

from collections.abc import Sequence
from typing import Any

import pydantic_core

from app.articles.partners.schemas import Ledger, Receipt
from app.identity.schemas import Actor

_WITHOUT: dict[str, dict[str, Any]] = {"full": {}, "excerpt": {}, "headline": {"dek": None, "excerpt": ""}}


def cut(value: Any) -> Any:
    """As much of an article as its level says, and of all articles inside it; None for nothing.

    Of a list what is nothing is left out, and so is what only tells of such an article.
    """
    if isinstance(value, list):
        return [found for found in map(cut, value) if found is not None]
    if not isinstance(value, dict):
        return value
    level = value["rights"]["syndication"] if "rights" in value else "full"
    if level == "none":
        return None
    found = {name: cut(inner) for name, inner in value.items() if name != "body" or level == "full"} | _WITHOUT[level]
    return None if value.get("article") is not None and found["article"] is None else found


def parts(actor: Actor, answers: Sequence[bytes]) -> list[bytes]:
    """JSON that holds articles as the caller may have it: a partner, as much as the level of each allows."""
    if not actor.is_partner:
        return list(answers)
    found = [cut(pydantic_core.from_json(answer)) for answer in answers]
    return [pydantic_core.to_json(value) for value in found if value is not None]


def part(actor: Actor, answer: bytes) -> bytes:
    """The same of one answer that is no article itself."""
    return parts(actor, [answer])[0]


def hand_over(ledger: Ledger, actor: Actor, articles: Sequence[bytes]) -> list[bytes]:
    """The same of articles themselves; what a partner is given is noted."""
    found = parts(actor, articles)
    if actor.is_partner:
        given = [pydantic_core.from_json(article) for article in found]
        receipts = [Receipt(row["id"], row["revision"], row["rights"]["syndication"]) for row in given]
        ledger.note(str(actor.id), receipts)
    return found
